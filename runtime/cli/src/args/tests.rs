//! The command line: sound, and read as people write it.

use std::time::Duration;

use clap::CommandFactory;
use node::{HourlyPrice, TimeOrOff};

use super::*;

fn parse(text: &str) -> Result<CliCommand, clap::Error> {
    super::parse(text.split(' ').map(OsString::from)).map(|args| args.command)
}

#[test]
fn the_command_line_definition_is_valid() {
    Args::command().debug_assert();
}

#[test]
fn every_group_with_commands_takes_a_colon() {
    let args = Args::command();
    let groups = args.get_subcommands().filter(|c| c.has_subcommands());
    for group in groups {
        assert!(
            habits::GROUPS.contains(&group.get_name()),
            "{}",
            group.get_name()
        );
    }
}

#[test]
fn app_and_server_flags_may_stand_anywhere() {
    for text in [
        "dyno ps -a shop --server http://x scale web=2",
        "dyno ps scale web=2 -a shop --server http://x",
        "dyno ps scale -a shop web=2 --server http://x",
    ] {
        let Ok(CliCommand::Ps(ps)) = parse(text) else {
            panic!("{text}");
        };
        assert_eq!(ps.on.app.expect("an app").as_str(), "shop");
        assert_eq!(ps.on.server.server.as_deref(), Some("http://x"));
        assert!(matches!(ps.command, Some(PsCommand::Scale { changes }) if changes.len() == 1));
    }
}

#[test]
fn a_flag_of_dyno_may_follow_the_program() {
    let Ok(CliCommand::Run(run)) = parse("dyno run bash -a hello") else {
        panic!("it is sound");
    };
    assert_eq!(
        (run.command, run.on.app.expect("an app").as_str()),
        (vec!["bash".into()], "hello")
    );
    let error = parse("dyno run bash -a -- x").expect_err("no app");
    assert!(error.to_string().contains("--app"), "{error}");
}

#[test]
fn the_program_and_its_arguments_are_passed_unchanged() {
    let Ok(CliCommand::Run(run)) = parse("dyno run -a shop -- task -a -- --x") else {
        panic!("it is sound");
    };
    assert_eq!(run.command, ["task", "-a", "--", "--x"]);
    assert_eq!(run.on.app.expect("an app").as_str(), "shop");
    let Ok(CliCommand::Local(local)) = parse("dyno local run --dir a::/b -- f.wasm -e x") else {
        panic!("it is sound");
    };
    let Some(LocalCommand::Run(run)) = local.command else {
        panic!("it is to run something");
    };
    assert_eq!(
        (run.dir, run.command),
        (
            vec!["a::/b".into()],
            vec!["f.wasm".into(), "-e".into(), "x".into()]
        )
    );
    parse("dyno run").expect_err("nothing to run");
}

#[test]
fn scaling_takes_a_number_or_a_difference() {
    let scale = |text: &str| text.parse::<ScaleChange>().expect(text);
    assert_eq!(scale("web=4").amount, ScaleAmount::Exactly(4));
    assert_eq!(scale("web+1").amount, ScaleAmount::More(1));
    let fewer = scale("image-worker-2:256MiB");
    assert_eq!(fewer.process.as_str(), "image-worker");
    assert_eq!(
        (fewer.amount, fewer.memory.as_deref()),
        (ScaleAmount::Fewer(2), Some("256MiB"))
    );
    for bad in [
        "web",
        "web=",
        "web=x",
        "=1",
        "Web=1",
        "web=1:",
        "web=-1",
        "web=99999999999",
    ] {
        assert!(bad.parse::<ScaleChange>().is_err(), "{bad}");
    }
}

#[test]
fn a_scaling_difference_stops_at_zero() {
    assert_eq!(ScaleAmount::Fewer(3).apply_to(2), 0);
    assert_eq!(ScaleAmount::More(3).apply_to(2), 5);
    assert_eq!(ScaleAmount::Exactly(3).apply_to(2), 3);
}

#[test]
fn a_config_value_may_have_any_character_and_is_not_printed() {
    let var: EnvAssignment = "URL=postgres://a:b@c/d?e=f".parse().expect("sound");
    assert_eq!(var.value, "postgres://a:b@c/d?e=f");
    assert_eq!(format!("{var:?}"), "URL=…");
    for bad in ["URL", "=x", "1A=x", "A-B=x"] {
        assert!(bad.parse::<EnvAssignment>().is_err(), "{bad}");
    }
}

#[test]
fn app_settings_are_parsed_by_name() {
    assert_eq!(
        "timeout=30s".parse(),
        Ok(AppSetting::Timeout(Some("30s".into())))
    );
    assert_eq!(
        "idle-after=off".parse(),
        Ok(AppSetting::IdleAfter(Some("off".into())))
    );
    assert_eq!(
        "idle-after=default".parse(),
        Ok(AppSetting::IdleAfter(None))
    );
    for bad in ["timeout=off", "timeout", "colour=red", "idle-after="] {
        assert!(bad.parse::<AppSetting>().is_err(), "{bad}");
    }
}

#[test]
fn missing_and_invalid_arguments_are_errors() {
    for text in [
        "dyno login",
        "dyno apps set",
        "dyno config set",
        "dyno config unset",
        "dyno ps stop",
        "dyno ps stop web",
        "dyno ps scale web",
        "dyno releases info three",
        "dyno maintenance maybe",
        "dyno domains add no_host",
        "dyno tokens create",
        "dyno tokens create --role king",
        "dyno serve --idle-after soon",
        "dyno serve --keep-releases 0",
        "dyno deploy -a Shop",
        "dyno logs --dyno Web",
        "dyno logs -n 2000",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn server_flags_become_settings() {
    let text = "dyno serve --listen 0.0.0.0:80 --api 127.0.0.1:0 --domain example.com --idle-after off \
                --cycle 24h --price 0.1 --free-dynos 0 --keep-releases 5 --grace 5s";
    let Ok(CliCommand::Serve(serve)) = parse(text) else {
        panic!("{text}");
    };
    let settings = serve.settings();
    assert_eq!(settings.idle_after, Some(TimeOrOff::Off));
    let day = Duration::from_secs(86_400);
    assert_eq!(settings.cycle_after, Some(TimeOrOff::After(day)));
    assert_eq!(settings.price, Some(HourlyPrice(100_000)));
    assert_eq!(settings.drain_grace, Some(Duration::from_secs(5)));
    assert_eq!(settings.releases_kept, Some(5));
    assert!(serve.config.is_none() && settings.data_folder.is_none());
}
