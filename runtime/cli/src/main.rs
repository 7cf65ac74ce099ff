//! `dyno`: builds an app into a slug, runs it on this machine, and inspects slugs.
//!
//! Owns the process: arguments in, exit code out, and the one place where an error is printed.
//! Decisions are in the crates below; `platform` is the only file that names router, dyno and
//! control together.

mod args;
mod command;
mod dirs;
mod logs;
mod platform;
mod seam;
mod term;

use std::process::ExitCode;

use clap::Parser;

/// Exit code of a command that failed; wrong usage is 2, and is clap's.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let args = args::Args::parse_from(args::with_colons(std::env::args_os()));
    match command::run(args) {
        Ok(code) => code,
        Err(error) => {
            term::error(&error);
            ExitCode::from(FAILED)
        }
    }
}
