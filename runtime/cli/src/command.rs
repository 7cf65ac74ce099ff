//! One file a command. Thin: they say what is to be done and show what came of it.

mod addons;
mod apps;
mod build;
mod config;
mod deploy;
mod domains;
mod local;
mod login;
mod logs;
mod maintenance;
mod new;
mod ps;
mod releases;
mod rollback;
mod run;
mod serve;
mod slug;
mod slugs;
mod status;
mod tokens;
mod usage;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, Command, Slug};
use crate::term;

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Local(args) => local::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Login(args) => login::login(&args),
        Command::Logout(args) => login::logout(&args),
        Command::Whoami(args) => login::whoami(&args),
        Command::Apps(args) => apps::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Releases(args) => releases::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::Ps(args) => ps::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Maintenance(args) => maintenance::run(&args),
        Command::Domains(args) => domains::run(&args),
        Command::Addons(args) => addons::run(&args),
        Command::Usage(args) => usage::run(&args),
        Command::Slugs(args) => slugs::run(&args),
        Command::Slug(Slug::Inspect { file, json }) => slug::inspect(&file, json),
        Command::Tokens(args) => tokens::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Version(args) => version(args.json),
        Command::Completions { shell } => completions(shell),
    }
}

fn version(as_json: bool) -> Result<()> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    match as_json {
        true => term::json(&serde_json::json!({ "version": VERSION })),
        false => term::print(&format!("dyno {VERSION}")),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "dyno", &mut script);
    term::print_bytes(&script)
}
