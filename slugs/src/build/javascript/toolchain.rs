//! Owns the JavaScript toolchain: the component of all JavaScript apps, made once, and the bundler.
//! Must not know apps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::compose::{NATIVE_SOURCES, NATIVE_WIT, compose_component};
use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::node::{check_node, run_npm};
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::toolchain::Toolchain;
use crate::build::toolbox::tools::Tools;

/// The exact version of WASI that the engine speaks.
const WASI: &str = "0.2.10";
/// The component, in the toolchain's folder.
pub(super) const COMPONENT: &str = "javascript.wasm";
/// The component of the engine alone, which is composed with compiled code.
const ENGINE: &str = "engine.wasm";
/// The program that bundles, in the toolchain's folder.
pub(super) const BUNDLER: &str = "bundle.mjs";

const WIT: &str = include_str!("toolchain/app.wit");
const HTTP_WIT: &str = include_str!("../wit/http.wit");
/// The files of the toolchain, by their names in its folder: the sources of the component, and the bundler.
const FILES: [(&str, &str); 66] = [
    ("package.json", include_str!("toolchain/package.json")),
    (
        "package-lock.json",
        include_str!("toolchain/package-lock.json"),
    ),
    ("bundle.mjs", include_str!("toolchain/bundle.mjs")),
    ("make.mjs", include_str!("toolchain/make.mjs")),
    ("messages.mjs", include_str!("toolchain/messages.mjs")),
    ("modules.mjs", include_str!("toolchain/modules.mjs")),
    ("node.mjs", include_str!("toolchain/node.mjs")),
    ("regexp.mjs", include_str!("toolchain/regexp.mjs")),
    ("scan.mjs", include_str!("toolchain/scan.mjs")),
    ("sourcemap.mjs", include_str!("toolchain/sourcemap.mjs")),
    ("engine/app.js", include_str!("engine/app.js")),
    ("engine/assets.js", include_str!("engine/assets.js")),
    ("engine/body.js", include_str!("engine/body.js")),
    ("engine/console.js", include_str!("engine/console.js")),
    (
        "engine/crypto/begin.js",
        include_str!("engine/crypto/begin.js"),
    ),
    (
        "engine/crypto/curves.js",
        include_str!("engine/crypto/curves.js"),
    ),
    (
        "engine/crypto/hash.js",
        include_str!("engine/crypto/hash.js"),
    ),
    ("engine/crypto/key.js", include_str!("engine/crypto/key.js")),
    ("engine/crypto/rsa.js", include_str!("engine/crypto/rsa.js")),
    (
        "engine/crypto/subtle.js",
        include_str!("engine/crypto/subtle.js"),
    ),
    (
        "engine/crypto/symmetric.js",
        include_str!("engine/crypto/symmetric.js"),
    ),
    ("engine/errors.js", include_str!("engine/errors.js")),
    ("engine/files.js", include_str!("engine/files.js")),
    ("engine/form.js", include_str!("engine/form.js")),
    ("engine/globals.js", include_str!("engine/globals.js")),
    ("engine/incoming.js", include_str!("engine/incoming.js")),
    ("engine/inspect.js", include_str!("engine/inspect.js")),
    ("engine/locale.js", include_str!("engine/locale.js")),
    ("engine/node/abort.js", include_str!("engine/node/abort.js")),
    (
        "engine/node/absent.js",
        include_str!("engine/node/absent.js"),
    ),
    (
        "engine/node/absent_parts.js",
        include_str!("engine/node/absent_parts.js"),
    ),
    (
        "engine/node/async_hooks.js",
        include_str!("engine/node/async_hooks.js"),
    ),
    (
        "engine/node/buffer.js",
        include_str!("engine/node/buffer.js"),
    ),
    (
        "engine/node/crypto.js",
        include_str!("engine/node/crypto.js"),
    ),
    (
        "engine/node/diagnostics_channel.js",
        include_str!("engine/node/diagnostics_channel.js"),
    ),
    (
        "engine/node/events.js",
        include_str!("engine/node/events.js"),
    ),
    ("engine/node/fs.js", include_str!("engine/node/fs.js")),
    (
        "engine/node/fs/errors.js",
        include_str!("engine/node/fs/errors.js"),
    ),
    (
        "engine/node/fs/paths.js",
        include_str!("engine/node/fs/paths.js"),
    ),
    (
        "engine/node/fs/stats.js",
        include_str!("engine/node/fs/stats.js"),
    ),
    (
        "engine/node/fs/streams.js",
        include_str!("engine/node/fs/streams.js"),
    ),
    (
        "engine/node/fs/sync.js",
        include_str!("engine/node/fs/sync.js"),
    ),
    ("engine/node/http.js", include_str!("engine/node/http.js")),
    (
        "engine/node/http/client.js",
        include_str!("engine/node/http/client.js"),
    ),
    (
        "engine/node/http/fields.js",
        include_str!("engine/node/http/fields.js"),
    ),
    (
        "engine/node/http/incoming.js",
        include_str!("engine/node/http/incoming.js"),
    ),
    (
        "engine/node/http/names.js",
        include_str!("engine/node/http/names.js"),
    ),
    (
        "engine/node/http/outgoing.js",
        include_str!("engine/node/http/outgoing.js"),
    ),
    (
        "engine/node/http/server.js",
        include_str!("engine/node/http/server.js"),
    ),
    (
        "engine/node/http/socket.js",
        include_str!("engine/node/http/socket.js"),
    ),
    (
        "engine/node/module.js",
        include_str!("engine/node/module.js"),
    ),
    (
        "engine/node/modules.js",
        include_str!("engine/node/modules.js"),
    ),
    ("engine/node/net.js", include_str!("engine/node/net.js")),
    ("engine/node/os.js", include_str!("engine/node/os.js")),
    (
        "engine/node/package_process.js",
        include_str!("engine/node/package_process.js"),
    ),
    (
        "engine/node/process.js",
        include_str!("engine/node/process.js"),
    ),
    (
        "engine/node/stream.js",
        include_str!("engine/node/stream.js"),
    ),
    (
        "engine/node/timers.js",
        include_str!("engine/node/timers.js"),
    ),
    ("engine/node/util.js", include_str!("engine/node/util.js")),
    ("engine/node/zlib.js", include_str!("engine/node/zlib.js")),
    ("engine/outgoing.js", include_str!("engine/outgoing.js")),
    ("engine/process.js", include_str!("engine/process.js")),
    ("engine/servers.js", include_str!("engine/servers.js")),
    ("engine/tasks.js", include_str!("engine/tasks.js")),
    ("engine/web.js", include_str!("engine/web.js")),
    ("handler.js", include_str!("handler.js")),
];

