//! Tells the program the name of the cargo profile that builds it, for `dyno --version`.
//!
//! Cargo's own variable PROFILE knows only `debug` and `release`. The name of the profile is the folder of the target
//! directory in which this script gets its output folder: `…/PROFILE/build/cli-HASH/out`.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let output = std::env::var_os("OUT_DIR").unwrap_or_default();
    let folder = Path::new(&output)
        .ancestors()
        .nth(3)
        .and_then(Path::file_name);
    let profile = match folder.and_then(|name| name.to_str()) {
        // The folder of the profile `dev`.
        Some("debug") => "dev",
        Some(name) => name,
        None => "unknown profile",
    };
    println!("cargo:rustc-env=DYNO_BUILD_PROFILE={profile}");
}
