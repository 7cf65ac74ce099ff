//! The rig of end-to-end tests: a home and a data folder that outlive the servers which a test starts in them.
//!
//! Owns the folders, the first token, and the apps that tests write. Must not know what a server does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::guests::{compile_wat, guest_path};
use crate::home::HomeFolder;
use crate::server::Server;
use crate::slug_file::SlugFile;

/// A home, the data folder in it, and the token that the first server in it printed.
pub struct ServerRig {
    home: HomeFolder,
    token: OnceLock<String>,
}

impl ServerRig {
    /// Makes a new home, in which no server has run.
    pub fn new() -> ServerRig {
        ServerRig {
            home: HomeFolder::new(),
            token: OnceLock::new(),
        }
    }

    /// The home of the server and of the commands.
    pub fn home(&self) -> &HomeFolder {
        &self.home
    }

    /// The server's `--data`.
    pub fn data_folder(&self) -> PathBuf {
        self.home.folder_path().join("server/data")
    }

    /// The path of a file of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.folder_path().join(name)
    }

    /// `dyno serve` on free ports, with this data folder and these flags; not yet run.
    pub fn serve_command(&self, data: &Path, flags: &[&str]) -> Command {
        let mut command = self.home.dyno_command();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(flags);
        command
    }

    /// Starts a server, and waits until its API answers.
    pub fn start(&self) -> Server<'_> {
        self.start_with_flags(&[])
    }

    /// Starts a server with these flags, and waits until its API answers.
    pub fn start_with_flags(&self, flags: &[&str]) -> Server<'_> {
        self.start_command(&mut self.serve_command(&self.data_folder(), flags))
    }

    /// Starts a server by a command of the test's own, and waits until its API answers.
    pub fn start_command(&self, command: &mut Command) -> Server<'_> {
        Server::start(&self.home, &self.token, command)
    }

    /// The token that the first server printed.
    pub fn admin_token(&self) -> &str {
        self.token.get().unwrap()
    }

    /// Writes the folder of an app: a component, a Procfile, and `note.txt` with this text.
    pub fn write_app(&self, component: &Path, note: &str) -> PathBuf {
        let name = component.file_stem().unwrap().to_str().unwrap();
        let folder = self.path(&format!("apps/{name}-{note}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(component, folder.join("app.wasm")).unwrap();
        fs::write(folder.join("Procfile"), "web: app.wasm\n").unwrap();
        fs::write(folder.join("note.txt"), note).unwrap();
        folder
    }

    /// Builds the slug of a test guest and a text.
    pub fn build_slug(&self, name: &str, note: &str) -> SlugFile {
        self.build_slug_of(&guest_path(name), note)
    }

    /// Builds the slug of a component and a text.
    pub fn build_slug_of(&self, component: &Path, note: &str) -> SlugFile {
        let folder = self.write_app(component, note);
        let file = folder.with_extension("slug");
        let mut build = self.home.dyno_command();
        SlugFile::build(build.arg("build").arg(&folder).arg("--json"), &file)
    }

    /// Compiles a test guest that is written as text, and gives the path of the component.
    pub fn compile_wat(&self, name: &str) -> PathBuf {
        let bytes = compile_wat(name);
        let file = self.path(&format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        file
    }
}

impl Default for ServerRig {
    fn default() -> ServerRig {
        ServerRig::new()
    }
}
