//! The commands that ask a server about one app.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};
use grid::name::{AppName, DynoId, Hostname, Version};

use super::server::ServerTarget;
use super::words::{AppSetting, DynoOrType, LogOrigin, OnOff, ScaleChange};

/// Which app, on which server.
#[derive(Debug, ClapArgs)]
pub(crate) struct AppTarget {
    /// The app [default: $DYNO_APP, else the name in dyno.toml, else the folder's name]
    #[arg(short, long, global = true)]
    pub(crate) app: Option<AppName>,
    #[command(flatten)]
    pub(crate) server: ServerTarget,
}

/// `dyno apps`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno apps\n  dyno apps create shop\n  dyno apps info shop\n  dyno apps set timeout=60s idle-after=off"
)]
pub(crate) struct AppsArgs {
    #[command(flatten)]
    pub(crate) on: AppTarget,
    #[command(subcommand)]
    pub(crate) command: Option<AppsCommand>,
}

/// What to do with apps, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum AppsCommand {
    /// Create an app
    #[command(after_help = "Example:\n  dyno apps create shop")]
    Create {
        /// The app's name [default: as for --app]
        name: Option<AppName>,
    },
    /// Show an app's settings, address and dynos
    #[command(after_help = "Examples:\n  dyno apps info shop\n  dyno info")]
    Info {
        /// The app's name [default: as for --app]
        name: Option<AppName>,
    },
    /// Change an app's settings
    #[command(
        after_help = "Examples:\n  dyno apps set timeout=60s\n  dyno apps set idle-after=off -a shop\n  dyno apps set timeout=default idle-after=default"
    )]
    Set {
        /// timeout=TIME|default or idle-after=TIME|off|default
        #[arg(required = true, value_name = "NAME=VALUE")]
        settings: Vec<AppSetting>,
    },
    /// Stop an app and delete it, with all its releases and config vars
    #[command(after_help = "Example:\n  dyno apps destroy shop --confirm shop")]
    Destroy {
        /// The app's name [default: the name after --confirm]
        name: Option<AppName>,
        /// The app's name again, to confirm
        #[arg(long, value_name = "NAME")]
        confirm: Option<AppName>,
    },
    /// Open an app in the browser
    #[command(after_help = "Examples:\n  dyno apps open shop\n  dyno open")]
    Open {
        /// The app's name [default: as for --app]
        name: Option<AppName>,
    },
}

/// `dyno deploy`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno deploy\n  dyno deploy examples/hello -a shop -m \"New start page\"\n  dyno deploy shop.slug --plan"
)]
pub(crate) struct DeployArgs {
    /// A folder with an app, a slug file, or a component file
    #[arg(value_name = "DIR|FILE.slug|FILE.wasm", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) what: PathBuf,
    /// A description of the release
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Show what would change, and stop there
    #[arg(long)]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) on: AppTarget,
}

/// `dyno releases`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno releases\n  dyno releases info v3")]
pub(crate) struct ReleasesArgs {
    #[command(flatten)]
    pub(crate) on: AppTarget,
    #[command(subcommand)]
    pub(crate) command: Option<ReleasesCommand>,
}

/// What to do with releases, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum ReleasesCommand {
    /// Show one release
    #[command(after_help = "Example:\n  dyno releases info v3")]
    Info {
        /// The release, such as v3
        #[arg(value_name = "vN")]
        version: Version,
    },
}

/// `dyno rollback`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno rollback\n  dyno rollback v3\n  dyno rollback v3 --plan")]
pub(crate) struct RollbackArgs {
    /// The release to go back to [default: the release that served before]
    #[arg(value_name = "vN")]
    pub(crate) version: Option<Version>,
    /// Show what would change, and stop there
    #[arg(long)]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) on: AppTarget,
}

/// `dyno ps`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno ps\n  dyno ps scale web=4\n  dyno ps restart web.1")]
pub(crate) struct PsArgs {
    #[command(flatten)]
    pub(crate) on: AppTarget,
    #[command(subcommand)]
    pub(crate) command: Option<PsCommand>,
}

/// What to do with dynos, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum PsCommand {
    /// Set how many dynos run, and their memory; without arguments, show it
    #[command(
        after_help = "Examples:\n  dyno ps scale web=4\n  dyno ps scale web+1 worker-1\n  dyno ps scale web=2:256MiB"
    )]
    Scale {
        /// TYPE=N, TYPE+N or TYPE-N; add :MEMORY to change the memory of each dyno
        #[arg(value_name = "TYPE=N[:MEMORY]", allow_hyphen_values = false)]
        changes: Vec<ScaleChange>,
    },
    /// Replace dynos with new ones, without losing a request
    #[command(after_help = "Examples:\n  dyno ps restart\n  dyno ps restart web.1")]
    Restart {
        /// The dyno, such as web.1 [default: all dynos]
        dyno: Option<DynoId>,
    },
    /// Stop a dyno until the next restart, scaling or deploy
    #[command(after_help = "Example:\n  dyno ps stop web.1")]
    Stop {
        /// The dyno, such as web.1
        dyno: DynoId,
    },
}

