//! A server, and a user on the same machine with a folder of their own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::{DynoProcess, dyno_command, guest_path};

/// What a command wrote, and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Stdout of a command that went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Stdout as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Stderr of a command that failed, which has said nothing on stdout.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        self.err
    }
}

/// A running `dyno serve`; the user's commands run beside it.
pub(crate) struct Server {
    pub(crate) process: DynoProcess,
    pub(crate) api: String,
    home: TempDir,
}

impl Server {
    /// A new one, with the first start's login.
    pub(crate) fn start() -> Server {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut command = user(&home);
        command.args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"]);
        command.arg("--data").arg(home.path().join("data"));
        let mut process = DynoProcess::spawn(&mut command);
        let after = |sign: &str| {
            let line = process.wait_for_line(sign, |line| line.trim_start().starts_with(sign));
            line.trim_start()[sign.len()..].trim().to_owned()
        };
        let apps = after("Apps http://");
        let api = format!("http://{}", after("API http://"));
        process.wait_for_line("the login", |line| line.trim_start().starts_with("Login "));
        let port = apps.rsplit(':').next().unwrap().trim_end_matches('/');
        process.port = port.parse().unwrap();
        Server { process, api, home }
    }

    /// One with the app `demo`, deployed from the folder `demo`.
    pub(crate) fn with_demo() -> Server {
        let server = Server::start();
        server.write("demo/app.wasm", fs::read(guest_path("good")).unwrap());
        server.run(&["deploy", "demo"]).ok();
        server
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A command of the user's, which asks about the app `demo` if nothing else is said.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = user(&self.home);
        command.args(args).env("DYNO_APP", "demo");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        done(&mut self.command(args))
    }
}

pub(crate) fn done(command: &mut Command) -> Done {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn user(home: &TempDir) -> Command {
    let mut command = dyno_command();
    command
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path().join("config"));
    command
}
