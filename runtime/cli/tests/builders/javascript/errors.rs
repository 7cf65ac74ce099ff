//! Errors of JavaScript apps: at boot, in a handler, in a body, and in promises that nobody awaits. Each error is
//! logged once, with places in the sources of the app, and none ends the instance.

use std::thread;

use testkit::DynoProcess;

use crate::app_folder::App;

const INDEX: &str = r#"import { readProperty, throwRange } from './lib';
let count = 0;
const part = () => new TextEncoder().encode('part');
async function floating(): Promise<never> {
  await null;
  throw new RangeError('nobody waits');
}
const streams: Record<string, (c: ReadableStreamDefaultController) => unknown> = {
  '/thrown': async (c) => { c.enqueue(part()); await null; throwRange(); },
  '/errored': (c) => { c.enqueue(part()); c.error(new Error('the source failed')); },
  '/type': (c) => { c.enqueue(part()); c.enqueue('text'); c.close(); },
};
export default {
  async fetch(request: Request, env: unknown, context: { waitUntil(p: Promise<unknown>): void }): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (streams[pathname]) return new Response(new ReadableStream({ pull: streams[pathname] }));
    switch (pathname) {
      case '/count': return new Response(String(++count));
      case '/handler': return readProperty(null);
      case '/none': return undefined as unknown as Response;
      case '/floating': floating(); return new Response('ok');
      case '/timer': setTimeout(throwRange, 1); await new Promise((done) => setTimeout(done, 30)); return new Response('ok');
      case '/rejected': new Promise((_, reject) => reject(new Error('no reason'))); return new Response('ok');
      case '/later': context.waitUntil(floating()); return new Response('ok');
      case '/logged':
        console.error(new Error('it is logged', { cause: new TypeError('its cause') }));
        console.log('%s has %d of %o', 'she', 2, { a: [1] }, new Map([['k', { b: { c: { d: 1 } } }]]), 'end');
        const ring: Record<string, unknown> = { name: 'ring' };
        ring.self = ring;
        console.log(ring);
        console.table([{ a: 1 }, { a: 2 }]);
        console.assert(count < 0, 'it counts');
        return new Response('ok');
      default: return new Response('nothing', { status: 404 });
    }
  },
};
"#;
const LIB: &str = "export function readProperty(value: any): Response {\n  return value.property;\n}\n\n\
                   export function throwRange(): never {\n  throw new RangeError('out of range');\n}\n";

/// The app's log lines after a mark, without time and source, and without the rest of an earlier error.
fn told(local: &DynoProcess, mark: usize) -> Vec<String> {
    let lines = local.lines();
    let own = lines[mark..].iter();
    own.filter_map(|line| Some(line.split_once("app[web.1]: ")?.1.to_owned()))
        .skip_while(|line| line.starts_with("    at "))
        .collect()
}

/// Requests a path, waits for a log line, and returns all lines that the app has logged by then.
#[track_caller]
fn told_by(local: &DynoProcess, path: &str, last: &str) -> Vec<String> {
    let mark = local.line_count();
    local.get(path);
    local.wait_for_line_after(mark, last, |line| {
        line.contains("app[web.1]") && line.contains(last)
    });
    told(local, mark)
}

/// A started response cannot become a 500: it is aborted (RFC 9112 8, RFC 9113 8.1), and the dyno keeps serving.
#[track_caller]
fn assert_failing_bodies_break_off(local: &DynoProcess) {
    for (path, last, head) in [
        ("/thrown", "src/index.ts", "RangeError: out of range"),
        ("/errored", "src/index.ts", "Error: the source failed"),
        (
            "/type",
            "/type",
            "TypeError: the stream of a body gave a string",
        ),
    ] {
        let mark = local.line_count();
        let reply = local.get(path);
        assert_eq!((reply.status, reply.complete), (200, false), "{reply:?}");
        local.wait_for_line_after(mark, last, |line| {
            line.contains("app[web.1]") && line.contains(last)
        });
        let lines = told(local, mark);
        assert!(
            lines[0].starts_with(&format!("GET {path} broke off")) && lines[0].contains(head),
            "{lines:?}"
        );
        assert!(
            lines[1..].iter().all(|line| line.starts_with("    at ")),
            "{lines:?}"
        );
    }
}

