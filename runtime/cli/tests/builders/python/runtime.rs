//! The runtime of Python apps: the standard library, conformance to WSGI, errors that end only one request, and
//! `python` as a command.

use std::process::{Command, Output, Stdio};

use testkit::{DynoProcess, HttpReply, dyno_command};

use super::check_traceback;
use crate::app_folder::App;
use crate::request_errors::{FaultyPath, assert_errors_end_their_requests};

/// An app without packages, so that one component serves all of these tests.
const NONE: (&str, &str) = ("requirements.txt", "# none\n");
const FAULTS: (&str, &str) = ("wsgi.py", include_str!("runtime/faults.py"));
const LIBRARY: &str = include_str!("runtime/library.py");

/// Paths of `faults.py` whose response is aborted after `half`, and the expected log of each.
const AFTER_THE_HEAD: [FaultyPath; 8] = [
    (
        "/yields-then-raises",
        "RuntimeError: no more of yields_then_raises",
    ),
    ("/without-length", "RuntimeError: no more of without_length"),
    (
        "/writes-then-raises",
        "OSError: no more of writes_then_raises",
    ),
    ("/exits", "SystemExit: no more of exits"),
    (
        "/generator-exits",
        "GeneratorExit: no more of generator_exits",
    ),
    (
        "/yields-text",
        "TypeError: a WSGI app sends bytes, and this one sent str",
    ),
    ("/close-raises", "ValueError: no more of close_raises"),
    ("/late-exc-info", "KeyError: 'no more of late_exc_info'"),
];
/// Paths with a 500 response, and the expected log of each.
const BEFORE_THE_HEAD: [FaultyPath; 8] = [
    ("/raises", "LookupError: nothing of raises"),
    ("/interrupts", "KeyboardInterrupt: nothing of interrupts"),
    ("/exits-at-once", "SystemExit: nothing of exits_at_once"),
    (
        "/starts-twice",
        "AssertionError: start_response was called twice without exc_info",
    ),
    ("/never-starts", "AssertionError: the app sent no head"),
    (
        "/bad-header",
        "ValueError: the header 'X-A' has a line break",
    ),
    ("/bad-status", "TypeError: the status is int, not str: 200"),
    (
        "/returns-nothing",
        "TypeError: 'NoneType' object is not iterable",
    ),
];

/// Each error is logged once, as a traceback of the app. The instance keeps serving.
#[test]
fn an_exception_ends_its_request_and_not_the_dyno() {
    let local = App::new(&[NONE, FAULTS]).run(&[]);
    assert_errors_end_their_requests(&local, &AFTER_THE_HEAD, &BEFORE_THE_HEAD, |told| {
        check_traceback(told, "/wsgi.py")
    });
    assert!(local.stop().success());
}

/// PEP 3333, "Handling the Content-Length Header", and RFC 9110, 8.6 and 9.3.2.
#[test]
fn a_body_must_have_its_announced_length() {
    let local = App::new(&[NONE, FAULTS]).run(&[]);
    let short = local.get("/too-short");
    assert_eq!((short.text(), short.complete), ("half".to_owned(), false));
    local.wait_for_line("the reason", |line| {
        line.contains("announced Content-Length: 30 and sent 4: the response is broken off")
    });
    let long = local.get("/too-long");
    assert_eq!((long.text(), long.complete), ("half".to_owned(), true));
    local.wait_for_line("the reason", |line| {
        line.contains("announced Content-Length: 4 and sent more: the rest was left out")
    });
    let taken_back = local.get("/takes-the-head-back");
    assert_eq!(
        (taken_back.status, taken_back.text()),
        (503, "sorry".to_owned())
    );
    assert_eq!(
        (taken_back.header("x-a"), taken_back.header("x-b")),
        (None, Some("2"))
    );
    assert_eq!(local.get("/announces").body.len(), 1234);
    for path in ["/announces", "/too-long", "/too-short"] {
        let head = local.request("HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    let head = local.request("HEAD", "/announces", &[], b"");
    assert_eq!(head.header("content-length"), Some("1234"));
    assert_eq!(local.get("/not-modified").status, 304);
    assert!(local.get("/").text().ends_with(" web.1"));
    let told = local.lines();
    assert_eq!(told.iter().find(|line| line.contains("rashed")), None);
    assert!(local.stop().success());
}

/// PEP 3333, "Unicode Issues" and "Input and Error Streams".
#[test]
fn request_bytes_reach_the_app_unchanged() {
    let local = App::new(&[NONE, FAULTS]).run(&[]);
    let head = "GET /strings?q=grün&r=%C3%BC HTTP/1.1\r\nHost: demo.localhost\r\nX-Name: Zoë\r\nConnection: close\r\n\r\n";
    let reply = HttpReply::parse(&local.send_bytes(head.as_bytes()));
    assert_eq!(
        reply.text(),
        "q=grün&r=%C3%BC\n/strings?q=grün&r=%C3%BC\nZoë"
    );
    let read = local.post("/leaves-input", b"input and more");
    assert_eq!(read.text(), "inpu|t and more|");
    assert!(local.stop().success());
}

#[test]
fn an_app_that_cannot_be_loaded_shows_only_its_traceback() {
    let text = "import os\n\ndef setting(name):\n    return os.environ[name]\n\napp = setting('NO_SUCH_SETTING')\n";
    let app = App::new(&[NONE, ("app.py", text)]);
    app.build();
    let local = DynoProcess::spawn_local(app.folder(), &[]);
    local.wait_for_line("the error", |line| {
        line.ends_with("KeyError: 'NO_SUCH_SETTING'")
    });
    local.wait_for_line("the end of the boot", |line| {
        line.contains("KeyError: 'NO_SUCH_SETTING'") && !line.contains(" app[")
    });
    let told = local.lines().join("\n");
    assert!(
        told.contains("File \"/app.py\", line 6, in <module>"),
        "{told}"
    );
    assert!(
        told.contains("File \"/app.py\", line 4, in setting"),
        "{told}"
    );
    for engine in [
        "backtrace",
        "panicked",
        "dyno_",
        "<frozen importlib",
        "/importlib/",
    ] {
        assert!(!told.contains(engine), "{engine} in {told}");
    }
}

#[test]
fn the_standard_library_of_python_is_complete() {
    let own = ("statistics.py", "mine = 'of the app'\n");
    let app = App::new(&[NONE, FAULTS, ("library.py", LIBRARY), own]);
    app.build();
    let output = python(&app, &["library.py"], b"");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("\nOK"), "{told}");
    let output = python(&app, &["-m", "json.tool", "--compact"], b"{ \"a\": 1 }");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"a\":1}\n");
}

