//! The commands about a server as a whole: being one, logging in, tokens, slugs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use api::ApiHost;
use clap::{Args as ClapArgs, Subcommand, ValueEnum, ValueHint};
use grid::name::AppName;
use node::{EgressOpening, HourlyPrice, ServerSettings, TimeOrOff, TrustedProxy};

/// Which server, and how to print what it says.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServerTarget {
    /// The URL of the server's API [default: $DYNO_SERVER, else the last login]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,
    /// Print the API's answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// `dyno serve`: flags win over the file of `--config`, which wins over the defaults.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno serve\n  dyno serve --listen 0.0.0.0:80 --domain example.com --data /var/lib/dyno\n  dyno serve --idle-after off --cycle 24h"
)]
pub(crate) struct ServeArgs {
    /// A TOML file with these settings; flags win over the file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The folder for the server's data [default: the XDG data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// The address at which apps answer [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// The address at which the API answers [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    pub(crate) api: Option<SocketAddr>,
    /// The domain of the apps: each answers at APP.DOMAIN [default: localhost]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// Another hostname of the API, such as that of a proxy in front of it; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) api_domain: Vec<ApiHost>,
    /// The folder for the apps' logs [default: logs in the data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) log_dir: Option<PathBuf>,
    /// How many releases of an app to keep for rollbacks [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) keep_releases: Option<u32>,
    /// Let a dyno sleep after this time without requests; an app may set its own time [default: 30m]
    #[arg(long, value_name = "TIME|off")]
    pub(crate) idle_after: Option<TimeOrOff>,
    /// Replace each dyno with a new one after this time [default: off]
    #[arg(long, value_name = "TIME|off")]
    pub(crate) cycle: Option<TimeOrOff>,
    /// Price of a dyno that is not free, in dollars an hour [default: 0.05]
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) price: Option<HourlyPrice>,
    /// How many dynos of an app are free [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) free_dynos: Option<u32>,
    /// Let apps connect to an address that is not public, such as 10.0.0.5:5432; may be repeated
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub(crate) egress_allow: Vec<EgressOpening>,
    /// Trust X-Forwarded-For, -Proto, -Port, -Host and Forwarded from this proxy; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub(crate) trust_proxy: Vec<TrustedProxy>,
    /// How long running requests may take to finish when the server stops [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) grace: Option<Duration>,
}

impl ServeArgs {
    /// The settings that the flags give.
    pub(crate) fn settings(&self) -> ServerSettings {
        ServerSettings {
            data_folder: self.data.clone(),
            listen: self.listen,
            api: self.api,
            domain: self.domain.clone(),
            releases_kept: self.keep_releases,
            idle_after: self.idle_after,
            cycle_after: self.cycle,
            price: self.price,
            free_dynos: self.free_dynos,
            drain_grace: self.grace,
            egress_allow: self.egress_allow.clone(),
            api_hosts: self.api_domain.clone(),
            log_folder: self.log_dir.clone(),
            trusted_proxies: self.trust_proxy.clone(),
            ..ServerSettings::default()
        }
    }
}

/// `dyno login`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno login http://127.0.0.1:8081\n  dyno login https://api.example.com < token.txt"
)]
pub(crate) struct LoginArgs {
    /// The URL of the server's API. The token is read from the terminal, or from stdin
    #[arg(value_hint = ValueHint::Url)]
    pub(crate) url: String,
    /// Print the API's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dyno logout`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno logout --server https://api.example.com")]
pub(crate) struct LogoutArgs {
    /// The URL of the server's API [default: $DYNO_SERVER, else the last login]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,
}

/// `dyno whoami`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno whoami")]
pub(crate) struct WhoamiArgs {
    #[command(flatten)]
    pub(crate) on: ServerTarget,
}

/// `dyno status`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno status --server https://api.example.com")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) on: ServerTarget,
}

/// `dyno version`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno version --json")]
pub(crate) struct VersionArgs {
    /// Print the version as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dyno slugs`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno slugs --json")]
pub(crate) struct SlugsArgs {
    #[command(flatten)]
    pub(crate) on: ServerTarget,
}

/// `dyno tokens`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno tokens\n  dyno tokens create --role deploy --app shop\n  dyno tokens revoke 3f9a"
)]
pub(crate) struct TokensArgs {
    #[command(flatten)]
    pub(crate) on: ServerTarget,
    #[command(subcommand)]
    pub(crate) command: Option<TokensCommand>,
}

/// What to do with tokens, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Create a token and print it; it is not shown again
    #[command(
        after_help = "Examples:\n  dyno tokens create --role deploy --app shop --name ci\n  dyno tokens create --role read | ssh ops dyno login https://api.example.com\n  sudo dyno tokens create --role admin --local --data /var/lib/dyno"
    )]
    Create {
        /// What the token may do
        #[arg(long)]
        role: TokenRole,
        /// The only app that the token is valid for [default: all apps]
        #[arg(short, long)]
        app: Option<AppName>,
        /// A name for the token, for lists and logs [default: the role]
        #[arg(long)]
        name: Option<String>,
        /// Create it on the server's own machine, without another token, as a user who can read the server's data
        #[arg(long)]
        local: bool,
        /// With --local: the folder of the server's data [default: the XDG data folder]
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "local")]
        data: Option<PathBuf>,
    },
    /// Make a token invalid
    #[command(after_help = "Example:\n  dyno tokens revoke 3f9a")]
    Revoke {
        /// The token's id, as `dyno tokens` shows it
        id: String,
    },
}

/// What a token may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TokenRole {
    /// Everything
    Admin,
    /// Everything about apps, except to destroy them
    Deploy,
    /// Read everything, except values of config vars
    Read,
}

impl TokenRole {
    /// As the API writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            TokenRole::Admin => "admin",
            TokenRole::Deploy => "deploy",
            TokenRole::Read => "read",
        }
    }
}
