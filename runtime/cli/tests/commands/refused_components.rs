//! `dyno build` refuses components that cannot run, with the reason.

use crate::command_folder::Place;

const HANDLER: &str = r#"
    (component
      (import "wasi:http/types@0.2.0" (instance $types
        (export "incoming-request" (type (sub resource)))
        (export "response-outparam" (type (sub resource)))))
      IMPORT
      (alias export $types "incoming-request" (type $request))
      (alias export $types "response-outparam" (type $out))
      (core module $m (func (export "handle") (param i32 i32)))
      (core instance $i (instantiate $m))
      (func $handle (param "request" (own $request)) (param "response-out" (own $out))
        (canon lift (core func $i "handle")))
      (instance $handler (export "handle" (func $handle)))
      (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

const COMMAND: &str = r#"
    (component
      (core module $m (func (export "run") (result i32) i32.const 0))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $cli (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $cli)))"#;

fn both(place: &Place) -> [String; 2] {
    let built = place.run(&["build", "app"]).failed();
    let local = place.run(&["local", "app", "-p", "0"]).failed();
    [built, local]
}

fn app(text: &str) -> Place {
    let place = Place::new();
    place.write("app/app.wasm", wat::parse_str(text).unwrap());
    place
}

#[test]
fn an_unsupported_import_is_named() {
    let import = r#"(import "acme:db/store@1.2.0" (instance (export "get" (func))))"#;
    for text in both(&app(&HANDLER.replace("IMPORT", import))) {
        assert!(
            text.contains("it imports `acme:db/store@1.2.0`, which is not hosted"),
            "{text}"
        );
        assert!(text.contains("app.wasm"), "{text}");
    }
}

#[test]
fn a_component_without_a_known_export_is_refused_with_the_supported_exports() {
    for text in both(&app("(component)")) {
        assert!(text.contains("wasi:http/incoming-handler@0.2.x"), "{text}");
    }
}

#[test]
fn a_web_command_that_exits_fails_to_boot() {
    let done = app(COMMAND).run(&["local", "app", "-p", "0"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let why = "app did not come up: web.1 crashed: exited with code 0";
    assert!(done.err.contains(why), "{done:?}");
}

#[test]
fn a_core_module_as_web_is_refused() {
    for text in both(&app(
        "(module (func (export \"_start\")) (memory (export \"memory\") 1))",
    )) {
        assert!(text.contains("accepts no connections"), "{text}");
    }
}

#[test]
fn damaged_component_files_are_refused() {
    let place = Place::new();
    let handler = wat::parse_str(HANDLER.replace("IMPORT", "")).unwrap();
    for (content, expected) in [
        (&b"plain text"[..], "not a WebAssembly file"),
        (&handler[..handler.len() / 2], "broken WebAssembly"),
        (b"", "not a WebAssembly file"),
    ] {
        place.write("app/app.wasm", content);
        for text in both(&place) {
            assert!(text.contains(expected), "{text}");
        }
    }
}
