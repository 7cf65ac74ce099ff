//! How `.wasm` files are classified, and why some are refused.

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use slugs::World;
use slugs::component::inspect;

use crate::support::wasm;

fn worker() -> ProcessType {
    "worker".parse().expect("a process type")
}

fn refused(bytes: &[u8]) -> String {
    inspect(bytes)
        .expect_err("it should be refused")
        .to_string()
}

#[test]
fn the_world_of_a_component_decides_its_process_kind() {
    let kinds = |bytes: &[u8]| {
        let component = inspect(bytes).expect("a component");
        (
            component.fit(&ProcessType::web()).ok(),
            component.fit(&worker()).ok(),
        )
    };
    assert_eq!(
        kinds(&wasm::handler_02()),
        (Some((World::Handler02, ProcessKind::Handler)), None)
    );
    assert_eq!(
        kinds(&wasm::handler_03()),
        (Some((World::Handler03, ProcessKind::Handler)), None)
    );
    assert_eq!(
        kinds(&wasm::command_02()),
        (
            Some((World::Run02, ProcessKind::Server)),
            Some((World::Run02, ProcessKind::Process))
        )
    );
    assert_eq!(
        kinds(&wasm::wasip1()),
        (None, Some((World::Wasip1, ProcessKind::Process)))
    );
}

#[test]
fn newer_worlds_are_preferred_for_each_process_type() {
    let all = wasm::component(
        &[],
        &[
            "wasi:cli/run@0.2.0",
            "wasi:http/incoming-handler@0.2.0",
            "wasi:http/handler@0.3.0",
            "wasi:cli/run@0.3.0",
        ],
    );
    let component = inspect(&all).expect("a component");
    assert_eq!(
        component.fit(&ProcessType::web()),
        Ok((World::Handler03, ProcessKind::Handler))
    );
    assert_eq!(
        component.fit(&worker()),
        Ok((World::Run03, ProcessKind::Process))
    );
    assert!(component.needs_wasi_03());
    assert!(
        !inspect(&wasm::handler_02())
            .expect("a component")
            .needs_wasi_03()
    );
}

#[test]
fn the_boot_hook_is_an_ordinary_export_and_not_a_world() {
    let hook = "dyno:app/boot@0.1.0";
    let handler = wasm::component(
        &["wasi:http/types@0.2.6"],
        &["wasi:http/incoming-handler@0.2.6", hook],
    );
    let component = inspect(&handler).expect("a component");
    let worlds: Vec<World> = component.worlds().collect();
    assert_eq!(worlds, [World::Handler02]);
    assert!(component.exports().contains(&hook.to_owned()));
    let alone = refused(&wasm::component(&[], &[hook]));
    assert!(
        alone.contains(&format!("it exports `{hook}`, but none")),
        "{alone}"
    );
}

#[test]
fn imports_that_are_not_hosted_are_named() {
    let run = ["wasi:cli/run@0.2.0"];
    for (import, says) in [
        ("wasi:keyvalue/store@0.2.0", "without `wasi:keyvalue`"),
        ("wasi:nn/graph@0.2.0-rc-2024-10-28", "without `wasi:nn`"),
        ("acme:db/sql@1.0.0", "without `acme:db`"),
        ("plain-function", "only the interfaces of WASI"),
        ("wasi:cli/environment@0.4.0", "0.2.x and 0.3.0"),
        ("wasi:cli/environment@1.0.0", "0.2.x and 0.3.0"),
        ("wasi:http/types@0.3.0-rc-2025-08-15", "spin-sdk 7"),
        ("wasi:clocks/timezone@0.2.0", "monotonic-clock, wall-clock"),
        ("wasi:io/streams@0.3.0", "a dyno has: nothing"),
        ("wasi:http/handler@0.3.0", "types, client"),
    ] {
        let text = refused(&wasm::component(&[import], &run));
        assert!(
            text.contains(&format!("`{import}`")) && text.contains(says),
            "{text}"
        );
    }
}

