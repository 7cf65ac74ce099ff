//! Owns the compiler flags that keep this machine's paths out of a component. Must not know what is compiled.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::rustc::run_rustc;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::tools::Tools;

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\x1f";
/// Variables by which users set flags that an own `CARGO_ENCODED_RUSTFLAGS` would override.
const CONFIGURED_BY: [&str; 2] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
];

/// The user's flags, followed by those that replace this machine's paths. `None` if flags come from a cargo configuration
/// file: an environment variable would override them.
pub(super) fn remap_flags(
    folder: &Path,
    workspace_root: &Path,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<Option<OsString>, BuilderError> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    if CONFIGURED_BY.iter().any(|name| env::var_os(name).is_some())
        || has_configured_flags(folder, cargo_home.as_deref())
    {
        return Ok(None);
    }
    let sysroot = PathBuf::from(run_rustc(folder, &["--print", "sysroot"], tools, progress)?);
    let mut flags = user_flags();
    let remapped = [
        (cargo_home, "/cargo"),
        (Some(sysroot.join("lib/rustlib/src/rust")), "/rust"),
        (Some(workspace_root.to_owned()), "/app"),
    ];
    for (path, name) in remapped {
        if let Some(path) = path {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(path);
            flag.push("=");
            flag.push(name);
            flags.push(flag);
        }
    }
    Ok(Some(flags.join(FLAG_SEPARATOR.as_ref())))
}

/// The user's flags from the environment, in cargo's own order of precedence.
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

/// Whether a cargo configuration file, of the folder or above it or in the home, sets rustflags.
fn has_configured_flags(folder: &Path, cargo_home: Option<&Path>) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above = folder.ancestors().map(|folder| folder.join(".cargo"));
    above.chain(cargo_home.map(Path::to_owned)).any(|place| {
        ["config.toml", "config"].iter().any(|name| {
            std::fs::read_to_string(place.join(name)).is_ok_and(|text| text.contains("rustflags"))
        })
    })
}
