//! Words and flags of other platforms, against a real server; messages about apps that do not exist.

use std::fs;
use std::process::Command;

use testkit::output_on_terminal;

use crate::server::Server;

#[test]
fn commands_of_other_platforms_do_the_same() {
    let server = Server::with_demo();
    let quantity = || server.run(&["ps", "scale", "--json"]).json()["items"][0]["quantity"].clone();
    server.run(&["scale", "web=2"]).ok();
    assert_eq!(quantity(), 2);
    server.run(&["ps:scale", "web=1"]).ok();
    assert_eq!(quantity(), 1);
    server.run(&["restart", "web.1"]).ok();
    server.run(&["restart"]).ok();
    server.run(&["config:set", "A=1"]).ok();
    server.run(&["config:add", "B=2"]).ok();
    server.run(&["config:remove", "B"]).ok();
    let done = server.run(&["releases:rollback", "v1"]);
    assert!(done.err.contains("v5"), "{done:?}");
    done.ok();
    server.run(&["create", "blog"]).ok();
    assert!(server.run(&["list"]).ok().contains("blog"));
    server.run(&["destroy", "blog", "--confirm", "blog"]).ok();
    let status = server.run(&["status"]).ok();
    assert!(
        status.contains("up") && status.contains("admin") && status.contains("1 app, 1 serving"),
        "{status}"
    );
    assert_eq!(
        server.run(&["status", "--json"]).json()["apps"]["serving"],
        1
    );
}

#[test]
fn the_app_may_be_given_as_an_argument() {
    let server = Server::with_demo();
    server.run(&["apps:create", "blog"]).ok();
    let info = |args: &[&str]| server.run(args).json()["name"].clone();
    assert_eq!(info(&["apps", "info", "blog", "--json"]), "blog");
    assert_eq!(info(&["info", "demo", "--json"]), "demo");
    assert_eq!(info(&["info", "--json"]), "demo", "by DYNO_APP");
    assert!(
        server
            .run(&["open", "blog"])
            .ok()
            .contains("http://blog.localhost")
    );
    let error = server.run(&["apps", "info", "blog", "-a", "demo"]).failed();
    assert!(error.contains("two names"), "{error}");
    let done = server.run(&["apps", "destroy", "blog"]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.err.contains("dyno apps destroy blog --confirm blog"),
        "{}",
        done.err
    );
    let error = server
        .run(&["apps", "destroy", "blog", "--confirm", "demo"])
        .failed();
    assert!(error.contains("nothing was destroyed"), "{error}");
    server
        .run(&["apps", "destroy", "blog", "--confirm", "blog"])
        .ok();
}

#[test]
fn flags_may_follow_the_program_to_run() {
    let server = Server::with_demo();
    // Whatever the program is: the app that is asked about is the one of the flag.
    let error = server.run(&["run", "bash", "-a", "nowhere"]).failed();
    assert!(
        error.contains("there is no app nowhere: the name is from the command line"),
        "{error}"
    );
    let error = server.run(&["run", "bash", "--", "-a", "nowhere"]).failed();
    assert!(
        error.contains("bash") && !error.contains("no app"),
        "{error}"
    );
}

