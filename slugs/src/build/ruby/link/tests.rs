//! Two small modules, linked: an interpreter with the part that linking mends, and a bridge.

use wasmparser::Validator;

use super::{ModuleLinkError, link_bridge};

/// An interpreter that loses a jump buffer once, in its function `lose`.
const INTERPRETER: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_sync" (func $sync (param i32) (result i32)))
  (import "rb-js-abi-host" "eval-js" (func $script (param i32)))
  (table 4 4 funcref)
  (memory (export "memory") 1)
  (global $stack (mut i32) (i32.const 65536))
  (elem (i32.const 1) $lose)
  (func $lose (param $context i32) (local $tag i32) (local $previous i32)
    local.get $context
    local.get $context
    i32.load offset=12
    local.tee $tag
    i32.load offset=12
    local.tee $previous
    i32.store offset=12)
  (func (export "start") (result i32)
    (call $script (i32.const 0))
    (call $lose (i32.const 16))
    (i32.add (call $read (i32.const 1)) (call $sync (i32.const 2))))
  (data (i32.const 8) "ruby"))"#;

/// A bridge with data from page `PAGE` on, and its functions from element `ELEMENT` on.
const BRIDGE: &str = r#"(module
  (import "env" "memory" (memory 3))
  (import "env" "__indirect_function_table" (table 9 funcref))
  (import "ruby" "start" (func $start (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32) (result i32)))
  (global $stack (mut i32) (i32.const 1024))
  (elem (i32.const ELEMENT) $serve)
  (func $serve (export "wasi_snapshot_preview1::fd_read") (param i32) (result i32)
    (call $read (local.get 0)))
  (func (export "interpreter::free_jump_buffer") (param i32))
  (func (export "run") (result i32)
    (global.set $stack (i32.const 0))
    (call $start))
  (data (i32.const PAGE) "bridge"))"#;

fn link(interpreter: &str, page: u32, element: u32) -> Result<Vec<u8>, ModuleLinkError> {
    let bridge = BRIDGE
        .replace("PAGE", &(page * 65_536).to_string())
        .replace("ELEMENT", &element.to_string());
    let modules = [interpreter, &bridge].map(|text| wat::parse_str(text).expect("a module"));
    link_bridge(&modules[0], &modules[1])
}

/// The text of the error of modules that do not fit.
fn problem(interpreter: &str, page: u32, element: u32) -> String {
    link(interpreter, page, element)
        .expect_err("modules that do not fit")
        .to_string()
}

#[test]
fn a_linked_module_is_valid_and_imports_only_from_the_host() {
    let linked = link(INTERPRETER, 2, 8).expect("a module");
    Validator::new().validate_all(&linked).expect("valid");
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&linked) {
        match payload.expect("a payload") {
            wasmparser::Payload::ImportSection(section) => {
                let read = section
                    .into_imports()
                    .map(|import| import.expect("an import"));
                imports.extend(read.map(|import| format!("{} {}", import.module, import.name)));
            }
            wasmparser::Payload::ExportSection(section) => {
                exports.extend(
                    section
                        .into_iter()
                        .map(|export| export.expect("an export").name),
                );
            }
            _ => {}
        }
    }
    let host = [
        "wasi_snapshot_preview1 fd_sync",
        "wasi_snapshot_preview1 fd_read",
    ];
    assert_eq!(imports, host, "each import once");
    assert_eq!(exports, ["memory", "run"]);
}

#[test]
fn modules_that_overlap_are_refused() {
    let data = problem(INTERPRETER, 0, 8);
    assert_eq!(data, "the bridge's data overlap the interpreter's");
    let functions = problem(INTERPRETER, 2, 3);
    assert_eq!(
        functions,
        "the bridge's functions overlap the interpreter's"
    );
}

#[test]
fn an_interpreter_without_the_known_loss_is_refused() {
    let other = INTERPRETER.replace("i32.store offset=12", "i32.store offset=16");
    assert_eq!(
        problem(&other, 2, 8),
        "the interpreter has 0 places that lose a jump buffer, and 1 is known"
    );
}

#[test]
fn a_missing_function_of_the_interpreter_is_named() {
    let other = INTERPRETER.replace(r#"(export "start")"#, r#"(export "begin")"#);
    assert_eq!(
        problem(&other, 2, 8),
        "the interpreter has no function `start`"
    );
}
