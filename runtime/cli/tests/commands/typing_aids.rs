//! Help for users of other platforms and for typing errors: aliases, suggestions, errors as JSON.

use testkit::{dyno_command, output_on_terminal};

use crate::command_folder::Place;

#[test]
fn help_understands_commands_and_their_aliases() {
    let place = Place::new();
    for (args, same) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "ps"], &["ps", "--help"]),
        (&["help", "ps", "scale"], &["ps", "scale", "--help"]),
        (&["help", "ps:scale"], &["ps", "scale", "--help"]),
        (&["help", "scale"], &["ps", "scale", "--help"]),
        (&["scale", "--help"], &["ps", "scale", "--help"]),
        (&["releases:rollback", "--help"], &["rollback", "--help"]),
    ] {
        assert_eq!(place.run(args).ok(), place.run(same).ok(), "{args:?}");
    }
    assert_eq!(place.run(&["help", "no-such-command"]).code, Some(2));
}

#[test]
fn version_is_also_a_command() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    let json = place.run(&["version", "--json"]).json();
    assert_eq!(json["version"], version);
    // The profile that built the tests, whichever it is.
    let profile = json["profile"].as_str().expect("a profile");
    let text = format!("dyno {version} ({profile})\n");
    assert_eq!(place.run(&["version"]).ok(), text);
    assert_eq!(place.run(&["--version"]).ok(), text);
}

#[test]
fn suggestions_are_similar_commands_that_exist() {
    let place = Place::new();
    for (typed, meant) in [
        ("confg", "config"),
        ("depoly", "deploy"),
        ("restrat", "restart"),
    ] {
        let done = place.run(&[typed]);
        assert_eq!(done.code, Some(2));
        assert!(done.err.contains(&format!("'{meant}'")), "{}", done.err);
        place.run(&[meant, "--help"]).ok();
    }
    for typed in ["pg:psql", "buildpacks", "frobnicate"] {
        let done = place.run(&[typed]);
        assert!(
            done.code == Some(2) && !done.err.contains("tip:"),
            "{}",
            done.err
        );
    }
}

#[test]
fn errors_are_json_when_json_is_requested() {
    let place = Place::new();
    place
        .write("ruby/Gemfile", "")
        .write("ruby/Procfile", "web: bundle exec puma *\n");
    for (args, code, id, says) in [
        (&["apps", "--json"][..], 1, "no_login", "no server is known"),
        (
            &["apps", "--json", "--server", "http://127.0.0.1:9"],
            1,
            "no_login",
            "not logged in",
        ),
        (
            &["build", "ruby", "--json"],
            1,
            "build_failed",
            "a Ruby program",
        ),
        (
            &["slug", "inspect", "absent.slug", "--json"],
            1,
            "failed",
            "absent.slug",
        ),
        (&["confg", "--json"], 2, "usage", "confg"),
        (&["ps", "scale", "web", "--json"], 2, "usage", "web=4"),
        (
            &["apps", "destroy", "shop", "--json"],
            2,
            "usage",
            "--confirm shop",
        ),
    ] {
        let done = place.run(args);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(code), ""),
            "{args:?}: {done:?}"
        );
        let error: serde_json::Value =
            serde_json::from_str(done.err.lines().last().unwrap()).unwrap();
        let error = &error["error"];
        assert_eq!(error["id"], id, "{args:?}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert!(
            error["causes"].is_array() && error.get("next").is_some(),
            "{error}"
        );
    }
    // Without it, they are for people.
    let done = place.run(&["apps"]);
    assert!(
        done.err.starts_with("error: no server is known"),
        "{}",
        done.err
    );
}

/// One line, whatever the Procfile holds.
#[test]
fn unsupported_languages_get_a_one_line_error() {
    let place = Place::new();
    for (file, says) in [
        ("Rakefile", "a Ruby program"),
        ("pom.xml", "a Java or Kotlin app"),
        ("composer.json", "a PHP app"),
        ("Dockerfile", "an app in a container"),
        ("heroku.yml", "an app in a container"),
    ] {
        place
            .write(&format!("{file}.d/{file}"), "")
            .write(&format!("{file}.d/Procfile"), "web: x | y *\nnonsense\n");
        for command in ["build", "local"] {
            let error = place.run(&[command, &format!("{file}.d")]).failed();
            let lines: Vec<&str> = error
                .lines()
                .filter(|line| line.starts_with("error"))
                .collect();
            assert!(
                lines.len() == 1 && lines[0].contains(says) && lines[0].contains("Python"),
                "{error}"
            );
            assert!(!error.contains("because"), "{error}");
        }
    }
}

fn widest(text: &str) -> usize {
    let plain = text
        .lines()
        .map(|line| line.trim_end_matches('\r').chars().count());
    plain.max().unwrap_or_default()
}

#[test]
fn tables_fit_a_narrow_terminal_and_are_complete_in_a_pipe() {
    let place = Place::new();
    place.app("shop");
    place.run(&["build", "shop", "-o", "shop.slug"]).ok();
    for args in [&["slug", "inspect", "shop.slug"][..], &["new", "--list"]] {
        let mut command = dyno_command();
        command.args(args).current_dir(place.path("."));
        let shown = output_on_terminal(&command, 60);
        assert!(widest(&shown) <= 60, "{shown}");
        let whole = place.run(args).ok();
        assert!(widest(&whole) > 60, "{whole}");
    }
}