#[test]
fn python_runs_as_a_command_with_exact_exit_codes() {
    let app = App::new(&[
        NONE,
        FAULTS,
        (
            "jobs/one.py",
            "import sys\nprint(sys.argv, sys.path[0], __name__)\n",
        ),
    ]);
    app.build();
    let runs = |words: &[&str], input: &str| {
        let output = python(&app, words, input.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, _) = runs(&["jobs/one.py", "a", "--b"], "");
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "['jobs/one.py', 'a', '--b'] /jobs __main__\n")
    );
    let (code, out, _) = runs(
        &["-c", "import sys; print(sys.argv[1:]); sys.exit(7)", "x y"],
        "",
    );
    assert_eq!((code, out.as_str()), (Some(7), "['x y']\n"));
    assert_eq!(runs(&["-c", "raise SystemExit(300)"], "").0, Some(44));
    let (code, out, _) = runs(&["-m", "jobs.one", "x"], "");
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "['/jobs/one.py', 'x'] / __main__\n")
    );
    let (code, out, _) = runs(&["-"], "print('from stdin')\n");
    assert_eq!((code, out.as_str()), (Some(0), "from stdin\n"));
    let (code, out, _) = runs(&["-c", "print(input().upper())"], "typed\n");
    assert_eq!((code, out.as_str()), (Some(0), "TYPED\n"));
    let (code, _, told) = runs(&["-c", "import sys; sys.exit('words')"], "");
    assert!(code == Some(1) && told.ends_with("words\n"), "{told}");
    let (code, out, told) = runs(&["-c", "print('out'); 1/0"], "");
    assert_eq!((code, out.as_str()), (Some(1), "out\n"));
    assert_eq!(told.matches("Traceback").count(), 1, "{told}");
    assert!(
        told.ends_with("ZeroDivisionError: division by zero\n"),
        "{told}"
    );
    assert_eq!(runs(&["nowhere.py"], "").0, Some(2));
    assert!(runs(&["-V"], "").1.starts_with("Python 3.14"));
}

/// `dyno local run python WORDS` in the app's folder.
fn python(app: &App, words: &[&str], input: &[u8]) -> Output {
    use std::io::Write;
    let mut command: Command = dyno_command();
    command
        .args(["local", "run", "--", "python"])
        .args(words)
        .current_dir(app.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not read stdin may have ended before this write.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn flask_password_hashes_and_async_views_work() {
    let app = App::new(&[
        ("requirements.txt", "flask[async]==3.1.3\n"),
        ("app.py", include_str!("runtime/flask_site.py")),
        ("words.txt", "grüße\n"),
    ]);
    let local = app.run(&[]);
    check_flask(&local);
    assert!(local.stop().success());
}

fn check_flask(local: &DynoProcess) {
    let hashes = local.get("/hashes");
    let text = hashes.text();
    assert!(
        text.contains("scrypt:32768:8:1") && text.contains("pbkdf2:sha256:"),
        "{text}"
    );
    assert_eq!(local.get("/async").text(), "[0,1,2]\n");
    let head = "GET /query?q=grün HTTP/1.1\r\nHost: demo.localhost\r\nX-Name: b\r\nX-Name: c\r\nConnection: close\r\n\r\n";
    let query: serde_json::Value =
        serde_json::from_slice(&HttpReply::parse(&local.send_bytes(head.as_bytes())).body).unwrap();
    assert_eq!(
        (&query["q"], &query["name"]),
        (&"grün".into(), &"b,c".into()),
        "{query}"
    );
    let file = local.request("GET", "/file", &["Range: bytes=0-1"], b"");
    assert_eq!((file.status, file.text()), (206, "gr".to_owned()));
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\u{0}12345\u{7f}\r\n--b--\r\n";
    let sent = local.request(
        "POST",
        "/upload",
        &["Content-Type: multipart/form-data; boundary=b"],
        form.as_bytes(),
    );
    assert_eq!(sent.text(), "{\"bytes\":7,\"name\":\"a.bin\"}\n");
    let stream = local.get("/stream");
    assert_eq!((stream.text(), stream.complete), ("half".to_owned(), false));
    local.wait_for_line("the error", |line| {
        line.ends_with("ValueError: no more of stream")
    });
    assert_eq!(local.get("/broken").status, 500);
    local.wait_for_line("the error", |line| {
        line.ends_with("KeyError: 'nothing of broken'")
    });
}
