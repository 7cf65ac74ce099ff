//! Owns the Ruby toolchain: the component of all Ruby apps, made once on each machine. Must not know apps.
//!
//! The interpreter comes from npm as a module of WASI preview 1. The bridge is linked into it, its virtual machine is started
//! and loads Ruby's library (the files in `shim`), and a snapshot of its memory becomes the component: a dyno begins there.
//! The component is not the same on two machines, since the snapshot holds the seed of Ruby's hashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use super::link::link_bridge;
use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::node::{check_node, run_npm};
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::toolchain::Toolchain;
use crate::build::toolbox::tools::Tools;

/// The component, in the toolchain's folder.
const COMPONENT: &str = "ruby.wasm";
/// The interpreter with Ruby's library, in the toolchain's folder.
const INTERPRETER: &str = "node_modules/@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm";
/// The program that makes snapshots, in the toolchain's folder.
const SNAPSHOT_TOOL: &str = "node_modules/@bytecodealliance/wizer/wizer.js";
/// The function that the snapshot tool calls.
const PREPARE: &str = "wizer-initialize";

const PACKAGE: &str = include_str!("toolchain/package.json");
const PACKAGE_LOCK: &str = include_str!("toolchain/package-lock.json");
/// Built by `slugs/ruby/build`.
const BRIDGE: &[u8] = include_bytes!("../../../ruby/bridge.wasm");
/// The sources of the bridge, in place of its bytes: pins are texts.
const BRIDGE_SOURCES: [&str; 11] = [
    include_str!("../../../ruby/Cargo.lock"),
    include_str!("../../../ruby/build"),
    include_str!("../../../ruby/src/control.rs"),
    include_str!("../../../ruby/src/crypto.rs"),
    include_str!("../../../ruby/src/devices.rs"),
    include_str!("../../../ruby/src/exchange.rs"),
    include_str!("../../../ruby/src/exports.rs"),
    include_str!("../../../ruby/src/interpreter.rs"),
    include_str!("../../../ruby/src/lib.rs"),
    include_str!("../../../ruby/src/memory.rs"),
    include_str!("../../../ruby/src/preview1.rs"),
];
/// The Ruby files that the interpreter loads before the snapshot.
const SHIM: [(&str, &str); 11] = [
    ("app.rb", include_str!("shim/app.rb")),
    ("bridge.rb", include_str!("shim/bridge.rb")),
    ("capture.rb", include_str!("shim/capture.rb")),
    ("command.rb", include_str!("shim/command.rb")),
    ("env.rb", include_str!("shim/env.rb")),
    ("gems.rb", include_str!("shim/gems.rb")),
    ("input.rb", include_str!("shim/input.rb")),
    ("library.rb", include_str!("shim/library.rb")),
    ("openssl.rb", include_str!("shim/openssl.rb")),
    ("prepare.rb", include_str!("shim/prepare.rb")),
    ("response.rb", include_str!("shim/response.rb")),
];
/// What decides how linking is done.
const LINKING: [&str; 2] = [include_str!("link.rs"), include_str!("mend.rs")];

/// All texts that decide what is in the toolchain.
const PINS: [&str; SHIM.len() + BRIDGE_SOURCES.len() + LINKING.len() + 2] = {
    let mut pins = [PACKAGE; SHIM.len() + BRIDGE_SOURCES.len() + LINKING.len() + 2];
    let mut at = 0;
    while at < SHIM.len() {
        pins[at] = SHIM[at].1;
        at += 1;
    }
    while at < SHIM.len() + BRIDGE_SOURCES.len() {
        pins[at] = BRIDGE_SOURCES[at - SHIM.len()];
        at += 1;
    }
    pins[at] = LINKING[0];
    pins[at + 1] = LINKING[1];
    pins[at + 2] = PACKAGE_LOCK;
    pins
};

