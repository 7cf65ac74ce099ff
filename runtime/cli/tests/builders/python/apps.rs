//! Python apps of every form, and apps that cannot run.

use testkit::DynoProcess;

use crate::app_folder::{App, keeps_nothing, steps};

/// An app without packages, so that one component serves all of these tests.
const NONE: (&str, &str) = ("requirements.txt", "# none\n");

const WSGI: &str = r#"
import os, random, sys
count = 0
GREETING = os.environ["GREETING"]

def application(environ, start_response):
    global count
    count += 1
    path = environ["PATH_INFO"].encode("latin-1").decode()
    if path == "/":
        answer = f"{GREETING} {count} {os.environ['DYNO']}"
    elif path == "/random":
        answer = str(random.random())
    elif path == "/lazily":
        import sqlite3, email.mime.text, graphlib
        answer = "bücher".encode("idna").decode() + sqlite3.connect(":memory:").execute("select 'ok'").fetchone()[0]
    elif path == "/file":
        with open("words.txt") as file, open("tmp/copy.txt", "w") as copy:
            copy.write(file.read())
        with open("/tmp/copy.txt") as file:
            answer = file.read()
    elif path == "/boom":
        raise ValueError("it broke")
    elif path == "/half":
        start_response("200 OK", [("content-type", "text/plain")])
        return half()
    elif path == "/echo":
        start_response("201 Created", [("x-length", environ.get("CONTENT_LENGTH", "none"))])
        return iter(lambda: environ["wsgi.input"].read(10_000), b"")
    else:
        answer = f"{environ['REQUEST_METHOD']} {path} {environ['QUERY_STRING']} {environ['HTTP_X_TWO']}"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer.encode())))])
    return [answer.encode()]

def half():
    yield b"half"
    raise RuntimeError("no more")
"#;

#[test]
fn requests_leave_no_handles_in_the_instance() {
    let app = App::new(&[NONE, ("wsgi.py", WSGI), (".env", "GREETING=x\n")]);
    let local = app.run(&[]);
    keeps_nothing(&local, "/echo", "/random");
    assert!(local.stop().success());
}

/// Sends more than the memory of a dyno in total. The bindings must free each chunk.
#[test]
fn bodies_larger_than_the_memory_of_a_dyno_are_served() {
    let app = App::new(&[NONE, ("wsgi.py", WSGI), (".env", "GREETING=x\n")]);
    let local = app.run(&[]);
    let body = vec![b'x'; 1024 * 1024];
    for request in 0..150 {
        let reply = local.request("POST", "/echo", &["Content-Type: text/plain"], &body);
        assert_eq!(
            (reply.status, reply.body.len()),
            (201, body.len()),
            "request {request}"
        );
    }
    let told = local.lines();
    assert_eq!(told.iter().find(|line| line.contains("rashed")), None);
    assert_eq!(told.iter().find(|line| line.contains("afresh")), None);
    assert!(local.stop().success());
}

#[test]
fn a_wsgi_app_has_all_documented_interfaces() {
    let app = App::new(&[
        NONE,
        ("wsgi.py", WSGI),
        ("words.txt", "grüße\n"),
        (".env", "GREETING=servus\n"),
    ]);
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "servus 1 web.1");
    assert_eq!(
        local.get("/").text(),
        "servus 2 web.1",
        "one instance serves many"
    );
    assert_ne!(local.get("/random").text(), local.get("/random").text());
    assert_eq!(local.get("/lazily").text(), "xn--bcher-kvaok");
    assert_eq!(local.get("/file").text(), "grüße\n");
    let body: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let echo = local.post("/echo", &body);
    assert_eq!(
        (echo.status, echo.header("x-length")),
        (201, Some("300000"))
    );
    assert!(
        echo.body == body && echo.complete,
        "{} bytes",
        echo.body.len()
    );
    let other = local.request(
        "PATCH",
        "/a%20b%C3%A9?c=%20",
        &["X-Two: 1", "X-Two: 2"],
        b"",
    );
    assert_eq!(other.text(), "PATCH /a bé c=%20 1,2");
    let head = local.request("HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(local.get("/boom").status, 500);
    local.wait_for_line("the place", |line| {
        line.contains("File \"/wsgi.py\", line 23")
    });
    assert!(local.get("/").text().starts_with("servus "), "it goes on");
    assert!(
        !local.get("/half").complete,
        "half an answer does not look whole"
    );
    assert!(local.stop().success());
}

