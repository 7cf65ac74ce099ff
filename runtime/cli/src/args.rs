//! The command line as typed. Checks its form only; must not know what commands do.
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

pub(crate) use addons::{AddonsArgs, AddonsCommand};
pub(crate) use apps::{
    AppTarget, AppsArgs, AppsCommand, ConfigArgs, ConfigCommand, DeployArgs, DomainsArgs,
    DomainsCommand, LogsArgs, MaintenanceArgs, PsArgs, PsCommand, ReleasesArgs, ReleasesCommand,
    RollbackArgs, RunArgs, UsageArgs,
};
pub(crate) use local::{BuildArgs, LocalArgs, LocalCommand, LocalRunArgs, NewArgs, SlugCommand};
pub(crate) use server::{
    LoginArgs, LogoutArgs, ServeArgs, ServerTarget, SlugsArgs, StatusArgs, TokenRole, TokensArgs,
    TokensCommand, VersionArgs, WhoamiArgs,
};
pub(crate) use usage::describe_wrong_usage;
pub(crate) use words::{
    AppSetting, EnvAssignment, OnOff, ScaleAmount, ScaleChange, parse_env_flags,
};

/// The version of the program and the cargo profile that built it, such as `0.1.0 (dist)`. Only `dist` is optimised in
/// full: whoever compares speeds has to know.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("DYNO_BUILD_PROFILE"),
    ")"
);

/// Builds web apps, runs them as WebAssembly dynos, and deploys them to a server.
#[derive(Debug, Parser)]
#[command(name = "dyno", version = VERSION, max_term_width = 100)]
#[command(
    after_help = "Start here:\n  dyno new hello && dyno local hello\n\nShort forms: open, info, create and destroy stand for `dyno apps …`; scale, restart and stop for `dyno ps …`."
)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Create a new app from a template
    New(NewArgs),
    /// Build an app into a slug
    Build(BuildArgs),
    /// Run an app on this machine
    Local(LocalArgs),
    /// Run a server: router, API and dynos
    Serve(ServeArgs),
    /// Log in to a server
    Login(LoginArgs),
    /// Log out of a server: forget its token
    Logout(LogoutArgs),
    /// Show which token you use, and what it may do
    Whoami(WhoamiArgs),
    /// List, create, change, open and destroy apps
    Apps(AppsArgs),
    /// Build an app and deploy it to a server
    Deploy(DeployArgs),
    /// Show the releases of an app
    Releases(ReleasesArgs),
    /// Go back to an earlier release
    Rollback(RollbackArgs),
    /// List, scale, restart and stop dynos
    Ps(PsArgs),
    /// Run a command once, on a new dyno
    Run(RunArgs),
    /// Show and change an app's config vars
    Config(ConfigArgs),
    /// Show an app's log
    Logs(LogsArgs),
    /// Turn the maintenance page on or off
    Maintenance(MaintenanceArgs),
    /// List, add and remove the hostnames of an app
    Domains(DomainsArgs),
    /// List, create, share and destroy databases and caches
    Addons(AddonsArgs),
    /// Show dyno-hours and their price
    Usage(UsageArgs),
    /// List the slugs on a server
    Slugs(SlugsArgs),
    /// Check a slug file and show its content
    #[command(subcommand, after_help = "Example:\n  dyno slug inspect hello.slug")]
    Slug(SlugCommand),
    /// List, create and revoke access tokens
    Tokens(TokensArgs),
    /// Show the state of the server and of its apps
    Status(StatusArgs),
    /// Print the version of this program
    Version(VersionArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  dyno completions bash > ~/.local/share/bash-completion/completions/dyno"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl CliCommand {
    /// Whether the command prints the output of build tools: then an error is printed as text too, below that output.
    pub(crate) fn has_progress(&self) -> bool {
        matches!(self, CliCommand::Build(_) | CliCommand::Deploy(_))
    }
}

/// Ends the program as for any wrong usage: the message, and exit code 2.
pub(crate) fn wrong_usage(message: &str) -> ! {
    let mut command = <Args as clap::CommandFactory>::command();
    let kind = clap::error::ErrorKind::ValueValidation;
    let error = command.error(kind, message);
    let words: Vec<OsString> = std::env::args_os().collect();
    if wants_json(&words) {
        crate::terminal::print_json_error(&describe_wrong_usage(&error));
        std::process::exit(error.exit_code())
    }
    error.exit()
}

/// Parses a command line. Commands of similar tools are translated first.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Args, clap::Error> {
    let mut root = <Args as clap::CommandFactory>::command();
    root.build();
    let words = hoist::hoist_flags(&root, habits::translate(words));
    Args::try_parse_from(&words).map_err(|mut error| {
        usage::correct_suggestions(&root, &words, &mut error);
        error
    })
}

/// Whether a command line asks for JSON. Then errors are JSON too.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    let own = words.iter().take_while(|word| *word != "--");
    own.skip(1).any(|word| word == "--json")
}

#[cfg(test)]
mod tests;