/// When the interpreter collects garbage, in bytes allocated since the last time. Ruby's own limits (16 to 128 MiB) are those
/// of a machine: a dyno has 128 MiB by default, of which the interpreter has taken 80 before the app is loaded.
const COLLECTION_LIMITS: [(&str, &str); 4] = [
    ("RUBY_GC_MALLOC_LIMIT", "12000000"),
    ("RUBY_GC_MALLOC_LIMIT_MAX", "16000000"),
    ("RUBY_GC_OLDMALLOC_LIMIT", "16000000"),
    ("RUBY_GC_OLDMALLOC_LIMIT_MAX", "24000000"),
];

const TOOLCHAIN: Toolchain = Toolchain {
    name: "ruby",
    title: "the Ruby toolchain (Ruby 3.4.1, ruby.wasm 2.10.1)",
    pins: &PINS,
};

/// Returns the component of all Ruby apps, which is made if it is not there yet.
pub(super) fn ensure_component(
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<PathBuf, BuilderError> {
    let folder = TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install(folder, tools, progress)
    })?;
    Ok(folder.join(COMPONENT))
}

/// Fills the toolchain's folder with the component.
fn install(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    check_node(tools, progress)?;
    write_file(&folder.join("package.json"), PACKAGE)?;
    write_file(&folder.join("package-lock.json"), PACKAGE_LOCK)?;
    let arguments = ["ci", "--ignore-scripts", "--loglevel=error"];
    run_npm(folder, &arguments, tools, progress)?;
    progress(BuildProgress::Step(
        "making the component of Ruby apps".to_owned(),
    ));
    let interpreter = read_file(&folder.join(INTERPRETER))?;
    let linked = link_bridge(&interpreter, BRIDGE).map_err(|error| unfit(&error))?;
    write_file(&folder.join("linked.wasm"), linked)?;
    make_snapshot(folder, tools, progress)?;
    let snapshot = read_file(&folder.join("snapshot.wasm"))?;
    write_file(&folder.join(COMPONENT), encode_component(&snapshot)?)?;
    for name in ["node_modules", "root"] {
        let path = folder.join(name);
        fs::remove_dir_all(&path).map_err(build_folder::write_error(&path))?;
    }
    for name in ["linked.wasm", "snapshot.wasm"] {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(build_folder::write_error(&path))?;
    }
    Ok(())
}

/// Starts the interpreter, and makes a module of its state. The folders are those of a dyno, in the same order: the
/// interpreter's C library keeps their file descriptors.
fn make_snapshot(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    for name in ["root/dyno", "root/tmp", "root/log"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(build_folder::write_error(&path))?;
    }
    for (name, text) in SHIM {
        write_file(&folder.join("root/dyno").join(name), text)?;
    }
    let mut node = Command::new("node");
    node.args([SNAPSHOT_TOOL, "linked.wasm", "-o", "snapshot.wasm"])
        .args(["--init-func", PREPARE, "--allow-wasi", "--inherit-env=true"])
        .args(["--wasm-bulk-memory", "true"])
        .args(["--mapdir", "/::root"])
        .args(["--mapdir", "/tmp::root/tmp"])
        .args(["--mapdir", "/log::root/log"])
        .current_dir(folder);
    // The interpreter gets this environment and no other: a snapshot must not hold secrets of the machine.
    let path = std::env::var_os("PATH").unwrap_or_default();
    node.env_clear().env("PATH", path).envs(COLLECTION_LIMITS);
    run::run_streaming(node, "wizer", tools, &mut |_, line| {
        progress(BuildProgress::Line(line));
    })
}

/// Makes a component of the snapshot. The bridge's module says for which world.
fn encode_component(module: &[u8]) -> Result<Vec<u8>, BuilderError> {
    let encode = || {
        ComponentEncoder::default()
            .module(module)?
            .adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )?
            .encode()
    };
    encode().map_err(|error| unfit(error.as_ref()))
}

/// The error about an interpreter that is not the expected one, or a defect of the bridge.
fn unfit(error: &(dyn std::error::Error + 'static)) -> BuilderError {
    BuilderError::Output {
        tool: "npm",
        problem: grid::text::error_chain(error),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, BuilderError> {
    fs::read(path).map_err(|source| BuilderError::Read {
        path: path.to_owned(),
        source,
    })
}

fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), BuilderError> {
    fs::write(path, content).map_err(build_folder::write_error(path))
}
