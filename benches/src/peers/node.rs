//! Node.js: its own http server in one process, which is how an app is run unless it forks.

use std::process::Command;

use anyhow::Result;

use super::PeerSite;
use crate::product::child_server::{ChildServer, free_port};

pub(super) fn start(site: &PeerSite<'_>) -> Result<ChildServer> {
    let program = site.installer.debian("node", &["nodejs"])?;
    let port = free_port()?;
    let script = site.write("node", "node.js", include_str!("files/node.js"))?;
    let mut command = Command::new(&program);
    command
        .arg(script)
        .arg(port.to_string())
        .arg(site.pages)
        .env("NODE_ENV", "production");
    let server = site.start("node", port, command)?;
    Ok(server.versioned(&program, "--version"))
}
