//! ASGI apps without a framework: conformance, errors that end only one request, the lifespan, and tasks that outlive a
//! request.

use std::io::{Read, Write};

use testkit::{DynoProcess, HttpReply};

use super::check_traceback;
use crate::app_folder::{App, keeps_nothing};
use crate::request_errors::{FaultyPath, assert_errors_end_their_requests};

/// An app without packages, so that one component serves all of these tests.
const NONE: (&str, &str) = ("requirements.txt", "# none\n");
const FAULTS: (&str, &str) = ("asgi.py", include_str!("asgi/faults.py"));

/// Paths with a 500 response, and the expected log of each.
const BEFORE_THE_HEAD: [FaultyPath; 7] = [
    ("/raises", "LookupError: nothing of raises"),
    ("/exits", "SystemExit: nothing of exits"),
    (
        "/sends-no-head",
        "RuntimeError: 'http.response.body' was sent before 'http.response.start'",
    ),
    (
        "/returns-nothing",
        "RuntimeError: the app returned without a whole response",
    ),
    (
        "/bad-header",
        "ValueError: the header 'x-a' has a line break",
    ),
    (
        "/waits-for-nothing",
        "RuntimeError: the app waits for something that nothing can bring about",
    ),
    (
        "/accepts-a-socket",
        "RuntimeError: 'websocket.accept' is no message of an HTTP response",
    ),
];
/// Paths whose response is broken off after `half`, and the expected log of each.
const AFTER_THE_HEAD: [FaultyPath; 3] = [
    (
        "/starts-then-raises",
        "RuntimeError: no more of starts_then_raises",
    ),
    (
        "/starts-then-returns",
        "RuntimeError: the app returned without a whole response",
    ),
    (
        "/sends-text",
        "TypeError: the body of a response is bytes, and the app sent str",
    ),
];

fn start() -> DynoProcess {
    App::new(&[NONE, FAULTS]).run(&[])
}

/// Each error is logged once, as a traceback of the app. The instance keeps serving.
#[test]
fn an_exception_ends_its_request_and_not_the_dyno() {
    let local = start();
    assert_errors_end_their_requests(&local, &AFTER_THE_HEAD, &BEFORE_THE_HEAD, |told| {
        check_traceback(told, "/asgi.py")
    });
    let mark = local.line_count();
    let whole = local.get("/raises-at-the-end");
    assert_eq!((whole.text(), whole.complete), ("whole".to_owned(), true));
    local.wait_for_line_after(mark, "the error", |line| {
        line.contains("ValueError: no more of raises_at_the_end")
    });
    let short = local.get("/too-short");
    assert_eq!((short.text(), short.complete), ("half".to_owned(), false));
    local.wait_for_line("the reason", |line| {
        line.contains("announced Content-Length: 30 and sent 4: the response is broken off")
    });
    assert!(local.stop().success());
}

