//! Owns the Rust toolchain of a folder: rustc, the pin in `rust-toolchain.toml`, and the target for WebAssembly.
//! Must not know packages.

use std::path::Path;
use std::process::Command;

use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::tools::Tools;
use crate::path::shown;

pub(super) const TARGET: &str = "wasm32-wasip2";
pub(super) const GET_RUST: &str = "get Rust from https://rustup.rs";
/// The first release of Rust with the target.
const RUST_MIN: &str = "1.82";
/// The files that pin a toolchain for a folder.
const PIN_FILES: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];

/// Runs the rustc of this folder's toolchain, and returns its line of output.
pub(super) fn run_rustc(
    folder: &Path,
    args: &[&str],
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<String, BuilderError> {
    let mut rustc = Command::new("rustc");
    rustc.args(args).current_dir(folder);
    match run::run_for_output(rustc, "rustc", tools, progress) {
        Ok(line) => Ok(line.trim().to_owned()),
        Err(error) if run::is_absent(&error) => Err(BuilderError::NoTool {
            tool: "rustc",
            remedy: GET_RUST,
        }),
        Err(error) => Err(explain_pin(folder, error)),
    }
}

/// Adds the target if it is missing. Fails if there is no rustup to add it.
pub(super) fn ensure_target(
    folder: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuilderError> {
    let args = ["--print", "target-libdir", "--target", TARGET];
    let libraries = run_rustc(folder, &args, tools, progress)?;
    if Path::new(&libraries).is_dir() {
        return Ok(());
    }
    let shown = "rustup target add wasm32-wasip2";
    progress(BuildProgress::Step(format!(
        "{shown} (it is not installed yet)"
    )));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(folder);
    let outcome = run::run_streaming(rustup, shown, tools, &mut |_, line| {
        progress(BuildProgress::Line(line))
    });
    match outcome {
        Err(error) if run::is_absent(&error) => Err(BuilderError::NoTarget),
        other => other,
    }
}

/// Replaces the failure of rustc by a text about the pin file, if the app has one.
fn explain_pin(folder: &Path, error: BuilderError) -> BuilderError {
    let read =
        |name: &&'static str| Some((*name, std::fs::read_to_string(folder.join(name)).ok()?));
    let Some((file, text)) = PIN_FILES.iter().find_map(read) else {
        return error;
    };
    if !matches!(error, BuilderError::Failed { .. }) {
        return error;
    }
    let channel = parse_channel(&text);
    BuilderError::Refused(match is_too_old(&channel) {
        true => format!(
            "{file} pins Rust {channel}, which is older than {RUST_MIN}, the first with {TARGET}: pin a newer one, or remove the file"
        ),
        false => format!(
            "{file} pins the Rust toolchain `{channel}`, which does not run here: \
             run `rustup toolchain install {channel} --target {TARGET}`, or change the pin"
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

/// The channel in a pin file, made safe to print. The file is TOML; in its old form it holds only the name.
fn parse_channel(text: &str) -> String {
    let table: Option<toml::Table> = text.parse().ok();
    let channel = table.and_then(|table| {
        let channel = table.get("toolchain")?.get("channel")?;
        channel.as_str().map(str::to_owned)
    });
    let channel =
        channel.unwrap_or_else(|| text.lines().next().unwrap_or_default().trim().to_owned());
    shown(channel.as_bytes())
}
