//! The rig: a home and a data folder that outlive any number of servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::run_command;
use crate::guests::{compile_wat, guest_path};
use crate::home::HomeFolder;
use crate::http::json_text;
use crate::server::Server;

/// What is there before and after a server.
pub struct ServerRig {
    home: HomeFolder,
    token: OnceLock<String>,
}

/// A slug's file.
pub struct SlugFile {
    /// `sha256:` and its digest.
    pub id: String,
    /// What is uploaded.
    pub bytes: Vec<u8>,
}

impl ServerRig {
    /// A new home, in which no server has run.
    pub fn new() -> ServerRig {
        ServerRig {
            home: HomeFolder::new(),
            token: OnceLock::new(),
        }
    }

    /// The home of server and commands.
    pub fn home(&self) -> &HomeFolder {
        &self.home
    }

    /// The server's state.
    pub fn data_folder(&self) -> PathBuf {
        self.home.folder_path().join("server/data")
    }

    /// A place for a test's own files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.folder_path().join(name)
    }

    /// `dyno serve` on free ports; `data` and `flags` follow.
    pub fn serve_command(&self, data: &Path, flags: &[&str]) -> Command {
        let mut command = self.home.dyno_command();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(flags);
        command
    }

    /// A server that answers.
    pub fn start(&self) -> Server<'_> {
        self.start_with_flags(&[])
    }

    /// A server with these flags that answers.
    pub fn start_with_flags(&self, flags: &[&str]) -> Server<'_> {
        self.start_command(&mut self.serve_command(&self.data_folder(), flags))
    }

    /// The server that a command is.
    pub fn start_command(&self, command: &mut Command) -> Server<'_> {
        let server = Server::start(self, command);
        self.token.get_or_init(|| server.first_token());
        server.wait_for_api();
        server
    }

    /// The first token.
    pub fn admin_token(&self) -> &str {
        self.token.get().unwrap()
    }

    /// A folder that is an app: a test guest and a text.
    pub fn write_app(&self, component: &Path, note: &str) -> PathBuf {
        let name = component.file_stem().unwrap().to_str().unwrap();
        let folder = self.path(&format!("apps/{name}-{note}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(component, folder.join("app.wasm")).unwrap();
        fs::write(folder.join("Procfile"), "web: app.wasm\n").unwrap();
        fs::write(folder.join("note.txt"), note).unwrap();
        folder
    }

    /// The slug of a test guest and a text.
    pub fn build_slug(&self, name: &str, note: &str) -> SlugFile {
        self.build_slug_of(&guest_path(name), note)
    }

    /// The slug of a component and a text.
    pub fn build_slug_of(&self, component: &Path, note: &str) -> SlugFile {
        let folder = self.write_app(component, note);
        let file = folder.with_extension("slug");
        let mut build = self.home.dyno_command();
        build.arg("build").arg(&folder).arg("--json");
        let said = run_command(build.arg("-o").arg(&file));
        let id = json_text(&said.success_json(), "id").to_owned();
        SlugFile {
            id,
            bytes: fs::read(&file).unwrap(),
        }
    }

    /// A component that is written as text.
    pub fn compile_wat(&self, name: &str) -> PathBuf {
        let bytes = compile_wat(name);
        let file = self.path(&format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        file
    }
}

impl SlugFile {
    /// As it is named in a path of the API.
    pub fn hex(&self) -> &str {
        self.id.strip_prefix("sha256:").unwrap()
    }
}

impl Default for ServerRig {
    fn default() -> ServerRig {
        ServerRig::new()
    }
}