#[test]
fn all_hosted_imports_are_accepted() {
    let imports = [
        "wasi:cli/environment@0.2.0",
        "wasi:clocks/wall-clock@0.2.12",
        "wasi:filesystem/preopens@0.2.3",
        "wasi:sockets/udp-create-socket@0.2.0",
        "wasi:random/insecure-seed@0.2.0",
        "wasi:io/poll@0.2.99",
        "wasi:http/outgoing-handler@0.2.1",
        "wasi:http/client@0.3.0",
        "wasi:clocks/system-clock@0.3.0",
        "wasi:sockets/types@0.3.0",
    ];
    let component =
        inspect(&wasm::component(&imports, &["wasi:cli/run@0.2.0"])).expect("a component");
    assert_eq!(component.imports().len(), imports.len());
}

#[test]
fn core_modules_may_import_only_preview_1() {
    let text = refused(&wasm::module(&[("env", "memory")], &["_start"]));
    assert!(
        text.contains("`env::memory`") && text.contains("wasi_snapshot_preview1"),
        "{text}"
    );
    let text = refused(&wasm::module(
        &[("wasi_snapshot_preview1", "fd_teleport")],
        &["_start"],
    ));
    assert!(text.contains("fd_teleport"), "{text}");
    assert!(refused(&wasm::module(&[], &["_initialize"])).contains("without `_start`"));
}

#[test]
fn files_that_are_no_components_get_distinct_errors() {
    assert!(refused(b"").contains("not a WebAssembly file"));
    assert!(refused(b"\x7fELF").contains("not a WebAssembly file"));
    assert!(refused(b"\0asm").contains("broken WebAssembly"));
    let text = refused(&wasm::component(&[], &["acme:db/sql@1.0.0"]));
    assert!(
        text.contains("`acme:db/sql@1.0.0`") && text.contains("wasi:cli/run"),
        "{text}"
    );
    assert!(refused(&wasm::component(&[], &[])).contains("exports nothing"));
    let mut trailing = wasm::command_02();
    trailing.push(0);
    assert!(refused(&trailing).contains("broken WebAssembly"));
}

/// A recursive parser would overflow its stack on this input. The test passes if the call returns.
#[test]
fn deeply_nested_types_do_not_overflow_the_stack() {
    const DEPTH: usize = 1_000_000;
    let mut types = vec![1];
    // An instance type that declares an instance type that declares an instance type …
    for _ in 0..DEPTH {
        types.extend([0x42, 0x01, 0x01]);
    }
    types.extend([0x42, 0x00]);
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.push(7);
    let mut size = types.len();
    while size >= 0x80 {
        bytes.push(size as u8 | 0x80);
        size >>= 7;
    }
    bytes.push(size as u8);
    bytes.extend(types);
    assert!(refused(&bytes).contains("exports nothing"));
}

#[test]
fn too_many_or_too_long_names_are_refused() {
    let names: Vec<String> = (0..2_000)
        .map(|number| format!("wasi:cli/run@0.2.{number}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(refused(&wasm::component(&[], &names)).contains("more than 1000"));
    let long = format!("wasi:cli/{}@0.2.0", "x".repeat(10_000));
    assert!(refused(&wasm::component(&[&long], &["wasi:cli/run@0.2.0"])).len() < 1_000);
}

/// WASI 0.3 had release candidates for a year. A component made for one of them runs on no other version.
#[test]
fn components_for_release_candidates_of_wasi_are_refused_with_an_upgrade_hint() {
    for (import, export) in [
        (
            "wasi:http/types@0.3.0-rc-2026-01-06",
            "wasi:http/handler@0.3.0-rc-2026-01-06",
        ),
        (
            "wasi:random/random@0.2.0",
            "wasi:http/handler@0.3.0-rc-2025-09-16",
        ),
        (
            "wasi:random/random@0.2.0",
            "wasi:cli/run@0.2.0-rc-2023-12-05",
        ),
    ] {
        let text = refused(&wasm::component(&[import], &[export]));
        let named = text.contains(export) || text.contains(import);
        assert!(
            named && text.contains("spin-sdk 7") && text.contains("upgrade"),
            "{text}"
        );
    }
}
