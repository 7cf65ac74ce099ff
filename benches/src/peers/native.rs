//! The native servers of apps in other languages: each runs the very folder that dyno builds.
//!
//! Owns which packages a server needs, and its command. Must not know the apps, nor what is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::install::PeerInstaller;
use crate::machine::confine::{CpuBudget, confined};
use crate::product::child_server::{ChildServer, ChildServerStart, LogTarget, free_port};

/// Servers from Python's packages, in exact versions. uvicorn's two are what makes it fast.
const GUNICORN: [&str; 1] = ["gunicorn==25.0.0"];
const UVICORN: [&str; 3] = ["uvicorn==0.40.0", "uvloop==0.22.1", "httptools==0.7.1"];

/// A server that runs an app as its authors would without dyno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NativeServer {
    /// A Rack app by thin, in `config.ru`
    Thin,
    /// A program of Node.js, `server.js`
    Node,
    /// A WSGI app, `app` in `app.py`, by one synchronous worker of gunicorn
    Gunicorn,
    /// An ASGI app, `app` in `app.py`, by uvicorn
    Uvicorn,
    /// A program in Go, compiled for this machine
    Go,
}

/// A native server whose packages are there, with its app.
#[derive(Debug)]
pub(crate) struct NativeProgram {
    server: NativeServer,
    /// The folder of the app.
    folder: PathBuf,
    program: PathBuf,
    /// Where Python finds the packages.
    packages: Option<PathBuf>,
    /// A folder with tools that are not on the PATH, and that the app's build needs.
    tools: Option<PathBuf>,
}

impl NativeServer {
    /// As it is called in reports. Stable.
    pub(crate) fn called(self) -> &'static str {
        match self {
            NativeServer::Thin => "thin",
            NativeServer::Node => "Node",
            NativeServer::Gunicorn => "gunicorn",
            NativeServer::Uvicorn => "uvicorn",
            NativeServer::Go => "native",
        }
    }

    /// Installs what is missing: tools, the server, and the packages of the app in `folder`.
    pub(crate) fn prepare(self, folder: &Path, installer: &PeerInstaller) -> Result<NativeProgram> {
        let mut ready = NativeProgram {
            server: self,
            folder: folder.to_owned(),
            program: PathBuf::new(),
            packages: None,
            tools: None,
        };
        match self {
            NativeServer::Thin => {
                installer.debian("bundle", &["ruby", "ruby-bundler"])?;
                installer.gem("sinatra", &["ruby-sinatra"])?;
                ready.program = installer.debian("thin", &["thin"])?;
            }
            NativeServer::Node => {
                ready.program = installer.debian("node", &["nodejs"])?;
                installer.node_packages(folder)?;
            }
            NativeServer::Gunicorn | NativeServer::Uvicorn => {
                let server = match self {
                    NativeServer::Gunicorn => &GUNICORN[..],
                    _ => &UVICORN,
                };
                ready.program = installer.debian("python3", &["python3"])?;
                ready.packages = Some(installer.python_packages(folder, server)?);
            }
            NativeServer::Go => {
                let go = installer.go()?;
                ready.program = installer.go_program(&go, folder)?;
                ready.tools = go.parent().map(Path::to_owned);
            }
        }
        Ok(ready)
    }
}

impl NativeProgram {
    /// A command in which the tools of this language are found.
    pub(crate) fn with_tools(&self, mut command: Command) -> Command {
        if let Some(tools) = &self.tools {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all = std::iter::once(tools.clone()).chain(std::env::split_paths(&path));
            if let Ok(path) = std::env::join_paths(all) {
                command.env("PATH", path);
            }
        }
        command
    }

    /// Starts it within the budget, and returns when it has answered 200 at `probe`.
    pub(crate) fn start(
        &self,
        budget: CpuBudget,
        errors: &Path,
        probe: &str,
    ) -> Result<ChildServer> {
        let port = free_port()?;
        let start = ChildServerStart {
            port,
            log: LogTarget::Null,
            errors,
            probe,
        };
        let server = ChildServer::start(confined(&self.command(port), budget)?, &start)?;
        Ok(match self.server {
            NativeServer::Go => server,
            _ => server.versioned(&self.program, "--version"),
        })
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .env("PORT", port.to_string())
            .env("NODE_ENV", "production");
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        let (port, address) = (port.to_string(), format!("127.0.0.1:{port}"));
        match self.server {
            NativeServer::Thin => command
                .args(["start", "-a", "127.0.0.1", "-p", &port])
                .args(["-e", "production", "-R", "config.ru"]),
            NativeServer::Node => command.arg("server.js"),
            NativeServer::Gunicorn => command
                .args(["-m", "gunicorn", "--workers", "1"])
                .args(["--bind", &address, "app:app"]),
            NativeServer::Uvicorn => command
                .args(["-m", "uvicorn", "--host", "127.0.0.1", "--port", &port])
                .args(["--log-level", "warning", "app:app"]),
            NativeServer::Go => &mut command,
        };
        command
    }
}
