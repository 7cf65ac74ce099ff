//! The commands that ask a server about one app.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueHint};
use grid::name::{AppName, DynoId, Hostname, Version};

use super::server::ServerOptions;
use super::words::{AppSetting, DynoSelector, LogOrigin, OnOff, ScaleChange};

/// Which app, on which server.
#[derive(Debug, ClapArgs)]
pub(crate) struct AppOptions {
    /// The app [default: $DYNO_APP, else the name in dyno.toml, else the folder's]
    #[arg(short, long, global = true)]
    pub(crate) app: Option<AppName>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// `dyno apps`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno apps\n  dyno apps create shop\n  dyno apps info shop\n  dyno apps set timeout=60s idle-after=off"
)]
pub(crate) struct AppsArgs {
    #[command(flatten)]
    pub(crate) on: AppOptions,
    #[command(subcommand)]
    pub(crate) command: Option<AppsCommand>,
}

/// What to do with apps, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum AppsCommand {
    /// Create an app
    #[command(after_help = "Example:\n  dyno apps create shop")]
    Create {
        /// Its name [default: as with -a]
        name: Option<AppName>,
    },
    /// Show an app
    #[command(after_help = "Examples:\n  dyno apps info shop\n  dyno info")]
    Info {
        /// Its name [default: as with -a]
        name: Option<AppName>,
    },
    /// Change an app's settings
    #[command(
        after_help = "Examples:\n  dyno apps set timeout=60s\n  dyno apps set idle-after=off -a shop\n  dyno apps set timeout=default idle-after=default"
    )]
    Set {
        /// timeout=TIME|default, idle-after=TIME|off|default
        #[arg(required = true, value_name = "NAME=VALUE")]
        settings: Vec<AppSetting>,
    },
    /// Stop an app and remove it with all its releases and config vars
    #[command(after_help = "Example:\n  dyno apps destroy shop --confirm shop")]
    Destroy {
        /// Its name [default: that of --confirm]
        name: Option<AppName>,
        /// The app's name, once more
        #[arg(long, value_name = "NAME")]
        confirm: Option<AppName>,
    },
    /// Open an app in the browser
    #[command(after_help = "Examples:\n  dyno apps open shop\n  dyno open")]
    Open {
        /// Its name [default: as with -a]
        name: Option<AppName>,
    },
}

/// `dyno deploy`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno deploy\n  dyno deploy examples/hello -a shop -m \"New start page\"\n  dyno deploy shop.slug --plan"
)]
pub(crate) struct DeployArgs {
    /// The app's folder, a slug, or a component
    #[arg(value_name = "DIR|FILE.slug|FILE.wasm", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(crate) what: PathBuf,
    /// What is new in it
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) on: AppOptions,
}

/// `dyno releases`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno releases\n  dyno releases info v3")]
pub(crate) struct ReleasesArgs {
    #[command(flatten)]
    pub(crate) on: AppOptions,
    #[command(subcommand)]
    pub(crate) command: Option<ReleasesCommand>,
}

/// What to do with releases, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum ReleasesCommand {
    /// Show one release
    #[command(after_help = "Example:\n  dyno releases info v3")]
    Info {
        /// Which
        #[arg(value_name = "vN")]
        version: Version,
    },
}

/// `dyno rollback`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno rollback\n  dyno rollback v3\n  dyno rollback v3 --plan")]
pub(crate) struct RollbackArgs {
    /// The release to go back to [default: the one that served before]
    #[arg(value_name = "vN")]
    pub(crate) version: Option<Version>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) on: AppOptions,
}

/// `dyno ps`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno ps\n  dyno ps scale web=4\n  dyno ps restart web.1")]
pub(crate) struct PsArgs {
    #[command(flatten)]
    pub(crate) on: AppOptions,
    #[command(subcommand)]
    pub(crate) command: Option<PsCommand>,
}

/// What to do with dynos, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum PsCommand {
    /// Change how many dynos run, and their size; show it if nothing is to change
    #[command(
        after_help = "Examples:\n  dyno ps scale web=4\n  dyno ps scale web+1 worker-1\n  dyno ps scale web=2:256MiB"
    )]
    Scale {
        /// TYPE=N, TYPE+N or TYPE-N, and :MEMORY if that is to change
        #[arg(value_name = "TYPE=N[:MEMORY]", allow_hyphen_values = false)]
        changes: Vec<ScaleChange>,
    },
    /// Replace dynos by fresh ones, without dropping a request
    #[command(after_help = "Examples:\n  dyno ps restart\n  dyno ps restart web.1")]
    Restart {
        /// Which one [default: all of them]
        dyno: Option<DynoId>,
    },
    /// Stop a dyno, until it is restarted, scaled or deployed anew
    #[command(after_help = "Example:\n  dyno ps stop web.1")]
    Stop {
        /// Which one
        dyno: DynoId,
    },
}

