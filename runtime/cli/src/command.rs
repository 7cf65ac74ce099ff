//! The commands, one file each. A command says what is to be done, and shows what came of it.

mod account;
mod app;
mod develop;
mod process;
mod release;
mod server;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, Command, Slug};
use crate::terminal;

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::New(args) => develop::new::run(&args),
        Command::Build(args) => develop::build::run(&args),
        Command::Local(args) => develop::local::run(&args),
        Command::Serve(args) => server::serve::run(&args),
        Command::Login(args) => account::login::login(&args),
        Command::Logout(args) => account::login::logout(&args),
        Command::Whoami(args) => account::login::whoami(&args),
        Command::Apps(args) => app::apps::run(&args),
        Command::Deploy(args) => release::deploy::run(&args),
        Command::Releases(args) => release::releases::run(&args),
        Command::Rollback(args) => release::rollback::run(&args),
        Command::Ps(args) => process::ps::run(&args),
        Command::Run(args) => process::run::run(&args),
        Command::Config(args) => app::config::run(&args),
        Command::Logs(args) => app::logs::run(&args),
        Command::Maintenance(args) => app::maintenance::run(&args),
        Command::Domains(args) => app::domains::run(&args),
        Command::Addons(args) => app::addons::run(&args),
        Command::Usage(args) => app::usage::run(&args),
        Command::Slugs(args) => server::slugs::run(&args),
        Command::Slug(Slug::Inspect { file, json }) => develop::slug::inspect(&file, json),
        Command::Tokens(args) => account::tokens::run(&args),
        Command::Status(args) => server::status::run(&args),
        Command::Version(args) => version(args.json),
        Command::Completions { shell } => completions(shell),
    }
}

fn version(as_json: bool) -> Result<()> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    match as_json {
        true => terminal::json(&serde_json::json!({ "version": VERSION })),
        false => terminal::print(&format!("dyno {VERSION}")),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "dyno", &mut script);
    terminal::print_bytes(&script)
}
