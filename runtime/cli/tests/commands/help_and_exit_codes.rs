//! Help, completions, exit codes, colours.

use testkit::dyno_command;

use crate::command_folder::Place;

/// Every command that people call.
const COMMANDS: [&[&str]; 44] = [
    &["new"],
    &["build"],
    &["local"],
    &["serve"],
    &["login"],
    &["logout"],
    &["whoami"],
    &["apps"],
    &["apps", "create"],
    &["apps", "info"],
    &["apps", "set"],
    &["apps", "destroy"],
    &["apps", "open"],
    &["deploy"],
    &["releases"],
    &["releases", "info"],
    &["rollback"],
    &["ps"],
    &["ps", "scale"],
    &["ps", "restart"],
    &["ps", "stop"],
    &["config"],
    &["config", "set"],
    &["config", "unset"],
    &["config", "get"],
    &["logs"],
    &["maintenance"],
    &["domains"],
    &["domains", "add"],
    &["domains", "rm"],
    &["usage"],
    &["slugs"],
    &["slug"],
    &["slug", "inspect"],
    &["tokens"],
    &["tokens", "create"],
    &["tokens", "revoke"],
    &["status"],
    &["version"],
    &["completions"],
    // With a colon, as some people write them.
    &["ps:scale"],
    &["config:set"],
    &["apps:create"],
    &["tokens:revoke"],
];

#[test]
fn every_command_has_help_with_an_example() {
    let place = Place::new();
    for command in COMMANDS {
        let text = place.run(&[command, &["--help"]].concat()).ok();
        let example = format!("\n  dyno {}", command.join(" ").replace(':', " "));
        assert!(
            text.contains("Example") && text.contains(&example),
            "{command:?}: {text}"
        );
    }
    let text = place.run(&["--help"]).ok();
    for command in COMMANDS {
        let name = command[0].split(':').next().unwrap();
        assert!(text.contains(&format!("\n  {name} ")), "{name}: {text}");
    }
    assert!(text.contains("dyno new hello"), "{text}");
    assert!(!text.contains("__compile"), "{text}");
}

#[test]
fn completions_exist_for_common_shells() {
    let place = Place::new();
    for (shell, sign) in [
        ("bash", "complete -F _dyno"),
        ("zsh", "#compdef dyno"),
        ("fish", "complete -c dyno"),
    ] {
        let text = place.run(&["completions", shell]).ok();
        assert!(
            text.contains(sign) && text.contains("inspect"),
            "{shell}: {text}"
        );
        assert!(
            !text.contains("__compile"),
            "{shell} tells of what is not for people"
        );
    }
    assert_eq!(place.run(&["completions", "cobol"]).code, Some(2));
}

#[test]
fn usage_errors_exit_with_2_and_failures_with_1() {
    let place = Place::new();
    let wrong: [&[&str]; 8] = [
        &[],
        &["no-such-command"],
        &["build", "--no-such-flag"],
        &["new"],
        &["slug"],
        &["slug", "inspect"],
        &["slug:no-such-command"],
        &["completions"],
    ];
    for args in wrong {
        let done = place.run(args);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(2), ""),
            "{args:?}: {done:?}"
        );
        assert!(done.err.contains("Usage: dyno"), "{args:?}: {}", done.err);
    }
    assert_eq!(place.run(&["build", "absent"]).code, Some(1));
}

#[test]
fn output_without_a_terminal_has_no_colours() {
    let place = Place::new();
    place.app("shop");
    for args in [
        &["build", "shop"][..],
        &["slug", "inspect", "shop/shop.slug"],
        &["--help"],
        &["build", "absent"],
    ] {
        for no_color in [true, false] {
            let mut command = dyno_command();
            if !no_color {
                command.env_remove("NO_COLOR");
            }
            let output = command
                .args(args)
                .current_dir(place.path("."))
                .output()
                .unwrap();
            let all = [output.stdout, output.stderr].concat();
            assert!(
                !all.contains(&0x1b),
                "{args:?}: {}",
                String::from_utf8_lossy(&all)
            );
        }
    }
}

/// `CLICOLOR_FORCE` asks for colours without a terminal; `NO_COLOR` wins.
#[test]
fn no_color_overrides_clicolor_force() {
    let place = Place::new();
    let coloured = |no_color: &str| {
        let mut command = dyno_command();
        command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", no_color);
        let output = command
            .args(["build", "absent"])
            .current_dir(place.path("."))
            .output();
        output.unwrap().stderr.contains(&0x1b)
    };
    assert!(coloured("") && !coloured("1"));
}
