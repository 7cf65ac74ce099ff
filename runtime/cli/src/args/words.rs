//! Arguments with a form of their own, checked while the command line is parsed: a wrong one is wrong usage.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result as AnyResult, bail};
use clap::ValueEnum;
use grid::name::{DynoId, ProcessType};

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    /// Turn it on
    On,
    /// Turn it off
    Off,
}

/// Which lines of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogOrigin {
    /// Lines that the app wrote
    App,
    /// Lines of the platform: states, requests, releases
    Dyno,
}

impl LogOrigin {
    /// As the API writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LogOrigin::App => "app",
            LogOrigin::Dyno => "dyno",
        }
    }
}

/// A dyno such as `web.1`, or all of a process type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DynoOrType(pub(crate) String);

impl FromStr for DynoOrType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<DynoOrType, &'static str> {
        if text.parse::<DynoId>().is_ok() || text.parse::<ProcessType>().is_ok() {
            return Ok(DynoOrType(text.to_owned()));
        }
        Err("write a dyno such as web.1, or a process type such as web")
    }
}

/// `K=V`
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EnvAssignment {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::fmt::Debug for EnvAssignment {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl FromStr for EnvAssignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<EnvAssignment, &'static str> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        if !slugs::manifest::is_env_name(name) {
            return Err("a name is made of A-Z, a-z, 0-9 and _, and does not start with a digit");
        }
        Ok(EnvAssignment {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// The variables of `--env` flags. They are not checked while flags are parsed: the parser's errors quote a wrong value,
/// which may be a secret.
pub(crate) fn parse_env_flags(flags: &[String]) -> AnyResult<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for flag in flags {
        match flag.parse() {
            Ok(EnvAssignment { name, value }) => drop(env.insert(name, value)),
            Err(why) => bail!("cannot take --env: {why}"),
        }
    }
    Ok(env)
}

/// A number of dynos, absolute or relative to the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScaleAmount {
    Exactly(u32),
    More(u32),
    Fewer(u32),
}

impl ScaleAmount {
    /// The number that results from `now`.
    pub(crate) fn apply_to(self, now: u32) -> u32 {
        match self {
            ScaleAmount::Exactly(count) => count,
            ScaleAmount::More(count) => now.saturating_add(count),
            ScaleAmount::Fewer(count) => now.saturating_sub(count),
        }
    }
}

/// `web=4`, `web+1`, `web-1`, each with `:256MiB` if the size is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScaleChange {
    pub(crate) process: ProcessType,
    pub(crate) amount: ScaleAmount,
    pub(crate) memory: Option<String>,
}

impl FromStr for ScaleChange {
    type Err = String;

    fn from_str(text: &str) -> Result<ScaleChange, String> {
        let (rest, memory) = match text.split_once(':') {
            Some((_, "")) => return Err("write the memory as in web=2:256MiB".into()),
            Some((rest, memory)) => (rest, Some(memory.to_owned())),
            None => (text, None),
        };
        // A process type may have a `-` in it: the last sign counts.
        let at = rest.rfind(['=', '+', '-']);
        let at = at.ok_or("write how many as in web=4, web+1 or web-1")?;
        let (process, sign) = (&rest[..at], &rest[at..=at]);
        let count = rest[at + 1..].parse();
        let count = count.map_err(|_| "write how many as in web=4, web+1 or web-1")?;
        let amount = match sign {
            "+" => ScaleAmount::More(count),
            "-" => ScaleAmount::Fewer(count),
            _ => ScaleAmount::Exactly(count),
        };
        let process: Result<ProcessType, _> = process.parse();
        Ok(ScaleChange {
            process: process.map_err(|error| error.to_string())?,
            amount,
            memory,
        })
    }
}

/// A setting of an app. None stands for the server's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AppSetting {
    Timeout(Option<String>),
    IdleAfter(Option<String>),
}

impl FromStr for AppSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<AppSetting, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        let time = |value: &str| match humantime::parse_duration(value) {
            Ok(_) => Ok(Some(value.to_owned())),
            Err(_) => Err("write a time such as 30s or 30m, or default"),
        };
        match (name, value) {
            ("timeout", "default") => Ok(AppSetting::Timeout(None)),
            ("timeout", value) => Ok(AppSetting::Timeout(time(value)?)),
            ("idle-after", "default") => Ok(AppSetting::IdleAfter(None)),
            ("idle-after", "off") => Ok(AppSetting::IdleAfter(Some("off".into()))),
            ("idle-after", value) => Ok(AppSetting::IdleAfter(time(value)?)),
            _ => Err(format!(
                "there is no setting {name:?}: there are timeout and idle-after"
            )),
        }
    }
}
