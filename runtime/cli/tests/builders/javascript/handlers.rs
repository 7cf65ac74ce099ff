//! JavaScript and TypeScript handlers of every form, and apps that cannot run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use testkit::DynoProcess;

use crate::app_folder::{App, keeps_nothing, steps};

const PACKAGE: (&str, &str) = (
    "package.json",
    r#"{"name":"x","private":true,"main":"index.js"}"#,
);

/// An app that checks everything that the documentation promises to handlers.
const WHOLE: &str = r#"
import text from './words.txt';
import process, { env } from 'node:process';
const greeting = process.env.GREETING ?? 'nobody';
let count = 0;
const encoder = new TextEncoder();
const parts = (n) => new ReadableStream({
  pull(to) { if (n-- > 0) to.enqueue(encoder.encode(`part ${n}\n`)); else to.close(); },
});
const routes = {
  '/': () => new Response(`${greeting} ${++count} ${env.DYNO}`),
  '/text': () => new Response(text),
  '/random': () => new Response(String(Math.random())),
  '/echo': (request) => new Response(request.body, { headers: { 'x-type': request.headers.get('content-type') } }),
  '/parts': () => new Response(parts(5)),
  '/big': () => new Response('x'.repeat(3_000_000)),
  '/url': (request) => new Response(`${request.method} ${request.url}`, { status: 203 }),
  '/later': (_, __, context) => {
    context.waitUntil(new Promise((done) => setTimeout(done, 20)).then(() => console.log('this came later')));
    return new Response('now');
  },
  '/boom': () => { throw new Error('it broke'); },
};
await Promise.resolve();
export default {
  async fetch(request, env, context) {
    const route = routes[new URL(request.url).pathname];
    return route ? route(request, env, context) : new Response('nothing', { status: 404 });
  },
};
"#;

#[test]
fn requests_leave_no_handles_in_the_instance() {
    let app = App::new(&[PACKAGE, ("index.js", WHOLE), ("words.txt", "")]);
    let local = app.run(&[]);
    keeps_nothing(&local, "/echo", "/text");
    assert!(local.stop().success());
}

/// Unread `fetch` responses stay open until garbage collection, which may never happen.
#[test]
fn unread_fetch_responses_do_not_end_requests() {
    let asked = tiny_server();
    let text = format!(
        "export default {{ async fetch() {{\n  const {{ status }} = await fetch('http://{asked}/');\n  \
         return new Response(String(status));\n}} }};\n"
    );
    let local = App::new(&[PACKAGE, ("index.js", &text)]).run(&[]);
    for request in 0..200 {
        assert_eq!(local.get("/").text(), "200", "request {request}");
    }
    local.wait_for_line("a fresh start", |line| {
        line.contains("dyno[web.1]: Started afresh: the app has ") && line.contains(" not read")
    });
    assert!(local.stop().success());
}

/// A server that answers every request on every connection, until the test ends.
fn tiny_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while matches!(stream.read(&mut request), Ok(1..)) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                    stream.write_all(answer).unwrap();
                }
            });
        }
    });
    address
}

