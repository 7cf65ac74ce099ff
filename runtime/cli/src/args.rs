//! The command line as typed. Checks form only; what a command means is its own business.
//!
//! `local` has what works on this machine alone, `apps` what is asked of a server about one app, `addons` the same about its services,
//! `server` what concerns a server as a whole, `words` the words that are more than text. Before the parser, `habits`
//! translates other people's words and `hoist` finds the flags of `dyno run`; after it, `usage` corrects what it says.

mod addons;
mod apps;
mod habits;
mod hoist;
mod local;
mod server;
mod usage;
mod words;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use addons::{Addons, AddonsCommand};
pub(crate) use apps::{
    Apps, AppsCommand, Config, ConfigCommand, Deploy, Domains, DomainsCommand, Logs, Maintenance,
    OnApp, Ps, PsCommand, Releases, ReleasesCommand, Rollback, Run, Usage,
};
pub(crate) use local::{Build, Local, LocalCommand, LocalRun, New, Slug};
pub(crate) use server::{
    Login, Logout, OnServer, Role, Serve, Slugs, Status, Tokens, TokensCommand, Version, Whoami,
};
pub(crate) use usage::describe_wrong_usage;
pub(crate) use words::{Amount, Assignment, Scale, Setting, Switch, parse_env_flags};

/// Builds web apps, runs them as WebAssembly dynos, and deploys them to a server.
#[derive(Debug, Parser)]
#[command(name = "dyno", version, max_term_width = 100)]
#[command(
    after_help = "Start here:\n  dyno new hello && dyno local hello\n\nShort for apps and ps: open, info, create, destroy, scale, restart, stop."
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new app that builds and runs
    New(New),
    /// Build an app into a slug
    Build(Build),
    /// Run an app on this machine
    Local(Local),
    /// Run a server: router, API and dynos
    Serve(Serve),
    /// Log in to a server
    Login(Login),
    /// Forget a server's token
    Logout(Logout),
    /// Show who the server takes you for
    Whoami(Whoami),
    /// List, create, set, open and destroy apps
    Apps(Apps),
    /// Build an app, and have the server run it
    Deploy(Deploy),
    /// Show what was deployed, and what became of it
    Releases(Releases),
    /// Go back to an earlier release
    Rollback(Rollback),
    /// Show dynos; scale, restart and stop them
    Ps(Ps),
    /// Run something once on a dyno of its own
    Run(Run),
    /// Show and change an app's config vars
    Config(Config),
    /// Show an app's log
    Logs(Logs),
    /// Answer every request with a maintenance page, or no longer
    Maintenance(Maintenance),
    /// Show and change an app's host names
    Domains(Domains),
    /// Show, create, share and destroy an app's databases and caches
    Addons(Addons),
    /// Show dyno-hours and what they cost
    Usage(Usage),
    /// List the slugs that a server has
    Slugs(Slugs),
    /// Look into slugs
    #[command(subcommand, after_help = "Example:\n  dyno slug inspect hello.slug")]
    Slug(Slug),
    /// Show, create and revoke the tokens that a server takes
    Tokens(Tokens),
    /// Show whether the server is up, who you are there, and how its apps are
    Status(Status),
    /// Print the version of this program
    Version(Version),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  dyno completions bash > ~/.local/share/bash-completion/completions/dyno"
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

impl Command {
    /// Whether stderr has lines of tools for people, so that an error stands below them in words as well.
    pub(crate) fn has_progress(&self) -> bool {
        matches!(self, Command::Build(_) | Command::Deploy(_))
    }
}

/// Ends the program as for any wrong usage: the message, and exit code 2.
pub(crate) fn wrong_usage(message: &str) -> ! {
    let mut command = <Args as clap::CommandFactory>::command();
    let kind = clap::error::ErrorKind::ValueValidation;
    let error = command.error(kind, message);
    let words: Vec<OsString> = std::env::args_os().collect();
    if wants_json(&words) {
        crate::terminal::json_error(&describe_wrong_usage(&error));
        std::process::exit(error.exit_code())
    }
    error.exit()
}

/// Reads a command line, with other people's words for commands translated.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Args, clap::Error> {
    let mut root = <Args as clap::CommandFactory>::command();
    root.build();
    let words = hoist::hoist_flags(&root, habits::translate(words));
    Args::try_parse_from(&words).map_err(|mut error| {
        usage::correct_suggestions(&root, &words, &mut error);
        error
    })
}

/// Whether a command line asks for JSON: then errors are JSON as well.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    let own = words.iter().take_while(|word| *word != "--");
    own.skip(1).any(|word| word == "--json")
}

#[cfg(test)]
mod tests;
