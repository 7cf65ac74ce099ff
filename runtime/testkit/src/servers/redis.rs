//! Redis, and its client `redis-cli`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use super::PASSWORD;
use super::daemon::{
    Daemon, LOOK, PATIENCE, USER, is_root, make_folder, output_of, stdout_or_stderr,
};

/// A Redis server, whose default user has [`PASSWORD`].
#[derive(Debug)]
pub struct Redis(Daemon);

impl Redis {
    /// A new, empty one that answers, and keeps its users in a file as its data.
    pub fn start() -> Redis {
        let folder = make_folder("redis");
        let users = folder.path().join("users.acl");
        fs::write(&users, format!("user default on >{PASSWORD} ~* &* +@all\n")).unwrap();
        if is_root() {
            let owned = Command::new("chown").arg(USER).arg(&users).status();
            assert!(owned.unwrap().success());
        }
        Redis::start_with_args(folder, &["--aclfile", "users.acl"])
    }

    /// One that knows no users, as all did before version 6.
    pub fn start_without_users() -> Redis {
        let args = ["--requirepass", PASSWORD, "--rename-command", "ACL", ""];
        Redis::start_with_args(make_folder("redis"), &args)
    }

    /// One that forgets its users when it ends.
    pub fn start_without_user_file() -> Redis {
        Redis::start_with_args(make_folder("redis"), &["--requirepass", PASSWORD])
    }

    fn start_with_args(folder: TempDir, more: &[&str]) -> Redis {
        let args = |port: u16, folder: &Path| {
            let (port, folder) = (port.to_string(), folder.display().to_string());
            let own = ["--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
            let kept = [
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ];
            let all = own.iter().chain(&kept).chain(more);
            all.map(|arg| (*arg).to_owned()).collect()
        };
        let program = PathBuf::from("redis-server");
        let server = Redis(Daemon::new(
            "redis",
            program,
            ("TERM", "KILL"),
            folder,
            args,
        ));
        server.wait_until_ready();
        server
    }

    /// It listens before it has loaded its data.
    fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.run_command(&["PING"]) != Ok("PONG".to_owned()) {
            assert!(Instant::now() < deadline, "{}", self.0.log());
            thread::sleep(LOOK);
        }
    }

    /// Ends it, in order.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it again, on the same port with what it had.
    pub fn restart(&mut self) {
        self.0.start();
        self.wait_until_ready();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The operator's URL.
    pub fn url(&self) -> String {
        self.url_at(self.0.port)
    }

    /// The operator's URL, of another port that leads here.
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{port}")
    }

    /// What the operator gets for a command.
    ///
    /// # Errors
    /// What the server complains of.
    pub fn run_command(&self, words: &[&str]) -> Result<String, String> {
        Redis::run_command_as(&self.url(), words)
    }

    /// What whoever has this URL gets for a command.
    ///
    /// # Errors
    /// What the server complains of.
    pub fn run_command_as(url: &str, words: &[&str]) -> Result<String, String> {
        let mut cli = Command::new("redis-cli");
        // It takes a user without a name for one whose name is empty.
        let url = url.replace("redis://:", "redis://default:");
        cli.args(["--no-auth-warning", "-e", "-u", &url])
            .args(words);
        let output = output_of(&mut cli);
        let complaint = String::from_utf8_lossy(&output.stderr);
        match stdout_or_stderr(&output) {
            // One that cannot log in says so, and goes on.
            Ok(_) if complaint.contains("AUTH failed") => Err(complaint.trim_end().to_owned()),
            Ok(text) => Ok(text),
            Err(error) if error.is_empty() => Err(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned()),
            Err(error) => Err(error),
        }
    }
}
