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
    /// Starts a new, empty server that keeps its users in a file, as it keeps its data.
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

    /// Starts a server without users, as all servers were before version 6.
    pub fn start_without_users() -> Redis {
        let args = ["--requirepass", PASSWORD, "--rename-command", "ACL", ""];
        Redis::start_with_args(make_folder("redis"), &args)
    }

    /// Starts a server that forgets its users when it ends.
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

    /// The server listens before it has loaded its data.
    fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.run_command(&["PING"]) != Ok("PONG".to_owned()) {
            assert!(Instant::now() < deadline, "{}", self.0.log());
            thread::sleep(LOOK);
        }
    }

    /// Stops the server in order.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts the server again, with its port and its data.
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

    /// The operator's URL with another port, which leads to this server.
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{port}")
    }

    /// Runs a command as the operator.
    ///
    /// # Errors
    /// The error of the server.
    pub fn run_command(&self, words: &[&str]) -> Result<String, String> {
        Redis::run_command_as(&self.url(), words)
    }

    /// Runs a command with this URL's login.
    ///
    /// # Errors
    /// The error of the server.
    pub fn run_command_as(url: &str, words: &[&str]) -> Result<String, String> {
        let mut cli = Command::new("redis-cli");
        // `redis-cli` takes a missing user for a user whose name is empty.
        let url = url.replace("redis://:", "redis://default:");
        cli.args(["--no-auth-warning", "-e", "-u", &url])
            .args(words);
        let output = output_of(&mut cli);
        let complaint = String::from_utf8_lossy(&output.stderr);
        match stdout_or_stderr(&output) {
            // After a failed login `redis-cli` goes on, and succeeds.
            Ok(_) if complaint.contains("AUTH failed") => Err(complaint.trim_end().to_owned()),
            Ok(text) => Ok(text),
            Err(error) if error.is_empty() => Err(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned()),
            Err(error) => Err(error),
        }
    }
}
