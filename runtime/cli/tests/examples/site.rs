//! A running example, on this machine or deployed, and the files that tests write for it.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::{
    DynoProcess, ExampleApp, HttpReply, Server, ServerRig, dyno_command, http, run_command,
};

/// The address of a running example.
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) host: String,
}

impl Site {
    /// The address of an example in `dyno local`.
    pub(crate) fn local(local: &DynoProcess) -> Site {
        Site {
            port: local.port,
            host: "localhost".to_owned(),
        }
    }

    /// The address of an example deployed as `app`.
    pub(crate) fn deployed(server: &Server<'_>, app: &str) -> Site {
        Site {
            port: server.apps,
            host: format!("{app}.localhost"),
        }
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> HttpReply {
        let host = format!("Host: {}", self.host);
        let own = headers.iter().map(|header| (*header).to_owned());
        let headers: Vec<String> = [host, "Connection: close".to_owned()]
            .into_iter()
            .chain(own)
            .collect();
        http::send_request(
            self.port,
            &http::encode_request(method, path, &headers, body),
        )
        .unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> HttpReply {
        self.ask("GET", path, &[], b"")
    }

    /// The body of a page, which must have status 200.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> String {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }

    /// Sends JSON.
    pub(crate) fn json(&self, method: &str, path: &str, value: &serde_json::Value) -> HttpReply {
        let kind = "Content-Type: application/json";
        self.ask(method, path, &[kind], value.to_string().as_bytes())
    }

    /// Sends a form as a browser does; `fields` are encoded already.
    pub(crate) fn form(&self, path: &str, fields: &str) -> HttpReply {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        self.ask("POST", path, &[kind], fields.as_bytes())
    }
}

/// Writes the `.env` of an example.
pub(crate) fn environment(example: &ExampleApp, text: &str) {
    fs::write(example.folder.join(".env"), text).unwrap();
}

/// `dyno local` in the folder of an example, once it serves.
pub(crate) fn local(example: &ExampleApp, formation: &[&str]) -> DynoProcess {
    DynoProcess::start_local(&example.folder, formation)
}

/// Runs a process type of an example once, on this machine.
pub(crate) fn run_once(example: &ExampleApp, process: &str) {
    let mut command = dyno_command();
    command.args(["local", "run", "--", process]);
    run_command(command.current_dir(&example.folder)).success();
}

/// The settings of a server that offers services.
pub(crate) fn settings(rig: &ServerRig, text: &str) -> PathBuf {
    let file = rig.path("server.toml");
    fs::write(&file, text).unwrap();
    file
}

/// A path as an argument.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}