/// `dyno run`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno run migrate -a shop\n  dyno run -- migrate --dry-run\n  dyno run -- python manage.py createsuperuser --no-input\n  dyno run bin/import.wasm < data.csv\n  dyno run -d -a shop -- report\n\nFlags before -- are for dyno. Everything after -- is for the command."
)]
pub(crate) struct RunArgs {
    /// Do not wait for the command; its output goes to the app's log
    #[arg(short, long)]
    pub(crate) detached: bool,
    /// Set an environment variable for this run; may be repeated
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<String>,
    /// Memory of the dyno, such as 256MiB [default: that of the process type]
    #[arg(long, value_name = "MEMORY")]
    pub(crate) size: Option<String>,
    /// A process type of the app, a command of its language (`python manage.py migrate`, `rake stats`), or the path of a
    /// component in its slug; then its arguments
    ///
    /// The program reads the input of this command, and its output, errors and exit code are those of this command. At a
    /// terminal, input is sent line by line; the program does not see single keys, colours or the window's size. Ctrl-C
    /// or a lost connection ends the program.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) on: AppTarget,
}

/// `dyno config`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno config\n  dyno config set GREETING=hello DEBUG=1\n  dyno config --shell > .env"
)]
pub(crate) struct ConfigArgs {
    /// Print NAME=VALUE lines for a shell or a .env file
    #[arg(long, conflicts_with = "json")]
    pub(crate) shell: bool,
    #[command(flatten)]
    pub(crate) on: AppTarget,
    #[command(subcommand)]
    pub(crate) command: Option<ConfigCommand>,
}

/// What to do with config vars, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Set config vars; this makes a release
    #[command(
        after_help = "Examples:\n  dyno config set GREETING=hello\n  dyno config set KEY=\"$(cat key.pem)\" -a shop"
    )]
    Set {
        /// The config vars to set
        #[arg(required = true, value_name = "K=V")]
        vars: Vec<String>,
    },
    /// Remove config vars; this makes a release
    #[command(after_help = "Example:\n  dyno config unset GREETING DEBUG")]
    Unset {
        /// The names of the config vars
        #[arg(required = true, value_name = "K")]
        names: Vec<String>,
    },
    /// Print the value of one config var
    #[command(after_help = "Example:\n  dyno config get GREETING")]
    Get {
        /// The name of the config var
        #[arg(value_name = "K")]
        name: String,
    },
}

/// `dyno logs`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno logs -t\n  dyno logs -n 500 --dyno web.1 --source app\n  dyno logs -t --json | jq .text"
)]
pub(crate) struct LogsArgs {
    /// Follow the log: show new lines as they come
    #[arg(short, long)]
    pub(crate) tail: bool,
    /// Number of lines to begin with
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1_500))]
    pub(crate) num: u32,
    /// Only lines of this dyno or process type
    #[arg(short, long, visible_aliases = ["ps", "process-type", "dyno-name"], value_name = "DYNO|TYPE")]
    pub(crate) dyno: Option<DynoOrType>,
    /// Only lines of the app, or only lines of the platform
    #[arg(short, long)]
    pub(crate) source: Option<LogOrigin>,
    #[command(flatten)]
    pub(crate) on: AppTarget,
}

/// `dyno maintenance`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno maintenance on\n  dyno maintenance off -a shop")]
pub(crate) struct MaintenanceArgs {
    /// The new state [default: show the current state]
    pub(crate) switch: Option<OnOff>,
    #[command(flatten)]
    pub(crate) on: AppTarget,
}

/// `dyno domains`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno domains\n  dyno domains add www.example.com\n  dyno domains rm www.example.com"
)]
pub(crate) struct DomainsArgs {
    #[command(flatten)]
    pub(crate) on: AppTarget,
    #[command(subcommand)]
    pub(crate) command: Option<DomainsCommand>,
}

/// What to do with hostnames, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum DomainsCommand {
    /// Add a hostname to an app
    #[command(after_help = "Example:\n  dyno domains add www.example.com")]
    Add {
        /// The hostname
        hostname: Hostname,
    },
    /// Remove a hostname from an app
    #[command(
        alias = "remove",
        after_help = "Example:\n  dyno domains rm www.example.com"
    )]
    Rm {
        /// The hostname
        hostname: Hostname,
    },
}

/// `dyno usage`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno usage\n  dyno usage -a shop --since 2026-11-01")]
pub(crate) struct UsageArgs {
    /// Start of the period: a date or a time [default: the first of this month]
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    /// Only this app [default: all apps]
    #[arg(short, long)]
    pub(crate) app: Option<AppName>,
    #[command(flatten)]
    pub(crate) on: ServerTarget,
}