#[test]
fn other_forms_of_apps_run() {
    let plain = "def handler(request):\n    return {'path': request.path, 'body': request.body.decode()}, 202, {'x-a': 'b'}\n";
    let local = App::new(&[NONE, ("main.py", plain)]).run(&[]);
    let reply = local.post("/x?y", b"hi");
    assert_eq!((reply.status, reply.header("x-a")), (202, Some("b")));
    assert_eq!(reply.text(), r#"{"path": "/x", "body": "hi"}"#);
    assert!(local.stop().success());
    let package = "def make():\n    def app(environ, start_response):\n        start_response('200 OK', [])\n        return [b'made']\n    return app\n";
    let pyproject = "[project]\nname = 'x'\nversion = '1'\ndependencies = []\n";
    let files = [
        ("pyproject.toml", pyproject),
        ("site_of_mine/__init__.py", package),
        (
            "Procfile",
            "web: gunicorn --workers 2 'site_of_mine:make()'\n",
        ),
    ];
    let local = App::new(&files).run(&[]);
    assert_eq!(local.get("/").text(), "made");
    assert!(local.stop().success());
}

#[test]
fn packages_with_optional_native_code_run_as_plain_python() {
    let text = "import markupsafe\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [str(markupsafe.escape('<')).encode()]\n";
    let app = App::new(&[
        ("requirements.txt", "markupsafe==3.0.3\n"),
        ("app.py", text),
    ]);
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "&lt;");
    assert!(local.stop().success());
}

#[test]
fn packages_that_need_native_code_are_refused_with_the_reason() {
    let app = App::new(&[
        ("requirements.txt", "numpy\n"),
        ("app.py", "import numpy\napp = lambda *_: numpy\n"),
    ]);
    let text = app.refused();
    assert!(
        text.contains("numpy is native code") && text.contains(".so"),
        "{text}"
    );
    assert!(text.contains("Use another package"), "{text}");
    let absent = App::new(&[
        ("requirements.txt", "flask==999.0\n"),
        ("app.py", "app = 1\n"),
    ])
    .refused();
    assert!(
        absent.contains("flask==999.0 for Python") && absent.contains("requirements.txt"),
        "{absent}"
    );
}

#[test]
fn unsupported_code_is_reported_with_its_position() {
    let of = |text: &str| App::new(&[NONE, ("app.py", text)]).refused();
    let syntax = of("app = 1\n\ndef f(:\n    pass\n");
    assert!(
        syntax.contains("app.py:3: invalid syntax") && syntax.contains("def f(:"),
        "{syntax}"
    );
    assert!(
        !syntax.contains("backtrace") && !syntax.contains("Traceback"),
        "{syntax}"
    );
    let none = of("print('hello')\n");
    assert!(
        none.contains("app.py has no WSGI or ASGI app") && none.contains("web: module:name"),
        "{none}"
    );
    let nothing = App::new(&[NONE]).refused();
    assert!(
        nothing.contains("app.py") && nothing.contains("Procfile"),
        "{nothing}"
    );
    let worker = App::new(&[
        NONE,
        ("app.py", "app = 1\n"),
        ("Procfile", "web: app:app\nworker: node work.js\n"),
    ]);
    let text = worker.refused();
    assert!(
        text.contains("`worker`") && text.contains("`node`"),
        "{text}"
    );
}

#[test]
fn an_app_that_cannot_be_imported_fails_to_boot_with_the_reason() {
    let app = App::new(&[
        NONE,
        ("app.py", "import os\napp = os.environ['NO_SUCH_SETTING']\n"),
    ]);
    app.build();
    let local = DynoProcess::spawn_local(app.folder(), &[]);
    local.wait_for_line("the app's own traceback", |line| {
        line.contains("File \"/app.py\", line 2")
    });
    local.wait_for_line("why", |line| {
        line.starts_with("error: ") && line.contains("KeyError: 'NO_SUCH_SETTING'")
    });
    assert!(!local.wait_for_exit().success());
    let (told, _) = app.build();
    assert!(steps(&told).is_empty(), "{told}");
}