/// `dyno run`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno run migrate -a shop\n  dyno run -- migrate --dry-run\n  dyno run -- python manage.py createsuperuser --no-input\n  dyno run bin/import.wasm < data.csv\n  dyno run -d -a shop -- report\n\nFlags of dyno's are read until --, wherever they stand; all that follows is the command's."
)]
pub(crate) struct RunArgs {
    /// Leave it to itself: its output goes to the app's log
    #[arg(short, long)]
    pub(crate) detached: bool,
    /// A variable over the app's config vars
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<String>,
    /// Its memory [default: its process type's]
    #[arg(long, value_name = "MEMORY")]
    pub(crate) size: Option<String>,
    /// A process type of the app, a command of its language (`python manage.py migrate`), or a component's path in its
    /// slug; then arguments
    ///
    /// Output, errors and exit code are the program's own. It reads this command's input line by line from a terminal,
    /// which it does not get to see itself: there are no keys, colours or window sizes for it. Ctrl-C, and a lost
    /// connection, end it.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) command: Vec<String>,
    #[command(flatten)]
    pub(crate) on: AppOptions,
}

/// `dyno config`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno config\n  dyno config set GREETING=hello DEBUG=1\n  dyno config --shell > .env"
)]
pub(crate) struct ConfigArgs {
    /// Print it as a shell reads it
    #[arg(long, conflicts_with = "json")]
    pub(crate) shell: bool,
    #[command(flatten)]
    pub(crate) on: AppOptions,
    #[command(subcommand)]
    pub(crate) command: Option<ConfigCommand>,
}

/// What to do with config vars, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Set config vars, which makes a release
    #[command(
        after_help = "Examples:\n  dyno config set GREETING=hello\n  dyno config set KEY=\"$(cat key.pem)\" -a shop"
    )]
    Set {
        /// What to set
        #[arg(required = true, value_name = "K=V")]
        vars: Vec<String>,
    },
    /// Remove config vars, which makes a release
    #[command(after_help = "Example:\n  dyno config unset GREETING DEBUG")]
    Unset {
        /// Which
        #[arg(required = true, value_name = "K")]
        names: Vec<String>,
    },
    /// Print the value of one config var
    #[command(after_help = "Example:\n  dyno config get GREETING")]
    Get {
        /// Which
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
    /// Go on as lines come
    #[arg(short, long)]
    pub(crate) tail: bool,
    /// How many of the last lines
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1_500))]
    pub(crate) num: u32,
    /// Only lines of this dyno, or of this process type
    #[arg(short, long, visible_aliases = ["ps", "process-type", "dyno-name"], value_name = "DYNO|TYPE")]
    pub(crate) dyno: Option<DynoSelector>,
    /// Only what the app said, or only what the platform said
    #[arg(short, long)]
    pub(crate) source: Option<LogOrigin>,
    #[command(flatten)]
    pub(crate) on: AppOptions,
}

/// `dyno maintenance`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno maintenance on\n  dyno maintenance off -a shop")]
pub(crate) struct MaintenanceArgs {
    /// Show which it is, if not given
    pub(crate) switch: Option<OnOff>,
    #[command(flatten)]
    pub(crate) on: AppOptions,
}

/// `dyno domains`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno domains\n  dyno domains add www.example.com\n  dyno domains rm www.example.com"
)]
pub(crate) struct DomainsArgs {
    #[command(flatten)]
    pub(crate) on: AppOptions,
    #[command(subcommand)]
    pub(crate) command: Option<DomainsCommand>,
}

/// What to do with host names, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum DomainsCommand {
    /// Have the app answer at a host name
    #[command(after_help = "Example:\n  dyno domains add www.example.com")]
    Add {
        /// The host name
        hostname: Hostname,
    },
    /// Have the app no longer answer at a host name
    #[command(
        alias = "remove",
        after_help = "Example:\n  dyno domains rm www.example.com"
    )]
    Rm {
        /// The host name
        hostname: Hostname,
    },
}

/// `dyno usage`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  dyno usage\n  dyno usage -a shop --since 2026-11-01")]
pub(crate) struct UsageArgs {
    /// From this day or moment on [default: this month]
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    /// Only this app [default: all apps]
    #[arg(short, long)]
    pub(crate) app: Option<AppName>,
    #[command(flatten)]
    pub(crate) on: ServerOptions,
}