#[test]
fn a_handler_has_all_documented_interfaces() {
    let app = App::new(&[PACKAGE, ("index.js", WHOLE), ("words.txt", "grüße")]);
    app.write(".env", "GREETING=servus\n");
    let local = app.run(&[]);
    assert_eq!(local.get("/").text(), "servus 1 web.1");
    assert_eq!(
        local.get("/").text(),
        "servus 2 web.1",
        "one instance serves many"
    );
    assert_eq!(local.get("/text").text(), "grüße");
    assert_ne!(local.get("/random").text(), local.get("/random").text());
    let body: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let echo = local.request("POST", "/echo", &["Content-Type: x/y"], &body);
    assert_eq!((echo.status, echo.header("x-type")), (200, Some("x/y")));
    assert!(echo.body == body && echo.complete);
    assert_eq!(
        local.get("/parts").text(),
        "part 4\npart 3\npart 2\npart 1\npart 0\n"
    );
    assert_eq!(local.get("/big").body.len(), 3_000_000);
    let head = local.request("HEAD", "/big", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let url = local.request("DELETE", "/url?a=%20b", &[], b"");
    let text = url.text();
    assert_eq!(
        (url.status, text.as_str()),
        (203, "DELETE http://demo.localhost/url?a=%20b")
    );
    assert_eq!(local.get("/later").text(), "now");
    local.wait_for_line("what waitUntil waited for", |line| {
        line.contains("app[web.1]: this came later")
    });
    assert_eq!(local.get("/boom").status, 500);
    local.wait_for_line("the error", |line| {
        line.contains("app[web.1]") && line.contains("it broke")
    });
    assert_eq!(local.get("/").text(), "servus 3 web.1", "it goes on");
    assert!(local.stop().success());
}

#[test]
fn other_forms_of_handlers_run() {
    let listener =
        "addEventListener('fetch', (event) => event.respondWith(new Response('by an event')));";
    let function =
        "export default (request: Request): Response => new Response('by a function' as string);";
    let common = "module.exports = { fetch: () => new Response('by CommonJS') };";
    let named = r#"{"name":"x","exports":{".":{"import":"./lib/start.js"}}}"#;
    let forms = [
        (
            "by an event",
            vec![("package.json", "{}"), ("index.mjs", listener)],
        ),
        (
            "by a function",
            vec![("package.json", "{}"), ("src/index.ts", function)],
        ),
        (
            "by CommonJS",
            vec![("package.json", named), ("lib/start.js", common)],
        ),
    ];
    for (text, files) in forms {
        let local = App::new(&files).run(&[]);
        assert_eq!(local.get("/").text(), text);
        assert!(local.stop().success());
    }
}

#[test]
fn an_unchanged_app_is_not_rebuilt_and_a_change_needs_no_network() {
    let app = App::example("api-ts");
    app.build();
    let (told, first) = app.build_offline();
    assert!(steps(&told).is_empty(), "{told}");
    assert_eq!(first["builder"]["name"], "javascript");
    assert!(
        first["builder"]["tool"]
            .as_str()
            .unwrap()
            .contains("componentize-js 0.")
    );
    let text = app
        .read("src/index.ts")
        .replace("tasks: '/tasks',", "tasks: '/tasks', changed: true,");
    app.write("src/index.ts", &text);
    let (told, second) = app.build_offline();
    assert_eq!(
        steps(&told),
        ["bundling src/index.ts"],
        "packages are not installed again"
    );
    assert_ne!(first["id"], second["id"]);
    let component = |slug: &serde_json::Value| slug["processes"]["web"]["sha256"].clone();
    assert_eq!(component(&first), component(&second), "nothing is compiled");
    let local = DynoProcess::start_local(Path::new(app.folder()), &[]);
    assert!(local.get("/").text().contains("changed"));
    assert!(local.stop().success());
    let names: Vec<String> =
        serde_json::from_value::<serde_json::Map<_, _>>(second["files"].clone())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("node_modules") || name.starts_with("target"))
    );
}

#[test]
fn unsupported_code_is_reported_with_its_position_and_a_remedy() {
    let of = |text: &str| App::new(&[PACKAGE, ("index.js", text)]).refused();
    for (import, advice) in [
        ("net", "no sockets"),
        ("node:tls", "no sockets"),
        ("child_process", "starts no processes"),
        ("node:worker_threads", "one thread"),
        ("http2", "use `node:http`"),
        ("node:readline/promises", "no terminal"),
    ] {
        let text = of(&format!(
            "// first\nimport x from '{import}';\nexport default {{ fetch: x }};\n"
        ));
        let name = import.trim_start_matches("node:");
        assert!(
            text.contains(&format!("\"{name}\" is a part of Node.js")),
            "{text}"
        );
        assert!(
            text.contains(advice) && text.contains("index.js:2:"),
            "{text}"
        );
    }
    let none = of("export const x = 1;");
    assert!(
        none.contains("index.js:1:1: there is no fetch handler") && none.contains("Hono"),
        "{none}"
    );
    let wrong = App::new(&[("package.json", "{}"), ("src/index.ts", "const x: = 1;\n")]).refused();
    assert!(
        wrong.contains("src/index.ts:1:") && wrong.contains("Unexpected"),
        "{wrong}"
    );
    let absent = of("import { x } from './absent.js';\nexport default x;\n");
    assert!(
        absent.contains("Could not resolve \"./absent.js\""),
        "{absent}"
    );
    let empty = App::new(&[("package.json", "{}")]).refused();
    assert!(
        empty.contains("src/index.ts") && empty.contains("main"),
        "{empty}"
    );
    let broken = App::new(&[("package.json", "{")]).refused();
    assert!(broken.contains("package.json cannot be read"), "{broken}");
}
