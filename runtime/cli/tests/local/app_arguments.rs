//! The argument of `dyno local`: a folder, a slug, a component, or a mistake.

use testkit::{DemoApp, DynoProcess, dyno_command, error_of, guest_path};

#[test]
fn a_component_runs() {
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    let reply = local.get("/");
    assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
    assert!(reply.header("x-request-id").is_some());
    let line = local.wait_for_router_line("/");
    assert!(
        line.contains(" dyno[router]: at=info method=GET ") && line.contains(" dyno=web.1 "),
        "{line}"
    );
    assert!(local.stop().success());
}

#[test]
fn a_folder_with_a_component_runs() {
    let demo = DemoApp::from_guest("good3");
    let local = demo.start_local(&[]);
    assert_eq!(local.get("/env/APP_NAME").text(), "demo");
    assert!(local.stop().success());
}

#[test]
fn without_an_argument_the_current_folder_runs() {
    let demo = DemoApp::from_guest("good");
    let mut command = dyno_command();
    let command = command
        .args(["local", "-p", "0"])
        .current_dir(demo.folder());
    let local = DynoProcess::start(command);
    assert_eq!(local.get("/env/APP_NAME").text(), "demo");
    assert!(local.stop().success());
}

#[test]
fn a_slug_runs_as_its_folder_does() {
    let demo = DemoApp::from_guest("good");
    demo.write_file("victim.txt", "an app's file")
        .write_file("app.json", r#"{"env": {"SIZE": "9"}}"#);
    let slug = demo.file_path("other.slug");
    let built = dyno_command()
        .arg("build")
        .arg(demo.folder())
        .arg("-o")
        .arg(&slug)
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let local = DynoProcess::start_local(&slug, &["web=2"]);
    assert_eq!(local.get("/env/SIZE").text(), "9");
    assert_eq!(
        local.get("/files/read?path=victim.txt").text(),
        "an app's file"
    );
    assert_eq!(local.get("/files/write?path=victim.txt").status, 403);
    local.wait_for_line("the scaling", |line| line.contains("Scaled to web@2"));
    assert!(local.stop().success());
}

#[test]
fn a_damaged_slug_is_refused() {
    let demo = DemoApp::from_guest("good");
    let slug = demo.file_path("demo.slug");
    let built = dyno_command()
        .arg("build")
        .arg(demo.folder())
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let mut bytes = std::fs::read(&slug).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&slug, bytes).unwrap();
    error_of(dyno_command().arg("local").arg(&slug).args(["-p", "0"]));
}

#[test]
fn errors_about_the_argument_name_valid_arguments() {
    let demo = DemoApp::from_guest("good");
    let cases: [(&[&str], &[&str]); 8] = [
        (&["web"], &["neither a formation such as web=2"]),
        (&["web=x"], &["web=x", "a number from 0 to"]),
        (&["web=-1"], &["web=-1", "a number from 0 to"]),
        (&["web=1001"], &["web=1001", "a number from 0 to 1000"]),
        (&["web=1,web=2"], &["names web twice"]),
        (&["web=1,worker"], &["worker", "web=2"]),
        (&["worker=1"], &["no process type worker", "web"]),
        (&["-f", "absent"], &["cannot find absent"]),
    ];
    for (args, expected) in cases {
        let text = demo.local_error(args);
        assert!(
            expected.iter().all(|part| text.contains(part)),
            "{args:?}: {text}"
        );
    }
    let text = error_of(dyno_command().args(["local", "no-such-folder"]));
    assert!(text.contains("cannot find no-such-folder"), "{text}");
    let text = DemoApp::new().local_error(&[]);
    assert!(
        text.contains("holds no app that dyno can build") && text.contains("dyno new"),
        "{text}"
    );
    let text = error_of(
        dyno_command()
            .arg("local")
            .arg(guest_path("good"))
            .args(["-p", "0", "--watch"]),
    );
    assert!(text.contains("--watch needs a folder"), "{text}");
}

#[test]
fn usage_errors_have_their_own_exit_code() {
    for args in [
        &["-p", "many"][..],
        &["-p", "70000"],
        &["--no-such-flag"],
        &["a", "b", "c"],
    ] {
        let output = dyno_command().arg("local").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_app_answers_on_every_hostname() {
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    for host in [
        "localhost",
        "127.0.0.1",
        "app.example",
        "demo.localhost:5000",
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = local.send_bytes(request.as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{host}");
    }
}
