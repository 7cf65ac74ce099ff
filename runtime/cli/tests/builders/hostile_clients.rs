//! A hostile client of a JavaScript, Python or Go app does not disturb other clients. The paths that end the dyno cause
//! errors that no program can catch, or exit.

use testkit::hostile_client::{HostileTarget, assert_others_are_served};

use crate::app_folder::App;

#[track_caller]
fn stranger_stops_no(app: &[(&str, &str)]) {
    let app = App::new(app);
    // Built before the test starts, because a build takes longer than the time limits of the test.
    app.build_and_compile();
    let local = assert_others_are_served(&HostileTarget {
        folder: app.folder(),
        announces: "/announces",
        traps: "/traps",
        works: "/",
    });
    let engine = |line: &&String| line.contains("libpython") || line.contains("wasm backtrace");
    assert_eq!(local.lines().iter().find(engine), None);
    assert!(local.stop().success());
}

#[test]
fn a_hostile_client_does_not_disturb_other_clients_of_a_javascript_app() {
    // The engine aborts when a promise can never be settled.
    let program = "export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/announces') return new Response(null, { headers: { 'content-length': '1234' } });
  if (pathname === '/traps') return new Promise(() => {});
  return new Response('hello');
} };
";
    stranger_stops_no(&[("index.js", program)]);
}

#[test]
fn a_hostile_client_does_not_disturb_other_clients_of_a_python_app() {
    // A recursion within the interpreter overflows its stack.
    let program = "class Endless:
    def __getattr__(self, name):
        return getattr(self, name)

def app(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/traps':
        Endless().value
    length = '1234' if path == '/announces' else '5'
    start_response('200 OK', [('Content-Length', length)])
    return [] if path == '/announces' else [b'hello']
";
    stranger_stops_no(&[("app.py", program), ("requirements.txt", "")]);
}

#[test]
fn a_hostile_client_does_not_disturb_other_clients_of_a_go_app() {
    let program = "package main

import (
\t\"fmt\"
\t\"net/http\"
\t\"os\"
)

func main() {
\thttp.HandleFunc(\"/announces\", func(w http.ResponseWriter, r *http.Request) {
\t\tw.Header().Set(\"Content-Length\", \"1234\")
\t})
\thttp.HandleFunc(\"/traps\", func(w http.ResponseWriter, r *http.Request) { os.Exit(2) })
\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, \"hello\") })
\thttp.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil)
}
";
    stranger_stops_no(&[("main.go", program), ("go.mod", "module shop\n\ngo 1.22\n")]);
}
