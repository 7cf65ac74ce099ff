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
pub(crate) struct OnServer {
    /// The server's API [default: $DYNO_SERVER, else the last login]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,
    /// Print the API's JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// `dyno serve`: flags win over the file of `--config`, which wins over the defaults.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno serve\n  dyno serve --listen 0.0.0.0:80 --domain example.com --data /var/lib/dyno\n  dyno serve --idle-after off --cycle 24h"
)]
pub(crate) struct Serve {
    /// A file with these settings, in TOML
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Where the state is kept [default: the XDG data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// Where apps answer [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the API answers [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    pub(crate) api: Option<SocketAddr>,
    /// The domain under which every app has a name [default: localhost]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// A further host name at which the API answers, such as that of a proxy in front; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) api_domain: Vec<ApiHost>,
    /// Where the apps' logs are kept [default: logs in the data folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) log_dir: Option<PathBuf>,
    /// Releases of an app that can be rolled back to [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) keep_releases: Option<u32>,
    /// When a dyno without requests goes to sleep, unless its app says otherwise [default: 30m]
    #[arg(long, value_name = "TIME|off")]
    pub(crate) idle_after: Option<TimeOrOff>,
    /// When a dyno is replaced by a fresh one [default: off]
    #[arg(long, value_name = "TIME|off")]
    pub(crate) cycle: Option<TimeOrOff>,
    /// What a further dyno costs, in dollars an hour [default: 0.05]
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) price: Option<HourlyPrice>,
    /// Dynos of an app that cost nothing [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) free_dynos: Option<u32>,
    /// Let apps connect to addresses that are not public, such as 10.0.0.5:5432; may be repeated
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub(crate) egress_allow: Vec<EgressOpening>,
    /// Believe X-Forwarded-For, -Proto, -Port, -Host and Forwarded from this proxy; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub(crate) trust_proxy: Vec<TrustedProxy>,
    /// What running requests have to finish when the server is stopped [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) grace: Option<Duration>,
}

impl Serve {
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
pub(crate) struct Login {
    /// The server's API; the token is read from the terminal, or from stdin
    #[arg(value_hint = ValueHint::Url)]
    pub(crate) url: String,
    /// Print the API's JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dyno logout`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno logout --server https://api.example.com")]
pub(crate) struct Logout {
    /// The server to forget [default: $DYNO_SERVER, else the last login]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,
}

/// `dyno whoami`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno whoami")]
pub(crate) struct Whoami {
    #[command(flatten)]
    pub(crate) on: OnServer,
}

/// `dyno status`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno status --server https://api.example.com")]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) on: OnServer,
}

/// `dyno version`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno version --json")]
pub(crate) struct Version {
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dyno slugs`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  dyno slugs --json")]
pub(crate) struct Slugs {
    #[command(flatten)]
    pub(crate) on: OnServer,
}

/// `dyno tokens`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  dyno tokens\n  dyno tokens create --role deploy --app shop\n  dyno tokens revoke 3f9a"
)]
pub(crate) struct Tokens {
    #[command(flatten)]
    pub(crate) on: OnServer,
    #[command(subcommand)]
    pub(crate) command: Option<TokensCommand>,
}

/// What to do with tokens, if not to list them.
#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Create a token, and print it this once
    #[command(
        after_help = "Examples:\n  dyno tokens create --role deploy --app shop --name ci\n  dyno tokens create --role read | ssh ops dyno login https://api.example.com\n  sudo dyno tokens create --role admin --local --data /var/lib/dyno"
    )]
    Create {
        /// What it may do
        #[arg(long)]
        role: Role,
        /// The only app that it is good for [default: all apps]
        #[arg(short, long)]
        app: Option<AppName>,
        /// What it is for; shown in lists and logs [default: the role]
        #[arg(long)]
        name: Option<String>,
        /// On the server's own machine, without a token: for whoever may read the server's data
        #[arg(long)]
        local: bool,
        /// Where the server keeps its state, with --local [default: the XDG data folder]
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "local")]
        data: Option<PathBuf>,
    },
    /// Take a token back
    #[command(after_help = "Example:\n  dyno tokens revoke 3f9a")]
    Revoke {
        /// Its id, as `dyno tokens` shows it
        id: String,
    },
}

/// What a token may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Everything
    Admin,
    /// Everything about apps, except destroying them
    Deploy,
    /// Look, but not at config values
    Read,
}

impl Role {
    /// As the API writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Deploy => "deploy",
            Role::Read => "read",
        }
    }
}
