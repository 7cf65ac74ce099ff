//! `dyno`: builds an app into a slug, runs it on this machine or on a server, and is that server.
//!
//! Owns the process: arguments in, exit code out, and the one place where an error is printed. Must not know what a
//! server is made of: the crate `node` does.

mod alloc;
mod args;
mod client;
mod command;
mod compile_child;
mod dirs;
mod exit_code;
mod signals;
mod terminal;

use std::process::ExitCode;

use exit_code::{FAILED, OUTPUT_CLOSED, WRONG_USAGE};

/// Requests allocate dozens of small pieces each; see `benches/RESULTS.md` for what this one saves.
#[global_allocator]
static ALLOCATOR: alloc::Mimalloc = alloc::Mimalloc;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some((flavor, input, output)) = compile_child::arguments(&words) {
        let code = node::compile_component(flavor, input, output);
        return ExitCode::from(u8::try_from(code).unwrap_or(FAILED));
    }
    let as_json = args::wants_json(&words);
    let args = match args::parse(words.into_iter()) {
        Ok(args) => args,
        Err(error) if as_json && error.use_stderr() => {
            terminal::print_json_error(&args::describe_wrong_usage(&error));
            return ExitCode::from(WRONG_USAGE);
        }
        // Help and the version go the same way, with exit code 0.
        Err(error) => error.exit(),
    };
    let has_progress = args.command.has_progress();
    match command::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_closed_output(&error) => ExitCode::from(OUTPUT_CLOSED),
        Err(error) if error.is::<terminal::ProgramExit>() => match error.downcast_ref() {
            Some(terminal::ProgramExit(code)) => ExitCode::from(*code),
            None => ExitCode::from(FAILED),
        },
        Err(error) => {
            if !as_json || has_progress {
                terminal::print_error(&error);
            }
            if as_json {
                terminal::print_json_error(&client::error_to_json(&error));
            }
            ExitCode::from(FAILED)
        }
    }
}