/// The ASGI specification, HTTP 2.4, "HTTP connection scope".
#[test]
fn a_request_is_a_scope_and_its_body_events() {
    let local = start();
    let head = "PUT /shows?q=gr%C3%BCn HTTP/1.1\r\nHost: demo.localhost:81\r\nX-Name: Zoë\r\nConnection: close\r\n\r\n";
    let shown = HttpReply::parse(&local.send_bytes(head.as_bytes())).text();
    for part in [
        "'type': 'http', 'http_version': '1.1', 'method': 'PUT', 'scheme': 'http'",
        "'path': '/shows', 'raw_path': b'/shows', 'query_string': b'q=gr%C3%BCn', 'root_path': ''",
        "'server': ('demo.localhost', 81)",
        r"'x': b'Zo\xc3\xab'",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let body: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    let echo = local.post("/echoes", &body);
    assert_eq!((echo.status, echo.complete), (201, true));
    assert!(echo.body == body, "{} bytes", echo.body.len());
    assert_eq!(local.get("/sends-a-file").text(), FAULTS.1);
    for path in ["/announces", "/sends-a-file", "/"] {
        let head = local.request("HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    let head = local.request("HEAD", "/announces", &[], b"");
    assert_eq!(head.header("content-length"), Some("1234"));
    assert_eq!(head.header("x-kind"), Some("asgi"));
    for (path, status) in [("/not-modified", 304), ("/no-content", 204)] {
        let reply = local.get(path);
        assert_eq!((reply.status, reply.body.len()), (status, 0), "{path}");
    }
    assert!(local.stop().success());
}

/// What uvicorn's threads do is done at once; tasks that a request has started end before the next one.
#[test]
fn tasks_and_threads_of_a_request_are_done() {
    let local = start();
    assert_eq!(local.get("/uses-threads").text(), "[3, 'nested']");
    assert_eq!(local.get("/starts-tasks").text(), "started");
    assert_eq!(local.get("/shows-log").text(), "count,count,count");
    assert_eq!(local.post("/disconnects", b"body").text(), "False");
    assert_eq!(local.get("/shows-log").text(), "http.disconnect");
    assert!(local.stop().success());
}

#[test]
fn requests_leave_no_handles_in_the_instance() {
    let local = start();
    keeps_nothing(&local, "/echoes", "/no-content");
    assert!(local.stop().success());
}

/// An app hears that an upload broke off. A response that goes on is ended with its dyno, after a short time.
#[test]
fn a_client_that_leaves_ends_its_request_alone() {
    let local = start();
    let leave = |request: &str, read: usize| {
        let mut stream = local.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut vec![0; read]).unwrap();
    };
    let host = "HTTP/1.1\r\nHost: demo.localhost\r\n";
    let part = "x".repeat(200_000);
    leave(
        &format!("POST /uploads {host}Content-Length: 400000\r\n\r\n{part}"),
        40,
    );
    assert_eq!(local.get("/shows-log").text(), "http.disconnect");
    assert_eq!(local.get("/").text(), "3 web.1", "the same instance");
    let mark = local.line_count();
    leave(&format!("GET /ticks {host}\r\n"), 500);
    local.wait_for_line_after(mark, "the replacement", |line| {
        line.contains("Replacing: its client went away before the response was complete")
    });
    assert_eq!(local.get("/").text(), "1 web.1");
    let told = local.lines();
    let odd = |line: &&String| line.contains("Traceback") || line.contains("rashed");
    assert_eq!(told.iter().find(odd), None);
    assert!(local.stop().success());
}

const LIFESPAN: &str = r#"
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        if "FAILS" in os.environ:
            await send({"type": "lifespan.startup.failed", "message": "no database at " + os.environ["FAILS"]})
            return
        scope["state"]["since"] = "boot"
        scope["state"]["ticks"] = ticks = []
        asyncio.create_task(tick(ticks))
        await send({"type": "lifespan.startup.complete"})
        await receive()
    else:
        await asyncio.sleep(0.05)
        text = f"{scope['state']['since']} {len(scope['state']['ticks']) > 1}"
        scope["state"]["since"] = "request"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})

async def tick(ticks):
    while True:
        await asyncio.sleep(0.01)
        ticks.append(1)
"#;

#[test]
fn the_lifespan_begins_at_boot_and_its_tasks_go_on_in_requests() {
    let app = App::new(&[
        NONE,
        ("main.py", LIFESPAN),
        (
            "Procfile",
            "web: uvicorn main:app --host 0.0.0.0 --port $PORT\n",
        ),
    ]);
    let local = app.run(&["--watch"]);
    local.wait_for_line("watching", |line| line.contains("Watching"));
    for _ in 0..2 {
        assert_eq!(
            local.get("/").text(),
            "boot True",
            "each request has a copy of the state"
        );
    }
    // A failing startup fails the release, as an app that raises does. What worked before goes on.
    for (file, text, told) in [
        (".env", "FAILS=db.test\n", "no database at db.test"),
        (
            "main.py",
            "raise RuntimeError('not today')\n",
            "RuntimeError: not today",
        ),
    ] {
        let mark = local.line_count();
        app.write(file, text);
        local.wait_for_line_after(mark, told, |line| {
            line.contains(told) && !line.contains(" app[")
        });
        assert_eq!(local.get("/").text(), "boot True");
    }
    assert!(local.stop().success());
}

/// An app is known by what it is, and not by the server that its Procfile names.
#[test]
fn programs_and_servers_of_all_kinds_name_asgi_apps() {
    let text = "
class App:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        assert self.scope['type'] == 'http'
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})
        await send({'type': 'http.response.body', 'body': (self.scope['root_path'] + self.scope['path']).encode()})

def make():
    return App

def plain(environ, start_response):
    start_response('200 OK', [])
    return [b'wsgi ' + environ['PATH_INFO'].encode()]
";
    for (line, reply) in [
        (
            "hypercorn --bind :$PORT --root-path /shop 'asgi:main:App'",
            "/shop/shop/x",
        ),
        (
            "gunicorn -k uvicorn.workers.UvicornWorker 'main:make()'",
            "/x",
        ),
        ("uvicorn main:plain", "wsgi /x"),
    ] {
        let app = App::new(&[
            NONE,
            ("main.py", text),
            ("Procfile", &format!("web: {line}\n")),
        ]);
        let local = app.run(&[]);
        assert_eq!(local.get("/x").text(), reply, "{line}");
        assert!(local.stop().success());
    }
}
