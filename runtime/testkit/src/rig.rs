//! The rig: a home and a data folder that outlive any number of servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::say;
use crate::guests::{compile_wat, guest};
use crate::home::Home;
use crate::http::text;
use crate::server::Server;

/// What is there before and after a server.
pub struct Rig {
    home: Home,
    token: OnceLock<String>,
}

/// A slug's file.
pub struct Slug {
    /// `sha256:` and its digest.
    pub id: String,
    /// What is uploaded.
    pub bytes: Vec<u8>,
}

impl Rig {
    /// A new home, in which no server has run.
    pub fn new() -> Rig {
        Rig {
            home: Home::new(),
            token: OnceLock::new(),
        }
    }

    /// The home of server and commands.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The server's state.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("server/data")
    }

    /// A place for a test's own files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `dyno serve` on free ports; `data` and `flags` follow.
    pub fn command(&self, data: &Path, flags: &[&str]) -> Command {
        let mut command = self.home.dyno();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(flags);
        command
    }

    /// A server that answers.
    pub fn start(&self) -> Server<'_> {
        self.start_with(&[])
    }

    /// A server with these flags that answers.
    pub fn start_with(&self, flags: &[&str]) -> Server<'_> {
        self.run(&mut self.command(&self.data(), flags))
    }

    /// The server that a command is.
    pub fn run(&self, command: &mut Command) -> Server<'_> {
        let server = Server::start(self, command);
        self.token.get_or_init(|| server.first_token());
        server.wait_for_api();
        server
    }

    /// The first token.
    pub fn token(&self) -> &str {
        self.token.get().unwrap()
    }

    /// A folder that is an app: a test guest and a text.
    pub fn app(&self, component: &Path, note: &str) -> PathBuf {
        let name = component.file_stem().unwrap().to_str().unwrap();
        let folder = self.path(&format!("apps/{name}-{note}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(component, folder.join("app.wasm")).unwrap();
        fs::write(folder.join("Procfile"), "web: app.wasm\n").unwrap();
        fs::write(folder.join("note.txt"), note).unwrap();
        folder
    }

    /// The slug of a test guest and a text.
    pub fn slug(&self, name: &str, note: &str) -> Slug {
        self.slug_of(&guest(name), note)
    }

    /// The slug of a component and a text.
    pub fn slug_of(&self, component: &Path, note: &str) -> Slug {
        let folder = self.app(component, note);
        let file = folder.with_extension("slug");
        let mut build = self.home.dyno();
        build.arg("build").arg(&folder).arg("--json");
        let said = say(build.arg("-o").arg(&file));
        let id = text(&said.json(), "id").to_owned();
        Slug {
            id,
            bytes: fs::read(&file).unwrap(),
        }
    }

    /// A component that is written as text.
    pub fn wat(&self, name: &str) -> PathBuf {
        let bytes = compile_wat(name);
        let file = self.path(&format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        file
    }
}

impl Slug {
    /// As it is named in a path of the API.
    pub fn hex(&self) -> &str {
        self.id.strip_prefix("sha256:").unwrap()
    }
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new()
    }
}
