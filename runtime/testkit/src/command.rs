//! The built binary as a command, and what a command wrote.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::folders::{profile_folder, scratch_folder};

/// The binary, with a cache that tests share and nothing else of the user's.
pub fn dyno_command() -> Command {
    let mut command = Command::new(profile_folder().join("dyno"));
    command
        .env("XDG_CACHE_HOME", scratch_folder().join("cache"))
        .env("NO_COLOR", "1")
        .env("XDG_CONFIG_HOME", no_config())
        .env_remove("DYNO_APP")
        .env_remove("DYNO_SERVER")
        .env_remove("DYNO_TOKEN")
        .stdin(Stdio::null());
    command
}

/// What a command shows on a terminal that is so many columns wide.
pub fn output_on_terminal(command: &Command, columns: u32) -> String {
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(quoted)
        .collect();
    let script = format!("stty cols {columns} rows 24; exec {}", words.join(" "));
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &script, "/dev/null"])
        .stdin(Stdio::null());
    terminal.env("TERM", "xterm-256color");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        terminal.current_dir(folder);
    }
    String::from_utf8(terminal.output().unwrap().stdout).unwrap()
}

/// A configuration that nobody has made.
fn no_config() -> PathBuf {
    scratch_folder().join("no-config")
}

/// What a command said.
#[derive(Debug)]
pub struct CommandOutput {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Runs a command to its end.
pub fn run_command(command: &mut Command) -> CommandOutput {
    let output = command.output().unwrap();
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl CommandOutput {
    /// What it printed, having succeeded.
    #[track_caller]
    pub fn success(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        &self.stdout
    }

    /// What it printed as JSON, having succeeded.
    #[track_caller]
    pub fn success_json(&self) -> Value {
        serde_json::from_str(self.success()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What it said on stderr, having failed.
    #[track_caller]
    pub fn failure(&self) -> &str {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains("error: "), "{}", self.stderr);
        &self.stderr
    }
}

/// Runs a command that must end with exit code 1, and gives what it wrote to stderr.
pub fn error_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: "), "{text}");
    text
}
