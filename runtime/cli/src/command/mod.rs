//! One file a command. Thin: they say what is to be done and show what came of it.

mod build;
mod local;
mod new;
mod slug;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, Command, Slug};

/// Runs a command; the exit code is the process's.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::New(new) => new::run(&new)?,
        Command::Build(build) => build::run(&build)?,
        Command::Local(local) => local::run(&local)?,
        Command::Slug(Slug::Inspect { file, json }) => slug::inspect(&file, json)?,
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "dyno", &mut out);
            std::io::Write::write_all(&mut std::io::stdout(), &out)?;
        }
        Command::Compile {
            flavor,
            input,
            output,
        } => return Ok(compile(&flavor, &input, &output)),
    }
    Ok(ExitCode::SUCCESS)
}

fn compile(flavor: &str, input: &Path, output: &Path) -> ExitCode {
    let code = dyno::compile::child_main(flavor, input, output);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
