//! Settings from the files of an app and from arguments: config vars, process types, formation, limits.

use testkit::{DemoApp, log_field};

#[test]
fn variables_come_from_dotenv() {
    let demo = DemoApp::from_guest("good");
    demo.write_file(
        ".env",
        "# local\nexport GREETING=\"hi\\nthere\"\nEMPTY=\nPLAIN=a b # note\n",
    );
    let local = demo.start_local(&[]);
    assert_eq!(local.get("/env/GREETING").text(), "hi\nthere");
    assert_eq!(local.get("/env/PLAIN").text(), "a b");
    assert_eq!(local.get("/env/EMPTY").status, 200);
    // The `.env` file is private to the developer and not part of the slug.
    assert!(!local.get("/files/list?path=/").text().contains(".env"));
    for (name, value) in [
        ("DYNO", "web.1"),
        ("HOME", "/"),
        ("TMPDIR", "/tmp"),
        ("APP_NAME", "demo"),
        ("RELEASE_VERSION", "v1"),
    ] {
        assert_eq!(local.get(&format!("/env/{name}")).text(), value);
    }
    assert!(local.get("/env/SLUG_ID").text().starts_with("sha256:"));
    // No variable of this machine's environment reaches the app.
    assert!(!local.get("/env").text().contains("PATH="));
}

#[test]
fn another_env_file_replaces_dotenv() {
    let demo = DemoApp::from_guest("good");
    demo.write_file(".env", "A=1\nB=1\n")
        .write_file("other.env", "A=2\n");
    let file = demo.file_path("other.env");
    let local = demo.start_local(&["-e", file.to_str().unwrap()]);
    assert_eq!(local.get("/env/A").text(), "2");
    assert_eq!(local.get("/env/B").status, 404);
}

#[test]
fn errors_in_files_name_the_file_and_the_line() {
    let demo = DemoApp::from_guest("good");
    let absent = demo.local_error(&["-e", "absent.env"]);
    assert!(absent.contains("cannot read absent.env"), "{absent}");
    demo.write_file(".env", "GOOD=1\nnot a variable\n");
    let text = demo.local_error(&[]);
    assert!(text.contains(".env") && text.contains('2'), "{text}");
    demo.write_file(".env", "")
        .write_file("dyno.toml", "[limits]\nmemroy = \"1MiB\"\n");
    let text = demo.local_error(&[]);
    assert!(
        text.contains("unknown key `limits.memroy`") && text.contains("memory"),
        "{text}"
    );
    assert!(text.contains("dyno.toml"), "{text}");
    demo.write_file("dyno.toml", "")
        .write_file("Procfile", "web: elsewhere.wasm\n");
    let text = demo.local_error(&[]);
    assert!(
        text.contains("elsewhere.wasm") && text.contains("correct the path"),
        "{text}"
    );
}

#[test]
fn app_json_gives_defaults_and_requires_other_variables() {
    let demo = DemoApp::from_guest("good");
    demo.write_file(
        "app.json",
        r#"{"env": {"A": {"value": "default"}, "B": "plain", "C": {"required": true}},
            "formation": {"web": {"quantity": 3}}}"#,
    );
    demo.write_file(".env", "B=own\n");
    let local = demo.start_local(&[]);
    assert_eq!(local.get("/env/A").text(), "default");
    assert_eq!(local.get("/env/B").text(), "own");
    let lines = local.lines().join("\n");
    assert!(lines.contains("warning: the app needs C"), "{lines}");
    assert!(lines.contains("Scaled to web@3:"), "{lines}");
}

#[test]
fn a_formation_argument_overrides_the_files() {
    let demo = DemoApp::from_guest("good");
    demo.write_file("dyno.toml", "[formation]\nweb = 2\n");
    let local = demo.start_local(&[]);
    local.wait_for_line("two dynos", |line| line.contains("Scaled to web@2:"));
    assert!(local.stop().success());
    let local = demo.start_local(&["web=1"]);
    local.wait_for_line("one dyno", |line| line.contains("Scaled to web@1:"));
    assert!(local.stop().success());
}

#[test]
fn a_procfile_names_the_web_component() {
    let demo = DemoApp::from_guest("good");
    std::fs::rename(demo.file_path("app.wasm"), demo.file_path("one.wasm")).unwrap();
    demo.replace_component("good3");
    std::fs::rename(demo.file_path("app.wasm"), demo.file_path("two.wasm")).unwrap();
    let text = demo.local_error(&[]);
    assert!(
        text.contains("several `.wasm` files (one.wasm, two.wasm)"),
        "{text}"
    );
    demo.write_file("Procfile", "web: one.wasm\n")
        .write_file("Procfile.other", "web: two.wasm\n");
    // Only one of the two components sends trailers.
    let local = demo.start_local(&[]);
    assert_eq!(local.get("/trailers").status, 200);
    assert!(local.stop().success());
    let other = demo.file_path("Procfile.other");
    let local = demo.start_local(&["-f", other.to_str().unwrap()]);
    assert_eq!(local.get("/trailers").status, 404);
    assert_eq!(local.get("/").status, 200);
    assert!(local.stop().success());
}

#[test]
fn the_time_limit_of_dyno_toml_applies() {
    let demo = DemoApp::from_guest("good");
    demo.write_file(
        "dyno.toml",
        "name = \"own-name\"\n[limits]\ntimeout = \"1s\"\n",
    );
    let local = demo.start_local(&[]);
    assert_eq!(local.get("/env/APP_NAME").text(), "own-name");
    let reply = local.get("/sleep?ms=60000");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("H12"), "{}", reply.text());
    let line = local.wait_for_router_line("/sleep?ms=60000");
    assert!(
        line.contains("at=error code=H12 desc=\"Request timeout\""),
        "{line}"
    );
    assert!(
        log_field(&line, "wait") + log_field(&line, "service") >= 999,
        "{line}"
    );
    // A new dyno serves its first call.
    assert_eq!(local.get("/count").text(), "1\n");
    assert!(local.stop().success());
}

