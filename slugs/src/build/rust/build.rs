//! Owns the Rust builder: cargo, for wasm32-wasip2, and what it left where.
//! Must not know slugs or process types.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::advice::BuildLines;
use crate::build::toolbox::run::{self, From};
use crate::build::{BuildError, BuiltComponent, Made, Progress, Tools};
use crate::manifest::{Builder, Procfile};
use crate::path::SlugPath;

const TARGET: &str = "wasm32-wasip2";
const GET_RUST: &str = "get Rust from https://rustup.rs";
/// The first release with the target.
const RUST_MIN: &str = "1.82";
/// The files that pin a toolchain for a folder.
const PINS: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];
/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\x1f";

/// Builds the package or workspace in a folder.
pub(crate) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let version = rustc(folder, &["--version"], tools, progress)?;
    ensure_target(folder, tools, progress)?;
    let metadata = metadata(folder, tools, progress)?;
    let components = compile(folder, &metadata, tools, progress)?;
    let builder = Builder {
        name: "rust".to_owned(),
        tool: version,
    };
    let default = metadata.default_program().filter(|_| procfile.is_none());
    let default = default.filter(|path| components.iter().any(|made| made.path.as_str() == path));
    let mut made = Made::components(builder, components);
    made.commands = default.map(|path| crate::build::web(&path));
    Ok(made)
}

/// Runs cargo, and collects the components that it makes.
fn compile(
    folder: &Path,
    metadata: &Metadata,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<BuiltComponent>, BuildError> {
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(folder)
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        // Incremental objects differ from run to run.
        .env("CARGO_INCREMENTAL", "0");
    if let Some(flags) = flags(folder, metadata, tools, progress)? {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    }
    let shown = "cargo build --release --target wasm32-wasip2";
    progress(Progress::Step(shown.to_owned()));
    let (mut components, mut lines) = (Vec::new(), BuildLines::default());
    let outcome = run::stream(cargo, shown, tools, &mut |from, line| match from {
        From::Stderr => {
            lines.read(&line);
            progress(Progress::Line(line));
        }
        From::Stdout => components.extend(artifact(&line, metadata)),
    });
    outcome.map_err(
        |error| match lines.advice(&metadata.workspace_root.join("Cargo.lock")) {
            Some(advice) => BuildError::Advised {
                tool: shown,
                advice,
            },
            None => error,
        },
    )?;
    let mut components: Vec<BuiltComponent> = components.into_iter().collect::<Result<_, _>>()?;
    components.sort_by(|left, right| left.path.cmp(&right.path));
    components.dedup_by(|left, right| left.path == right.path);
    if components.is_empty() {
        return Err(BuildError::NoArtifact);
    }
    Ok(components)
}

/// Runs rustc, as this folder's toolchain file has it, for a line of output.
fn rustc(
    folder: &Path,
    args: &[&str],
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, BuildError> {
    let mut rustc = Command::new("rustc");
    rustc.args(args).current_dir(folder);
    match run::output(rustc, "rustc", tools, progress) {
        Ok(line) => Ok(line.trim().to_owned()),
        Err(error) if run::is_absent(&error) => Err(BuildError::NoTool {
            tool: "rustc",
            remedy: GET_RUST,
        }),
        Err(error) => Err(explain_pin(folder, error)),
    }
}

/// A toolchain that the app pins, and that this machine cannot run.
fn explain_pin(folder: &Path, error: BuildError) -> BuildError {
    let read =
        |name: &&'static str| Some((*name, std::fs::read_to_string(folder.join(name)).ok()?));
    let Some((file, text)) = PINS.iter().find_map(read) else {
        return error;
    };
    if !matches!(error, BuildError::Failed { .. }) {
        return error;
    }
    let channel = pinned_channel(&text);
    BuildError::Refused(match is_too_old(&channel) {
        true => format!(
            "{file} pins Rust {channel}, which is older than {RUST_MIN}, the first with {TARGET}: pin a newer one, or remove the file"
        ),
        false => format!(
            "{file} pins the Rust toolchain `{channel}`, which does not run here: \
             `rustup toolchain install {channel} --target {TARGET}`, or change the pin"
        ),
    })
}

/// Whether a channel is a release before the first with the target.
fn is_too_old(channel: &str) -> bool {
    let minor = |text: &str| {
        text.strip_prefix("1.")?
            .split('.')
            .next()?
            .parse::<u32>()
            .ok()
    };
    minor(channel) < minor(RUST_MIN) && minor(channel).is_some()
}

/// The channel of a toolchain file, which is TOML, or in its old form the name alone.
fn pinned_channel(text: &str) -> String {
    let table: Option<toml::Table> = text.parse().ok();
    let channel = table.and_then(|table| {
        let channel = table.get("toolchain")?.get("channel")?;
        channel.as_str().map(str::to_owned)
    });
    let channel =
        channel.unwrap_or_else(|| text.lines().next().unwrap_or_default().trim().to_owned());
    crate::path::shown(channel.as_bytes())
}

/// Adds the target if it is missing and rustup is there to do it.
fn ensure_target(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let place = rustc(
        folder,
        &["--print", "target-libdir", "--target", TARGET],
        tools,
        progress,
    )?;
    if Path::new(&place).is_dir() {
        return Ok(());
    }
    let shown = "rustup target add wasm32-wasip2";
    progress(Progress::Step(format!("{shown} (it is not installed yet)")));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(folder);
    let outcome = run::stream(rustup, shown, tools, &mut |_, line| {
        progress(Progress::Line(line))
    });
    match outcome {
        Err(error) if run::is_absent(&error) => Err(BuildError::NoTarget),
        other => other,
    }
}

/// What `cargo metadata` says that matters here.
#[derive(Deserialize)]
struct Metadata {
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    default_run: Option<String>,
}

impl Metadata {
    /// The component of the program that `cargo run` would choose by `default-run`, if exactly one package names one.
    fn default_program(&self) -> Option<String> {
        let mut named = self
            .packages
            .iter()
            .filter_map(|package| package.default_run.as_deref());
        let name = named.next().filter(|_| named.next().is_none())?;
        Some(format!("target/{TARGET}/release/{name}.wasm"))
    }
}

fn metadata(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Metadata, BuildError> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(folder);
    let text = match run::output(cargo, "cargo metadata", tools, progress) {
        Err(error) if run::is_absent(&error) => {
            return Err(BuildError::NoTool {
                tool: "cargo",
                remedy: GET_RUST,
            });
        }
        other => other?,
    };
    serde_json::from_str(&text).map_err(|error| BuildError::Output {
        tool: "cargo metadata",
        problem: error.to_string(),
    })
}

/// A line of cargo's JSON, where it is about something that was made.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: String,
    target: Target,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// The component that a message tells of: a program or a cdylib of the workspace's own packages.
fn artifact(line: &str, metadata: &Metadata) -> Option<Result<BuiltComponent, BuildError>> {
    let message: Message = serde_json::from_str(line).ok()?;
    let runnable = message
        .target
        .crate_types
        .iter()
        .any(|kind| kind == "bin" || kind == "cdylib");
    if message.reason != "compiler-artifact"
        || !runnable
        || !metadata.workspace_members.contains(&message.package_id)
    {
        return None;
    }
    let file = message
        .filenames
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "wasm"))?;
    let name = file.file_name()?.to_str()?;
    // The name in the app is the usual one, even where CARGO_TARGET_DIR leads elsewhere.
    let name = format!("target/{TARGET}/release/{name}");
    let path = SlugPath::new(&name).map_err(|source| BuildError::Name { name, source });
    Some(path.map(|path| BuiltComponent { path, file }))
}