#[test]
fn the_error_for_a_missing_app_names_the_source_of_its_name_and_existing_apps() {
    let server = Server::with_demo();
    server.run(&["create", "blog"]).ok();
    let run = |args: &[&str], folder: &str, variable: Option<&str>| {
        fs::create_dir_all(server.path(folder)).unwrap();
        let mut command = server.command(args);
        command
            .current_dir(server.path(folder))
            .env_remove("DYNO_APP");
        if let Some(app) = variable {
            command.env("DYNO_APP", app);
        }
        crate::server::done(&mut command).failed()
    };
    server.write("named/dyno.toml", "name = \"shop\"\n");
    for (args, folder, variable, says) in [
        (
            &["ps"][..],
            "work",
            None,
            "there is no app work: the name is the folder's",
        ),
        (
            &["ps"],
            "named",
            None,
            "there is no app shop: the name is from dyno.toml",
        ),
        (
            &["ps"],
            "work",
            Some("shop"),
            "there is no app shop: the name is from DYNO_APP",
        ),
        (
            &["ps", "-a", "shop"],
            "work",
            None,
            "there is no app shop: the name is from the command line",
        ),
        (&["logs"], "work", None, "there is no app work"),
        (
            &["config", "set", "A=1"],
            "work",
            None,
            "there is no app work",
        ),
        (&["releases"], "work", None, "there is no app work"),
        (
            &["info", "shop"],
            "work",
            None,
            "there is no app shop: the name is from the command line",
        ),
    ] {
        let error = run(args, folder, variable);
        assert!(error.contains(says), "{args:?}: {error}");
        assert!(
            error.contains("apps there: blog, demo") && error.contains("-a"),
            "{args:?}: {error}"
        );
    }
    let error = run(&["ps", "--json"], "work", None);
    let error: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!(
        (&error["error"]["id"], &error["error"]["next"]),
        (&"not_found".into(), &"dyno apps".into())
    );
}

#[test]
fn logs_with_json_print_one_object_for_each_line() {
    let server = Server::with_demo();
    server.process.get("/one");
    let lines = server.run(&["logs", "-n", "500", "--json"]).ok();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let is_release =
        |line: &&serde_json::Value| line["text"].as_str().unwrap().starts_with("Release v1");
    let api = lines.iter().find(is_release).unwrap();
    assert_eq!(
        (&api["source"], &api["dyno"]),
        (&"dyno".into(), &"api".into())
    );
    assert!(
        api["text"]
            .as_str()
            .unwrap()
            .contains("Release v1 created by admin"),
        "{api}"
    );
    assert!(api["at"].as_str().unwrap().ends_with("+00:00"), "{api}");
}

/// `dyno config --shell > .env`, and `eval "$(dyno config --shell)"`.
#[test]
fn printed_config_can_be_read_from_a_file_and_by_a_shell() {
    let server = Server::with_demo();
    let values = [
        ("QUOTES", "it's \"quoted\" `x` $HOME ${A} \\n \\"),
        ("LINES", "-----BEGIN KEY-----\nabc=\n-----END KEY-----\n"),
        ("SIGNS", " #leading, trailing\t "),
        ("WINDOWS", "a\r\nb"),
        ("UNICODE", "grüße 🚀"),
        ("EMPTY", ""),
        ("EXPORT", "export A=1"),
    ];
    let set: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let args: Vec<&str> = ["config", "set"]
        .into_iter()
        .chain(set.iter().map(String::as_str))
        .collect();
    server.run(&args).ok();
    let shell = server.run(&["config", "--shell"]).ok();
    server.write("demo/.env", &shell);
    let local = testkit::DynoProcess::start_local(&server.path("demo"), &[]);
    for (name, value) in values {
        let seen = local.get(&format!("/env/{name}")).text();
        assert_eq!(
            seen.trim_end_matches('\n'),
            value.trim_end_matches('\n'),
            "{name}"
        );
        let script = format!("{shell}\nprintf '%s.' \"${name}\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{value}."),
            "{name}"
        );
    }
    assert!(local.stop().success());
}

#[test]
fn tables_fit_sixty_columns() {
    let server = Server::with_demo();
    let long = "https://a.very.long.host.name.example.com/with/a/path/that/goes/on/and/on";
    server.run(&["config", "set", &format!("URL={long}")]).ok();
    for args in [
        &["apps"][..],
        &["info"],
        &["ps"],
        &["ps", "scale"],
        &["releases"],
        &["releases", "info", "v1"],
        &["config"],
        &["tokens"],
        &["usage"],
        &["slugs"],
        &["status"],
    ] {
        let shown = output_on_terminal(&server.command(args), 60);
        let widest = shown
            .lines()
            .map(|line| line.trim_end_matches('\r').chars().count())
            .max();
        assert!(
            widest.is_some_and(|widest| widest <= 60),
            "{args:?}: {shown}"
        );
    }
    assert!(
        server.run(&["config"]).ok().contains(long),
        "whole in a pipe"
    );
}
