//! The commands that work on this machine alone: `new`, `build`, `local`, `slug`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};
use node::EgressOpening;

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
    after_help = "Examples:\n  dyno local examples/hello\n  dyno local shop web=4 -p 8000 --watch\n  dyno local app.wasm\n  dyno local run -- migrate",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Local {
    #[command(subcommand)]
    pub(crate) command: Option<LocalCommand>,
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
    /// Let apps connect to addresses that are neither public nor loopback; may be repeated
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub(crate) egress_allow: Vec<EgressOpening>,
    /// Build and swap whenever a file changes, without dropping a request
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// What to do on this machine, if not to run the whole app.
#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Run something once on this machine
    Run(LocalRun),
}

/// `dyno local run`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno local run -- migrate --dry-run\n  dyno local run --dir data::/data -- tool.wasm /data/in.csv"
)]
pub(crate) struct LocalRun {
    /// The file with environment variables [default: .env in the app's folder, if there is one]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env_file: Option<PathBuf>,
    /// A variable over those of the file
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<String>,
    /// A folder of this machine, and where the program finds it; it may read and write there
    #[arg(long, value_name = "HOST[::GUEST]", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Vec<String>,
    /// Let it connect to addresses that are neither public nor loopback; may be repeated
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub(crate) egress_allow: Vec<EgressOpening>,
    /// A component or core module, or a process type or a command of the app in this folder (`python script.py`); then
    /// arguments
    ///
    /// Output, errors and exit code are the program's own.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FILE.wasm|PROCESS"
    )]
    pub(crate) command: Vec<String>,
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
