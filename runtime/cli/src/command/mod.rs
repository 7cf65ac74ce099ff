//! One file a command. Thin: they say what is to be done and show what came of it.

mod build;
mod local;
mod new;
mod slug;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, Command, Slug};

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<()> {
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
    }
    Ok(())
}
