//! `dyno`: builds an app into a slug, runs it on this machine or on a server, and is that server.
//!
//! Owns the process: arguments in, exit code out, and the one place where an error is printed.
//! Decisions are in the crates below; `platform` is the only file that names router, dyno and
//! control together.

mod alloc;
mod args;
mod client;
mod command;
mod dirs;
mod logs;
mod meter;
mod once;
mod platform;
mod stop;
mod term;

use std::process::ExitCode;

/// Requests allocate dozens of small pieces each; see `benches/RESULTS.md` for what this one saves.
#[global_allocator]
static ALLOCATOR: alloc::Mimalloc = alloc::Mimalloc;

/// Exit code of a command that failed.
const FAILED: u8 = 1;
/// Exit code of a command line that cannot be read.
const WRONG_USAGE: u8 = 2;
/// Exit code of a command whose reader has gone: what a shell shows of one that SIGPIPE has ended.
const CLOSED: u8 = 128 + 13;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some((flavor, input, output)) = args::compile(&words) {
        let code = dyno::compile::child_main(flavor, input, output);
        return ExitCode::from(u8::try_from(code).unwrap_or(FAILED));
    }
    let as_json = args::wants_json(&words);
    let args = match args::parse(words.into_iter()) {
        Ok(args) => args,
        Err(error) if as_json && error.use_stderr() => {
            term::json_error(&client::described_usage(&error));
            return ExitCode::from(WRONG_USAGE);
        }
        // Help and the version go the same way, with exit code 0.
        Err(error) => error.exit(),
    };
    let has_progress = args.command.has_progress();
    match command::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<term::Closed>() => ExitCode::from(CLOSED),
        Err(error) if error.is::<term::Code>() => match error.downcast_ref() {
            Some(term::Code(code)) => ExitCode::from(*code),
            None => ExitCode::from(FAILED),
        },
        Err(error) => {
            if !as_json || has_progress {
                term::error(&error);
            }
            if as_json {
                term::json_error(&client::described(&error));
            }
            ExitCode::from(FAILED)
        }
    }
}