#[test]
fn errors_are_logged_once_with_source_positions_and_end_no_instance() {
    let package = ("package.json", r#"{"name":"x","private":true}"#);
    let app = App::new(&[package, ("src/index.ts", INDEX), ("src/lib.ts", LIB)]);
    let local = app.run(&[]);
    assert_eq!(local.get("/count").text(), "1");
    assert_eq!(
        told_by(&local, "/handler", "src/index.ts"),
        [
            "GET /handler failed: TypeError: can't access property \"property\", value is null",
            "    at readProperty (src/lib.ts:2:3)",
            "    at fetch (src/index.ts:19:31)",
        ]
    );
    let lines = told_by(&local, "/none", "no Response");
    assert!(
        lines[0].starts_with("GET /none failed: TypeError: "),
        "{lines:?}"
    );
    assert_failing_bodies_break_off(&local);
    for (path, head) in [
        ("/floating", "Unhandled rejection: RangeError: nobody waits"),
        (
            "/later",
            "Rejected in waitUntil(): RangeError: nobody waits",
        ),
    ] {
        let lines = told_by(&local, path, "at floating");
        assert_eq!(lines[..2], [head, "    at floating (src/index.ts:6:9)"]);
    }
    let lines = told_by(&local, "/rejected", "no reason");
    assert_eq!(lines[0], "Unhandled rejection: Error: no reason");
    let lines = told_by(&local, "/timer", "at throwRange");
    assert_eq!(
        lines[..2],
        [
            "Uncaught: RangeError: out of range",
            "    at throwRange (src/lib.ts:6:9)"
        ]
    );
    assert_eq!(local.get("/count").text(), "2", "it is the same instance");
    let lines = local.lines();
    assert!(
        !lines.iter().any(|line| line.contains("Crashed")),
        "{lines:?}"
    );
    assert!(local.stop().success());
}

#[test]
fn console_output_equals_that_of_node() {
    let app = App::new(&[
        ("package.json", "{}"),
        ("src/index.ts", INDEX),
        ("src/lib.ts", LIB),
    ]);
    let local = app.run(&[]);
    let lines = told_by(&local, "/logged", "Assertion failed");
    let text = lines.join("\n");
    for part in [
        "Error: it is logged\n    at fetch (src/index.ts:26:",
        "  [cause]: TypeError: its cause\n      at fetch (src/index.ts:26:",
        "she has 2 of { a: [ 1 ] } Map(1) { 'k' => { b: { c: [Object] } } } end",
        "<ref *1> { name: 'ring', self: [Circular *1] }",
        "│ (index) │ a │",
        "Assertion failed: it counts",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(local.stop().success());
}

/// The release fails with the app's error. `dyno local` shows the error, and opens no port.
#[test]
fn an_app_that_cannot_be_loaded_fails_its_release_with_its_error() {
    let cases = [
        (
            "export default { fetch() {} };\nconst settings = undefined;\nconsole.log(settings.name);\n",
            "TypeError: can't access property \"name\", settings is undefined",
            "    at index.js:3:13",
        ),
        (
            "export default { fetch() {} };\nawait Promise.reject(new RangeError('no such setting'));\n",
            "RangeError: no such setting",
            "    at index.js:2:",
        ),
        (
            "export default { handler() {} };\n",
            "Error: the default export is no fetch handler",
            "",
        ),
    ];
    let handler = "export default { fetch: () => new Response() };";
    App::new(&[("package.json", "{}"), ("index.js", handler)]).build_and_compile();
    thread::scope(|scope| {
        for (text, reason, place) in cases {
            scope.spawn(move || {
                let app = App::new(&[("package.json", "{}"), ("index.js", text)]);
                app.build();
                let local = DynoProcess::spawn_local(app.folder(), &[]);
                let failed =
                    local.wait_for_line("the failure", |line| line.contains("did not come up"));
                assert!(failed.contains(reason), "{failed}");
                let lines = told(&local, 0);
                assert!(
                    lines[0].starts_with("The app cannot be loaded: "),
                    "{lines:?}"
                );
                assert!(lines[0].contains(reason), "{lines:?}");
                let places: Vec<&String> = lines
                    .iter()
                    .filter(|line| line.starts_with("    at"))
                    .collect();
                assert!(
                    place.is_empty() || places[0].starts_with(place),
                    "{lines:?}"
                );
                assert!(
                    !lines.iter().any(|line| line.contains("handler.js")),
                    "{lines:?}"
                );
                assert!(!local.wait_for_exit().success());
            });
        }
    });
}
