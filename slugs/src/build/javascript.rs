//! Owns the JavaScript and TypeScript builder: an app becomes one bundle, a file that the component of all JavaScript
//! apps runs. Must not know slugs.
//!
//! The component holds the engine and our handler. It is made once, when the toolchain is installed, so that a changed
//! line costs a bundle and no compilation, and compiled code is shared by all apps of a machine. How it is made is not
//! deterministic (the engine's snapshot holds random seeds): two machines have two components of one meaning.

mod entry;
mod packages;

use std::fs;
use std::path::Path;
use std::process::Command;

use super::place::{self, Place};
use super::run::{self, From};
use super::toolchain::Toolchain;
use super::{BuildError, BuiltComponent, Made, Progress, Tools, sources};
use crate::manifest::{Builder, Procfile};
use crate::path::SlugPath;

/// The exact version of WASI that the engine speaks.
const WASI: &str = "0.2.10";
const COMPONENT: &str = ".dyno/javascript.wasm";
/// Where the component looks for it.
const BUNDLE: &str = ".dyno/app.js";
/// What componentize-js needs; Debian 12 has it.
const NODE_MAJOR_MIN: u32 = 18;
const GET_NODE: &str =
    "get Node.js 18 or newer, with npm, from https://nodejs.org or as a package of your system";

const HANDLER: &str = include_str!("javascript/handler.js");
const MAKE: &str = include_str!("javascript/make.mjs");
const BUNDLER: &str = include_str!("javascript/bundle.mjs");
const WIT: &str = include_str!("javascript/app.wit");
const HTTP_WIT: &str = include_str!("wit/http.wit");
const PACKAGE: &str = include_str!("javascript/package.json");
const LOCK: &str = include_str!("javascript/package-lock.json");

const TOOLCHAIN: Toolchain = Toolchain {
    name: "javascript",
    title: "the JavaScript toolchain (componentize-js 0.23.0, esbuild 0.25.12)",
    pins: &[WASI, HANDLER, MAKE, BUNDLER, WIT, HTTP_WIT, PACKAGE, LOCK],
};

/// Builds the app in a folder with a `package.json`.
pub(super) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let package = entry::Package::read(folder)?;
    let entry = entry::find(folder, &package, procfile)?;
    let toolchain = TOOLCHAIN.ensure(tools, progress, |folder, progress| {
        install(folder, tools, progress)
    })?;
    let place = Place::of_app(folder, tools, progress)?;
    packages::ensure(folder, &package, &place, tools, progress)?;
    let own = sources::digest(&sources::files(folder, &|_| true)?)?;
    let packages = packages::state(folder)?;
    let pins = toolchain.to_string_lossy();
    let key = place::key(&[
        pins.as_bytes(),
        own.as_bytes(),
        packages.as_bytes(),
        entry.as_bytes(),
    ]);
    let name = format!("bundle-{key}.js");
    if !place.at(&name).is_file() {
        progress(Progress::Step(format!("bundling {entry}")));
        let work = place.work()?;
        let made = work.path().join("app.js");
        bundle(&toolchain, folder, &entry, &made, tools, progress)?;
        place.keep(&made, &name)?;
        place.prune("bundle-");
    }
    place.touch(&name);
    Ok(Made {
        builder: Builder {
            name: "javascript".to_owned(),
            tool: "componentize-js 0.23.0, esbuild 0.25.12".to_owned(),
        },
        components: vec![file(COMPONENT, &toolchain.join("javascript.wasm"))],
        files: vec![file(BUNDLE, &place.at(&name))],
        commands: Some(super::web(COMPONENT)),
        command_words: Default::default(),
        warnings: Vec::new(),
    })
}

fn file(name: &str, place: &Path) -> BuiltComponent {
    BuiltComponent {
        path: SlugPath::new(name).expect("a path that this program names"),
        file: place.to_owned(),
    }
}

fn bundle(
    toolchain: &Path,
    folder: &Path,
    entry: &str,
    made: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let folder = folder.canonicalize().map_err(|source| BuildError::Read {
        path: folder.to_owned(),
        source,
    })?;
    let mut node = Command::new("node");
    node.arg(toolchain.join("bundle.mjs"))
        .args([&folder, Path::new(entry), made])
        .current_dir(&folder);
    run::stream(node, "esbuild", tools, &mut |_, line| {
        progress(Progress::Line(line))
    })
    .map_err(absent)
}

/// Fills the toolchain's folder: the component, and the bundler, but not what only the component's making needed.
fn install(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    check_node(tools, progress)?;
    let wit = [WIT, HTTP_WIT].concat().replace("VERSION", WASI);
    let files = [
        ("package.json", PACKAGE),
        ("package-lock.json", LOCK),
        ("handler.js", HANDLER),
        ("make.mjs", MAKE),
        ("bundle.mjs", BUNDLER),
        ("app.wit", &wit),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(place::cannot_write(&path))?;
    }
    let arguments = ["ci", "--ignore-scripts", "--loglevel=error"];
    npm(folder, &arguments, tools, progress)?;
    let mut node = Command::new("node");
    node.args(["make.mjs", "handler.js", "app.wit", "javascript.wasm"])
        .current_dir(folder);
    progress(Progress::Step(
        "making the component of JavaScript apps".to_owned(),
    ));
    run::stream(node, "componentize-js", tools, &mut |_, line| {
        progress(Progress::Line(line))
    })?;
    keep_bundler(folder).map_err(place::cannot_write(folder))
}

/// Nine tenths of what was installed is needed no more.
fn keep_bundler(folder: &Path) -> std::io::Result<()> {
    let modules = folder.join("node_modules");
    for entry in fs::read_dir(&modules)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "esbuild" || name == "@esbuild" {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Runs npm in a folder.
fn npm(
    folder: &Path,
    arguments: &[&str],
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let mut npm = Command::new("npm");
    npm.args(arguments)
        .args(["--no-audit", "--no-fund", "--no-progress"])
        .env("NO_UPDATE_NOTIFIER", "1")
        .current_dir(folder);
    let shown = format!("npm {}", arguments[0]);
    progress(Progress::Step(shown.clone()));
    run::stream(npm, &shown, tools, &mut |_, line| {
        progress(Progress::Line(line))
    })
    .map_err(absent)
}

fn absent(error: BuildError) -> BuildError {
    match run::is_absent(&error) {
        true => BuildError::NoTool {
            tool: "node",
            remedy: GET_NODE,
        },
        false => error,
    }
}

fn check_node(tools: &Tools, progress: &mut dyn FnMut(Progress)) -> Result<(), BuildError> {
    let mut version = String::new();
    let mut node = Command::new("node");
    node.arg("--version");
    run::stream(node, "node", tools, &mut |from, line| match from {
        From::Stdout => version = line,
        From::Stderr => progress(Progress::Line(line)),
    })
    .map_err(absent)?;
    let major = version.trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= NODE_MAJOR_MIN => Ok(()),
        _ => Err(BuildError::Refused(format!(
            "this is Node.js {version}: {GET_NODE}"
        ))),
    }
}