/// Flags that keep this machine's folders out of what is built, after the user's own; none where flags come from
/// a cargo configuration file, which an environment variable would silence.
fn flags(
    folder: &Path,
    metadata: &Metadata,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<OsString>, BuildError> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let configured = [
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
    ];
    if configured.iter().any(|name| env::var_os(name).is_some())
        || has_configured_flags(folder, cargo_home.as_deref())
    {
        return Ok(None);
    }
    let sysroot = PathBuf::from(rustc(folder, &["--print", "sysroot"], tools, progress)?);
    let mut flags = user_flags();
    let places = [
        (cargo_home, "/cargo"),
        (Some(sysroot.join("lib/rustlib/src/rust")), "/rust"),
        (Some(metadata.workspace_root.clone()), "/app"),
    ];
    for (place, name) in places {
        if let Some(place) = place {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(place);
            flag.push("=");
            flag.push(name);
            flags.push(flag);
        }
    }
    Ok(Some(flags.join(FLAG_SEPARATOR.as_ref())))
}

/// The user's flags from the environment, by cargo's own order of precedence.
fn user_flags() -> Vec<OsString> {
    if let Some(encoded) = env::var_os("CARGO_ENCODED_RUSTFLAGS") {
        return if encoded.is_empty() {
            Vec::new()
        } else {
            vec![encoded]
        };
    }
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    flags.split_whitespace().map(OsString::from).collect()
}

/// Whether any cargo configuration file that counts here speaks of rustflags.
fn has_configured_flags(folder: &Path, cargo_home: Option<&Path>) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above = folder.ancestors().map(|folder| folder.join(".cargo"));
    above.chain(cargo_home.map(Path::to_owned)).any(|place| {
        ["config.toml", "config"].iter().any(|name| {
            std::fs::read_to_string(place.join(name)).is_ok_and(|text| text.contains("rustflags"))
        })
    })
}
