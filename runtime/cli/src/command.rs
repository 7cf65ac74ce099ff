//! The commands of the command line: one file each, in folders by subject. A command sends requests to a server, or
//! uses the crates `node` and `slugs`, and shows the result. Must not parse arguments: `args` does.

mod account;
mod app;
mod develop;
mod process;
mod release;
mod server;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, CliCommand, SlugCommand};
use crate::terminal;

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        CliCommand::New(args) => develop::new::run(&args),
        CliCommand::Build(args) => develop::build::run(&args),
        CliCommand::Local(args) => develop::local::run(&args),
        CliCommand::Serve(args) => server::serve::run(&args),
        CliCommand::Login(args) => account::login::login(&args),
        CliCommand::Logout(args) => account::login::logout(&args),
        CliCommand::Whoami(args) => account::login::whoami(&args),
        CliCommand::Apps(args) => app::apps::run(&args),
        CliCommand::Deploy(args) => release::deploy::run(&args),
        CliCommand::Releases(args) => release::releases::run(&args),
        CliCommand::Rollback(args) => release::rollback::run(&args),
        CliCommand::Ps(args) => process::ps::run(&args),
        CliCommand::Run(args) => process::run::run(&args),
        CliCommand::Config(args) => app::config::run(&args),
        CliCommand::Logs(args) => app::logs::run(&args),
        CliCommand::Maintenance(args) => app::maintenance::run(&args),
        CliCommand::Domains(args) => app::domains::run(&args),
        CliCommand::Addons(args) => app::addons::run(&args),
        CliCommand::Usage(args) => app::usage::run(&args),
        CliCommand::Slugs(args) => server::slugs::run(&args),
        CliCommand::Slug(SlugCommand::Inspect { file, json }) => {
            develop::slug::inspect(&file, json)
        }
        CliCommand::Tokens(args) => account::tokens::run(&args),
        CliCommand::Status(args) => server::status::run(&args),
        CliCommand::Version(args) => version(args.json),
        CliCommand::Completions { shell } => completions(shell),
    }
}

fn version(as_json: bool) -> Result<()> {
    match as_json {
        true => terminal::print_json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "profile": env!("DYNO_BUILD_PROFILE"),
        })),
        false => terminal::print(&format!("dyno {}", crate::args::VERSION)),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "dyno", &mut script);
    terminal::print_bytes(&script)
}