#[test]
fn the_memory_limit_of_dyno_toml_applies() {
    let mib = |limits: &str| {
        let demo = DemoApp::from_guest("memory_bomb");
        demo.write_file("dyno.toml", limits);
        let local = demo.start_local(&[]);
        let text = local.get("/").text();
        let number = text
            .split_once("mib=")
            .unwrap_or_else(|| panic!("{text}"))
            .1;
        assert!(local.stop().success());
        number.trim().parse::<u32>().unwrap()
    };
    let small = mib("[limits]\nmemory = \"32MiB\"\n");
    let default = mib("");
    assert!(small < 32, "{small}");
    assert!((64..128).contains(&default), "{default}");
}

#[test]
fn without_dynos_every_request_gets_h14() {
    let demo = DemoApp::from_guest("good");
    let local = demo.start_local(&["web=0"]);
    let reply = local.get("/");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("H14"), "{}", reply.text());
    let line = local.wait_for_router_line("/");
    assert!(
        line.contains("at=error code=H14 desc=\"No web dynos running\""),
        "{line}"
    );
    assert!(local.stop().success());
}

#[test]
fn log_lines_of_guests_have_the_time_and_the_dyno() {
    let local = DemoApp::from_guest("good").start_local(&[]);
    assert_eq!(local.get("/log?lines=2").status, 200);
    for text in ["out 1", "out 2", "err 1", "err 2"] {
        let line =
            local.wait_for_line(text, |line| line.ends_with(&format!(" app[web.1]: {text}")));
        let at = line.split(' ').next().unwrap();
        assert_eq!(at.len(), "2026-11-21T19:09:12.345678+00:00".len(), "{line}");
        assert!(at.ends_with("+00:00"), "{line}");
    }
}

/// Lines have no colours without a terminal, and with NO_COLOR.
#[test]
fn without_a_terminal_log_lines_have_no_colours() {
    for no_color in [true, false] {
        let demo = DemoApp::from_guest("good");
        let mut command = testkit::dyno_command();
        if !no_color {
            command.env_remove("NO_COLOR");
        }
        let command = command.arg("local").arg(demo.folder()).args(["-p", "0"]);
        let local = testkit::DynoProcess::start(command);
        local.get("/log");
        local.wait_for_router_line("/log");
        assert!(!local.lines().join("\n").contains('\x1b'));
        assert!(local.stop().success());
    }
}

#[test]
fn each_dyno_has_its_own_log_colour() {
    let demo = DemoApp::from_guest("good");
    let mut command = testkit::dyno_command();
    command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    let command = command
        .args(["local", "web=2", "-p", "0"])
        .arg(demo.folder());
    let local = testkit::DynoProcess::start(command);
    let colour = |dyno: &str| {
        let name = format!("dyno[{dyno}]:");
        let line = local.wait_for_line(dyno, |line| line.contains(&name));
        let end = line.find('m').unwrap();
        assert!(line.starts_with("\x1b["), "{line:?}");
        line[..end].to_owned()
    };
    assert_ne!(colour("web.1"), colour("web.2"));
    assert!(local.stop().success());
}

/// ECMA-48 8.3.117: colours of an app are shown where output has colours; other escape sequences stay escaped.
#[test]
fn colours_of_an_app_are_shown_on_a_terminal_and_left_out_of_a_pipe() {
    let demo = DemoApp::from_guest("log_escape");
    for is_coloured in [true, false] {
        let mut command = testkit::dyno_command();
        if is_coloured {
            command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
        }
        let command = command.args(["local", "-p", "0"]).arg(demo.folder());
        let local = testkit::DynoProcess::start(command);
        local.get("/");
        local.wait_for_router_line("/");
        let line = |what: &str| local.wait_for_line(what, |line| line.contains(what));
        let colour = line("colour ");
        let end = if is_coloured {
            "colour \x1b[31mred\x1b[0m\x1b[0m"
        } else {
            "]: colour red"
        };
        assert!(colour.ends_with(end), "{colour:?}");
        assert!(line("title ").ends_with("title \\u{1b}]0;owned\\u{7}"));
        assert!(line("c1 ").ends_with("c1 \\u{9b}31m"));
        assert!(local.stop().success());
    }
}

/// `dyno local` reads files written by `dyno config --shell > .env`, and by editors of other systems.
#[test]
fn env_files_may_have_any_value_and_a_byte_order_mark() {
    let demo = DemoApp::from_guest("good");
    for text in [
        &b"QUOTES='it'\\''s \"$5\" \\ #1'\nLINES='a\nb'\n"[..],
        b"\xef\xbb\xbfQUOTES='it'\\''s \"$5\" \\ #1'\r\nLINES='a\r\nb'\r\n",
    ] {
        std::fs::write(demo.folder().join(".env"), text).unwrap();
        let local = testkit::DynoProcess::start_local(&demo.folder(), &[]);
        assert_eq!(
            local.get("/env/QUOTES").text().trim_end(),
            r#"it's "$5" \ #1"#
        );
        assert_eq!(local.get("/env/LINES").text().trim_end(), "a\nb");
        assert!(local.stop().success());
    }
    std::fs::write(demo.folder().join(".env"), b"\xff\xfeA\x00=\x001\x00").unwrap();
    let output = testkit::dyno_command()
        .args(["local", "-p", "0"])
        .arg(demo.folder())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(".env is in UTF-16") && error.contains("UTF-8"),
        "{error}"
    );
}
