//! The classic stack of one request at a time: haproxy, which gives each of four thin one request and
//! keeps the others in its queue.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::PeerSite;
use crate::product::child_server::{ChildServer, free_port};

/// Back ends, each a process of Ruby.
const BACK_ENDS: usize = 4;

pub(super) fn start(site: &PeerSite<'_>) -> Result<ChildServer> {
    let haproxy = site.installer.debian("haproxy", &["haproxy"])?;
    let thin = site.installer.debian("thin", &["thin"])?;
    let app = site.write("thin", "thin.ru", include_str!("files/thin.ru"))?;
    let mut back_ends = Vec::new();
    for number in 1..=BACK_ENDS {
        back_ends.push(start_thin(site, &thin, &app, number)?);
    }
    let port = free_port()?;
    let addresses: Vec<_> = back_ends.iter().map(|server| server.address).collect();
    let file = site.write(
        "haproxy",
        "haproxy.cfg",
        haproxy_config(site, port, &addresses),
    )?;
    let mut command = Command::new(&haproxy);
    command.arg("-db").arg("-f").arg(file);
    let front = site.start("haproxy", port, command)?;
    Ok(front.versioned(&haproxy, "-v").with(back_ends))
}

fn start_thin(site: &PeerSite<'_>, thin: &Path, app: &Path, number: usize) -> Result<ChildServer> {
    let port = free_port()?;
    let mut command = Command::new(thin);
    command
        .arg("start")
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .args(["-e", "production"])
        .arg("-R")
        .arg(app)
        .env("PAGES", site.pages)
        .current_dir(site.folder);
    let server = site.start(&format!("thin.{number}"), port, command)?;
    Ok(server.versioned(thin, "--version"))
}

/// Times are long, since a queue of all connections before four slow back ends is wanted.
fn haproxy_config(site: &PeerSite<'_>, port: u16, back_ends: &[SocketAddr]) -> String {
    let threads = site.budget.threads;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut text = format!(
        "global\n  nbthread {threads}\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 120s\n  timeout server 120s\n  \
         timeout queue 120s\n\
         frontend front\n  bind {listen} backlog 1024\n  default_backend back\n\
         backend back\n  balance leastconn\n"
    );
    for (number, address) in back_ends.iter().enumerate() {
        text += &format!("  server thin{} {address} maxconn 1\n", number + 1);
    }
    text
}
