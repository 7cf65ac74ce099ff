//! What the operator set: flags win over the file of `--config`, which wins over the defaults.
//!
//! Owns the file's form and the defaults. Must not know what a setting brings about.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::ApiHost;
use control::addons::AddonServers;
use dyno::EgressOpening;
use grid::name::Hostname;
use grid::plan::Policy;
use grid::usage::DynoPrices;
use router::{TrustedProxies, TrustedProxy};
use serde::Deserialize;

use super::services::Services;
use crate::args::{Price, Serve, Span};
use crate::dirs;

/// Where apps answer.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the API answers.
const API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// Under which apps have their names: browsers and most resolvers send all of `*.localhost` here.
const DOMAIN: &str = "localhost";
/// A handler dyno without requests gives its memory back after this.
const IDLE_AFTER: Duration = Duration::from_secs(30 * 60);
/// What running requests have to finish when the server is stopped.
const GRACE: Duration = Duration::from_secs(30);
/// Longest grace: whoever stops a server does not wait for ever.
const GRACE_MAX: Duration = Duration::from_secs(600);
/// Longer times than this are slips of the finger.
const SPAN_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Releases kept, at most; the flag has the same bound.
const RELEASES_KEPT_MAX: u32 = 1_000;
/// Openings, at most: each is looked at whenever an app connects.
const OPENINGS_MAX: usize = 256;
/// Trusted proxies, at most: each is looked at whenever a client connects.
const PROXIES_MAX: usize = 256;
/// The file, at most, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A server's settings, checked.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) data: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) api: SocketAddr,
    pub(super) domain: String,
    pub(super) policy: Policy,
    pub(super) prices: DynoPrices,
    pub(super) grace: Duration,
    /// What apps may reach beside public addresses.
    pub(super) egress_allow: Vec<EgressOpening>,
    /// Proxies whose forwarding headers are believed.
    pub(super) trust_proxy: TrustedProxies,
    pub(super) servers: AddonServers,
    /// Hosts at which the API answers, beside its own.
    pub(super) api_hosts: Vec<ApiHost>,
    /// Where the apps' logs are kept; none: in the data folder.
    pub(super) log_dir: Option<PathBuf>,
}

/// The file as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    api: Option<SocketAddr>,
    domain: Option<String>,
    keep_releases: Option<u32>,
    idle_after: Option<String>,
    cycle: Option<String>,
    price: Option<PriceText>,
    free_dynos: Option<u32>,
    grace: Option<String>,
    egress_allow: Option<Vec<String>>,
    api_domain: Option<Vec<String>>,
    log_dir: Option<PathBuf>,
    trust_proxy: Option<Vec<String>>,
    #[serde(default)]
    services: Services,
}

/// A price may stand with or without quotes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PriceText {
    Text(String),
    Number(f64),
    Whole(u64),
}

impl Settings {
    /// The settings of a command line.
    pub(super) fn of(args: &Serve) -> Result<Settings> {
        let mut raw = match &args.config {
            Some(path) => {
                let raw = read(path);
                let wrong = || format!("cannot use the settings in {}", path.display());
                let raw = raw.with_context(wrong)?;
                raw.services.warn_of_readers(path);
                raw
            }
            None => Raw::default(),
        };
        raw.services = raw
            .services
            .with_environment(|name| std::env::var_os(name))?;
        merge(args, raw)
    }
}

fn read(path: &Path) -> Result<Raw> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > FILE_BYTES_MAX {
        bail!("it has {bytes} bytes, and settings have {FILE_BYTES_MAX} at most");
    }
    let text = slugs::manifest::decode_text(std::fs::read(path)?);
    let text =
        text.map_err(|problem| anyhow::anyhow!("it is {problem}: save it as text in UTF-8"))?;
    parsed(&text)
}

/// What the parser says of a wrong line quotes it, and URLs of services are secrets: only its place is told, and what is
/// wrong with it.
fn parsed(text: &str) -> Result<Raw> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let message = error.message();
        let quotes = ["invalid type: ", "invalid value: ", "invalid length "];
        let expected = message.rsplit_once(", expected ");
        let message = match expected.filter(|_| quotes.iter().any(|q| message.starts_with(q))) {
            Some((_, what)) => format!("a value is not as it should be: expected {what}"),
            None => message.trim_end().to_owned(),
        };
        anyhow::anyhow!("line {line}: {message}")
    })
}

