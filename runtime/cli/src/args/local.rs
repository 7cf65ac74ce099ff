//! The commands that work on this machine alone: `new`, `build`, `local`, `slug`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};
use node::EgressOpening;

/// `dyno new`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno new shop --template rust")]
pub(crate) struct NewArgs {
    /// The app's name; its folder gets the same name
    #[arg(required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// The template; --list shows all
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
pub(crate) struct BuildArgs {
    /// The app's folder
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// The slug file to write [default: NAME.slug in the app's folder]
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
pub(crate) struct LocalArgs {
    #[command(subcommand)]
    pub(crate) command: Option<LocalCommand>,
    /// A folder with an app, a slug file or a component file; and how many dynos of each type
    #[arg(value_name = "DIR|FILE.slug|FILE.wasm|web=2,…", value_hint = ValueHint::AnyPath, num_args = 0..=2)]
    pub(crate) what: Vec<String>,
    /// The port, on this machine only; 0 takes a free port
    #[arg(short, long, default_value_t = 5000)]
    pub(crate) port: u16,
    /// A file with environment variables [default: .env in the app's folder, if it exists]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env: Option<PathBuf>,
    /// A file to use in place of the app's Procfile
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) procfile: Option<PathBuf>,
    /// Let the app connect to an address that is not public, such as 10.0.0.5:5432; may be repeated
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub(crate) egress_allow: Vec<EgressOpening>,
    /// Build and deploy again when a file changes, without losing a request
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// What to do on this machine, if not to run the whole app.
#[derive(Debug, Subcommand)]
pub(crate) enum LocalCommand {
    /// Run a command once on this machine
    Run(LocalRunArgs),
}

/// `dyno local run`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno local run -- migrate --dry-run\n  dyno local run --dir data::/data -- tool.wasm /data/in.csv"
)]
pub(crate) struct LocalRunArgs {
    /// A file with environment variables [default: .env in the app's folder, if it exists]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env_file: Option<PathBuf>,
    /// Set an environment variable, over those of the file; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<String>,
    /// Let the program read and write a folder, by the name GUEST; may be repeated
    #[arg(long, value_name = "HOST[::GUEST]", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Vec<String>,
    /// Let the program connect to an address that is not public, such as 10.0.0.5:5432; may be repeated
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub(crate) egress_allow: Vec<EgressOpening>,
    /// A component or core module; or a process type or command of the app in this folder (`python script.py`, `rake stats`);
    /// then its arguments
    ///
    /// Input, output, errors and exit code of this command are those of the program.
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
pub(crate) enum SlugCommand {
    /// Check a slug file completely, and show its content
    #[command(after_help = "Example:\n  dyno slug inspect hello.slug --json")]
    Inspect {
        /// The slug file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}