/// All texts that decide what is in the toolchain.
const PINS: [&str; FILES.len() + NATIVE_SOURCES.len() + 3] = {
    let mut pins = [WASI; FILES.len() + NATIVE_SOURCES.len() + 3];
    let mut at = 0;
    while at < FILES.len() {
        pins[at] = FILES[at].1;
        at += 1;
    }
    let mut source = 0;
    while source < NATIVE_SOURCES.len() {
        pins[at] = NATIVE_SOURCES[source];
        at += 1;
        source += 1;
    }
    pins[at] = WIT;
    pins[at + 1] = HTTP_WIT;
    pins
};
/// Packages that the bundler needs. The others, nine tenths by size, are needed only while the component is made.
const BUNDLER_PACKAGES: [&str; 14] = [
    "@esbuild",
    "acorn",
    "acorn-walk",
    "esbuild",
    "jsesc",
    "regenerate",
    "regenerate-unicode-properties",
    "regexpu-core",
    "regjsgen",
    "regjsparser",
    "unicode-canonical-property-names-ecmascript",
    "unicode-match-property-ecmascript",
    "unicode-match-property-value-ecmascript",
    "unicode-property-aliases-ecmascript",
];

const TOOLCHAIN: Toolchain = Toolchain {
    name: "javascript",
    title: "the JavaScript toolchain (componentize-js 0.23.0, esbuild 0.25.12)",
    pins: &PINS,
};

/// Returns the toolchain's folder, which is filled if it is not there yet.
pub(super) fn ensure(
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<PathBuf, BuilderError> {
    TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install(folder, tools, progress)
    })
}

/// Fills the toolchain's folder with the component and the bundler.
fn install(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    check_node(tools, progress)?;
    let http = HTTP_WIT.replace("@0.2.0", &format!("@{WASI}"));
    let wit = [WIT.replace("VERSION", WASI), http, nest_package(NATIVE_WIT)].concat();
    let files = FILES.iter().copied().chain([("app.wit", wit.as_str())]);
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(build_folder::write_error(parent))?;
        fs::write(&path, text).map_err(build_folder::write_error(&path))?;
    }
    let arguments = ["ci", "--ignore-scripts", "--loglevel=error"];
    run_npm(folder, &arguments, tools, progress)?;
    let mut node = Command::new("node");
    node.args(["make.mjs", "handler.js", "app.wit", ENGINE])
        .current_dir(folder);
    progress(BuildProgress::Step(
        "making the component of JavaScript apps".to_owned(),
    ));
    run::run_streaming(node, "componentize-js", tools, &mut |_, line| {
        progress(BuildProgress::Line(line))
    })?;
    let component = compose_component(folder, ENGINE)?;
    let path = folder.join(COMPONENT);
    fs::write(&path, component).map_err(build_folder::write_error(&path))?;
    let engine = folder.join(ENGINE);
    fs::remove_file(&engine).map_err(build_folder::write_error(&engine))?;
    remove_component_packages(folder).map_err(build_folder::write_error(folder))
}

/// A file of one package, as a package inside of another file.
fn nest_package(wit: &str) -> String {
    let (package, rest) = wit.split_once(';').unwrap_or((wit, ""));
    format!("{package} {{{rest}}}\n")
}

/// Removes the packages that were needed only to make the component.
fn remove_component_packages(folder: &Path) -> std::io::Result<()> {
    let modules = folder.join("node_modules");
    for entry in fs::read_dir(&modules)? {
        let entry = entry?;
        let name = entry.file_name();
        if BUNDLER_PACKAGES.iter().any(|kept| name == *kept) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}
