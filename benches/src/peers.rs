//! The peers: servers that do the same work as dyno, in processes of their own, measured beside it.
//!
//! Owns which peers there are, what each can do, and how it is started; each has a file. A peer that
//! cannot be had is an error with the reason, which leaves it out of a run. Must not know what is
//! measured.

mod hyper;
mod install;
mod native;
mod nginx;
mod node;
mod ruby;
mod wasmtime;
mod workerd;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::machine::confine::{CpuBudget, confined};
use crate::product::child_server::{ChildServer, ChildServerStart, LogTarget, free_port};

pub(crate) use hyper::serve as serve_hyper;
pub(crate) use install::PeerInstaller;
pub(crate) use native::{NativeProgram, NativeServer};

/// The folder in which peers are installed, from the repository's folder.
pub(crate) const INSTALL_FOLDER: &str = "target/peers";

/// The pages that every server has, as files of a folder.
pub(crate) const PAGES: [&str; 2] = ["hello", "body"];

/// A server that is not part of this repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum PeerServer {
    /// nginx, which serves files
    Nginx,
    /// Node.js, its own http server
    Node,
    /// workerd with a worker in JavaScript
    Workerd,
    /// workerd with a WebAssembly module behind a few lines of JavaScript
    WorkerdWasm,
    /// `wasmtime serve` with the component that dyno runs, an instance for each request
    Wasmtime,
    /// The same, with instances used again without end
    WasmtimeReuse,
    /// haproxy with `maxconn 1` before four thin, one request at a time each
    HaproxyThin,
}

/// The work of a server for a request: the paths of the bench guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindOfWork {
    Hello,
    Body,
    Echo,
    Cpu,
    Sleep,
}

/// The settings with which a peer is started.
#[derive(Debug)]
pub(crate) struct PeerSite<'a> {
    /// For configuration and what servers say; gone after the run.
    pub(crate) folder: &'a Path,
    /// The folder with the files of [`PAGES`].
    pub(crate) pages: &'a Path,
    /// The bench guest.
    pub(crate) guest: &'a Path,
    pub(crate) budget: CpuBudget,
    pub(crate) installer: &'a PeerInstaller,
}

impl PeerServer {
    /// As it is called in reports. Stable.
    pub(crate) fn called(self) -> &'static str {
        match self {
            PeerServer::Nginx => "nginx",
            PeerServer::Node => "Node",
            PeerServer::Workerd => "workerd, JavaScript",
            PeerServer::WorkerdWasm => "workerd, wasm",
            PeerServer::Wasmtime => "wasmtime serve",
            PeerServer::WasmtimeReuse => "wasmtime serve, re-use",
            PeerServer::HaproxyThin => "haproxy + 4 thin",
        }
    }

    /// Whether it can do the same work, or why not.
    pub(crate) fn can(self, work: KindOfWork) -> Result<(), &'static str> {
        match (self, work) {
            (PeerServer::Nginx, KindOfWork::Echo | KindOfWork::Cpu | KindOfWork::Sleep) => {
                Err("it serves files")
            }
            _ => Ok(()),
        }
    }

    /// Installs it if it is missing, and starts it.
    pub(crate) fn start(self, site: &PeerSite<'_>) -> Result<ChildServer> {
        match self {
            PeerServer::Nginx => nginx::start(site),
            PeerServer::Node => node::start(site),
            PeerServer::Workerd => workerd::start(site, workerd::Kind::JavaScript),
            PeerServer::WorkerdWasm => workerd::start(site, workerd::Kind::Wasm),
            PeerServer::Wasmtime => wasmtime::start(site, wasmtime::Instances::Fresh),
            PeerServer::WasmtimeReuse => wasmtime::start(site, wasmtime::Instances::Reused),
            PeerServer::HaproxyThin => ruby::start(site),
        }
    }
}

/// Plain hyper: what the sockets and HTTP cost.
pub(crate) fn start_hyper(site: &PeerSite<'_>) -> Result<ChildServer> {
    let port = free_port()?;
    site.start("hyper", port, hyper::command(port, site.pages)?)
}

impl PeerSite<'_> {
    /// Starts a command which listens on `port` when it is up, within the budget.
    fn start(&self, called: &str, port: u16, command: Command) -> Result<ChildServer> {
        let errors = self.folder.join(format!("{called}.errors"));
        let start = ChildServerStart {
            port,
            log: LogTarget::Null,
            errors: &errors,
            probe: "/",
        };
        ChildServer::start(confined(&command, self.budget)?, &start)
    }

    /// Writes a file into a folder of the peer's own, and gives its path.
    fn write(&self, peer: &str, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let folder = self.folder.join(peer);
        let path = folder.join(name);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&path, content))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
