//! The command line as typed. Checks form only; what a command means is its own business.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// Runs web apps as WebAssembly dynos.
#[derive(Debug, Parser)]
#[command(
    name = "dyno",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(after_help = "Start here:\n  dyno new hello && dyno local hello")]
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
    /// Look into slugs
    #[command(subcommand, after_help = "Example:\n  dyno slug inspect hello.slug")]
    Slug(Slug),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  dyno completions bash > ~/.local/share/bash-completion/completions/dyno"
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `dyno new`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno new shop --template rust")]
pub(crate) struct New {
    /// The app's name, and the folder to make
    #[arg(required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// Which template
    #[arg(short, long, default_value = "rust")]
    pub(crate) template: String,
    /// List the templates
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the list as JSON
    #[arg(long, requires = "list")]
    pub(crate) json: bool,
}

/// `dyno build`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno build examples/hello -o hello.slug")]
pub(crate) struct Build {
    /// The app's folder
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Where the slug goes [default: NAME.slug in the app's folder]
    #[arg(short, long, value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dyno local`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno local examples/hello\n  dyno local shop web=4 -p 8000 --watch\n  dyno local app.wasm"
)]
pub(crate) struct Local {
    /// The app's folder, a slug, or a component; and how many dynos of each type
    #[arg(value_name = "DIR|FILE.slug|FILE.wasm|web=2,…", value_hint = ValueHint::AnyPath, num_args = 0..=2)]
    pub(crate) what: Vec<String>,
    /// The port to listen on, on this machine only; 0 takes a free one
    #[arg(short, long, default_value_t = 5000)]
    pub(crate) port: u16,
    /// The file with environment variables [default: .env in the app's folder, if there is one]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env: Option<PathBuf>,
    /// Another Procfile
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) procfile: Option<PathBuf>,
    /// Build and swap whenever a file changes, without dropping a request
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// `dyno slug`
#[derive(Debug, Subcommand)]
pub(crate) enum Slug {
    /// Check a slug in full and show what is in it
    #[command(after_help = "Example:\n  dyno slug inspect hello.slug --json")]
    Inspect {
        /// The slug's file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

/// How `dyno` calls itself to compile a component to native code, in a process with limits: no command for people,
/// so it is in no help and no completion.
pub(crate) const COMPILE: &str = "__compile";

/// The arguments after [`COMPILE`], if that is what it is called for: flavor, input, output.
pub(crate) fn compile(args: &[OsString]) -> Option<(&str, &Path, &Path)> {
    match args {
        [_, command, flavor, input, output] if command == COMPILE => {
            Some((flavor.to_str()?, Path::new(input), Path::new(output)))
        }
        _ => None,
    }
}

/// Groups of commands, which some people write with a colon: `dyno slug:inspect`.
const GROUPS: [&str; 2] = ["slug", "local"];

/// Splits `group:command` in two words.
pub(crate) fn with_colons(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let split = args.get(1).and_then(|arg| arg.to_str()?.split_once(':'));
    if let Some((group, command)) = split.filter(|(group, _)| GROUPS.contains(group)) {
        let words = [OsString::from(group), OsString::from(command)];
        args.splice(1..2, words);
    }
    args
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_colon_does_for_a_space() {
        let words = |text: &str| with_colons(text.split(' ').map(OsString::from));
        assert_eq!(words("dyno slug:inspect a.slug").len(), 4);
        assert_eq!(words("dyno build c:d").len(), 3);
    }
}