fn merge(args: &Serve, raw: Raw) -> Result<Settings> {
    let data = match args.data.clone().or(raw.data) {
        Some(data) => absolute(&data)?,
        None => dirs::data()?,
    };
    let log_dir = args.log_dir.clone().or(raw.log_dir);
    let file_span = |text: Option<String>, name| text.map(|text| span(&text, name)).transpose();
    let idle = args.idle_after.or(file_span(raw.idle_after, "idle-after")?);
    let cycle = args.cycle.or(file_span(raw.cycle, "cycle")?);
    let kept = args.keep_releases.or(raw.keep_releases);
    Ok(Settings {
        data,
        listen: args.listen.or(raw.listen).unwrap_or(LISTEN),
        api: args.api.or(raw.api).unwrap_or(API),
        domain: domain(args.domain.clone().or(raw.domain))?,
        policy: Policy {
            idle_after: time(idle.unwrap_or(Span::After(IDLE_AFTER)), "idle-after")?,
            cycle_after: time(cycle.unwrap_or(Span::Off), "cycle")?,
            releases_kept: releases_kept(kept)?,
        },
        prices: prices(args, raw.price, raw.free_dynos)?,
        grace: grace(args.grace, raw.grace.as_deref())?,
        egress_allow: egress(&args.egress_allow, raw.egress_allow.unwrap_or_default())?,
        trust_proxy: proxies(&args.trust_proxy, raw.trust_proxy.unwrap_or_default())?,
        servers: raw.services.servers()?,
        api_hosts: api_hosts(&args.api_domain, raw.api_domain.unwrap_or_default())?,
        log_dir: log_dir.as_deref().map(absolute).transpose()?,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot tell where {} is", path.display()))
}

/// Flags take the place of the file's.
fn api_hosts(flags: &[ApiHost], file: Vec<String>) -> Result<Vec<ApiHost>> {
    if !flags.is_empty() {
        return Ok(flags.to_vec());
    }
    let read = |text: &String| {
        let host = text.parse();
        host.map_err(|why| anyhow::anyhow!("api-domain has {text:?}: {why}"))
    };
    file.iter().map(read).collect()
}

fn span(text: &str, name: &str) -> Result<Span> {
    Span::from_str(text).map_err(|why| anyhow::anyhow!("{name} = {text:?}: {why}"))
}

fn time(span: Span, name: &str) -> Result<Option<Duration>> {
    match span {
        Span::Off => Ok(None),
        Span::After(time) if time.is_zero() => bail!("{name} must be longer than nothing, or off"),
        Span::After(time) if time > SPAN_MAX => bail!("{name} is more than a year: write off"),
        Span::After(time) => Ok(Some(time)),
    }
}

/// Every app's own host name is made of it, so it must be one itself.
fn domain(text: Option<String>) -> Result<String> {
    let text = text.unwrap_or_else(|| DOMAIN.to_owned());
    let sample: Result<Hostname, _> = format!("app.{text}").parse();
    sample.with_context(|| {
        format!("{text:?} is not a domain under which apps can have names: write example.com")
    })?;
    Ok(text.to_ascii_lowercase())
}

fn releases_kept(kept: Option<u32>) -> Result<usize> {
    match kept {
        None => Ok(Policy::default().releases_kept),
        Some(kept) if (1..=RELEASES_KEPT_MAX).contains(&kept) => Ok(kept as usize),
        Some(kept) => bail!("keep-releases is {kept}: write 1 to {RELEASES_KEPT_MAX}"),
    }
}

fn prices(args: &Serve, price: Option<PriceText>, free: Option<u32>) -> Result<DynoPrices> {
    let default = DynoPrices::default();
    let file = price.map(|price| match price {
        PriceText::Text(text) => text,
        PriceText::Number(number) => number.to_string(),
        PriceText::Whole(number) => number.to_string(),
    });
    let file = file.map(|text| {
        Price::from_str(&text).map_err(|why| anyhow::anyhow!("price = {text:?}: {why}"))
    });
    let price = args.price.or(file.transpose()?);
    Ok(DynoPrices {
        free_dynos: args.free_dynos.or(free).unwrap_or(default.free_dynos),
        micros_per_hour: price.map_or(default.micros_per_hour, |price| price.0),
    })
}

fn egress(flags: &[EgressOpening], file: Vec<String>) -> Result<Vec<EgressOpening>> {
    let read = |text: &String| {
        let opening = EgressOpening::from_str(text);
        opening.map_err(|why| anyhow::anyhow!("egress-allow has {text:?}: {why}"))
    };
    let file = file.iter().map(read).collect::<Result<Vec<_>>>()?;
    let all = if flags.is_empty() {
        file
    } else {
        flags.to_vec()
    };
    if all.len() > OPENINGS_MAX {
        bail!(
            "egress-allow has {} entries, and at most {OPENINGS_MAX}",
            all.len()
        );
    }
    Ok(all)
}

fn proxies(flags: &[TrustedProxy], file: Vec<String>) -> Result<TrustedProxies> {
    let read = |text: &String| {
        let proxy = TrustedProxy::from_str(text);
        proxy.map_err(|why| anyhow::anyhow!("trust-proxy has {text:?}: {why}"))
    };
    let file = file.iter().map(read).collect::<Result<Vec<_>>>()?;
    let all = if flags.is_empty() {
        file
    } else {
        flags.to_vec()
    };
    if all.len() > PROXIES_MAX {
        bail!(
            "trust-proxy has {} entries, and at most {PROXIES_MAX}",
            all.len()
        );
    }
    Ok(all.into())
}

fn grace(flag: Option<Duration>, file: Option<&str>) -> Result<Duration> {
    let file = file.map(|text| {
        humantime::parse_duration(text).with_context(|| format!("grace = {text:?}: write 30s"))
    });
    let grace = flag.or(file.transpose()?).unwrap_or(GRACE);
    if grace > GRACE_MAX {
        bail!(
            "grace is {}, and at most {}",
            humantime::format_duration(grace),
            humantime::format_duration(GRACE_MAX)
        );
    }
    Ok(grace)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn settings(words: &str, file: &str) -> Result<Settings> {
        let words = format!("dyno serve --data /data {words}");
        let words = words.split_whitespace();
        let Command::Serve(args) = Args::try_parse_from(words)?.command else {
            unreachable!("it says serve");
        };
        merge(&args, parsed(file)?)
    }

    #[test]
    fn a_wrong_line_is_named_and_not_told() {
        for (file, named) in [
            ("[services]\npostgresql = \"hunter2\"", "line 2"),
            ("[services.redis]\nurl = hunter2", "line 2"),
            ("[services.redis]\nurl = \"hunter2\" \"hunter2\"", "line 2"),
            ("[services.redis]\nurl = [\"hunter2\"]", "line 2: a value"),
            ("[services.redis]\nurl = \"hunter2\n", "line 2"),
            ("listen = \"hunter2\"", "line 1"),
        ] {
            let error = format!("{:#}", settings("", file).expect_err(file));
            assert!(error.contains(named), "{file}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn without_anything_it_serves_this_machine() {
        let settings = settings("", "").expect("settings");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.api.to_string(), "127.0.0.1:8081");
        assert_eq!(settings.domain, "localhost");
        assert_eq!(settings.policy.idle_after, Some(IDLE_AFTER));
        assert_eq!(settings.policy.cycle_after, None);
        assert_eq!(settings.prices, DynoPrices::default());
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = "listen = \"0.0.0.0:80\"\nidle-after = \"off\"\nprice = 0.5\nfree-dynos = 0\nkeep-releases = 3\n";
        let settings = settings("--listen 127.0.0.1:1234 --cycle 24h", file).expect("settings");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:1234");
        assert_eq!(settings.policy.idle_after, None);
        assert_eq!(
            settings.policy.cycle_after,
            Some(Duration::from_secs(86_400))
        );
        assert_eq!(settings.policy.releases_kept, 3);
        let prices = DynoPrices {
            free_dynos: 0,
            micros_per_hour: 500_000,
        };
        assert_eq!(settings.prices, prices);
    }

    #[test]
    fn openings_of_flags_take_the_place_of_the_files() {
        let file = "egress-allow = [\"10.0.0.0/8\", \"[fd00::5]:5432\"]\n";
        let texts = |words: &str| {
            let settings = settings(words, file).expect("settings");
            let texts = settings.egress_allow.iter().map(ToString::to_string);
            texts.collect::<Vec<_>>()
        };
        assert_eq!(texts(""), ["10.0.0.0/8", "[fd00::5]/128:5432"]);
        let flags = "--egress-allow 127.0.0.1:11211 --egress-allow 10.1.0.0/16";
        assert_eq!(texts(flags), ["127.0.0.1/32:11211", "10.1.0.0/16"]);
    }

    #[test]
    fn proxies_of_flags_take_the_place_of_the_files() {
        let file = "trust-proxy = [\"10.0.0.0/8\", \"fd00::5\"]\n";
        let of = |words: &str| settings(words, file).expect("settings").trust_proxy;
        let trusted = |texts: &[&str]| {
            let proxies = texts.iter().map(|text| text.parse().expect("a proxy"));
            TrustedProxies::from(proxies.collect::<Vec<TrustedProxy>>())
        };
        assert_eq!(of(""), trusted(&["10.0.0.0/8", "fd00::5/128"]));
        let flags = "--trust-proxy 127.0.0.1 --trust-proxy ::1";
        assert_eq!(of(flags), trusted(&["127.0.0.1/32", "::1/128"]));
        let none = settings("", "").expect("settings").trust_proxy;
        assert_eq!(none, TrustedProxies::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (file, named) in [
            ("lisen = \"0.0.0.0:80\"", "lisen"),
            ("idle-after = \"soon\"", "idle-after"),
            ("idle-after = \"0s\"", "idle-after"),
            ("keep-releases = 0", "keep-releases"),
            ("price = \"cheap\"", "price"),
            ("grace = \"2h\"", "grace"),
            (
                "egress-allow = [\"db:5432\"]",
                "egress-allow has \"db:5432\"",
            ),
            ("egress-allow = [\"10.0.0.5/8\"]", "write 10.0.0.0/8"),
            ("trust-proxy = [\"nginx\"]", "trust-proxy has \"nginx\""),
            ("trust-proxy = [\"10.0.0.5/8\"]", "write 10.0.0.0/8"),
            ("domain = \"not a domain\"", "not a domain"),
            ("api-domain = [\"http://x\"]", "api-domain has"),
        ] {
            let error = settings("", file).expect_err(file);
            assert!(format!("{error:#}").contains(named), "{file}: {error:#}");
        }
    }
}
