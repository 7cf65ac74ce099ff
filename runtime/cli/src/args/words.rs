//! Words of the command line that are more than text: checked when they are read, so that a wrong one is wrong usage.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result as AnyResult, bail};
use clap::ValueEnum;
use grid::name::{DynoId, ProcessType};

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// From now on
    On,
    /// No longer
    Off,
}

/// Whose lines of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// What the app wrote
    App,
    /// What the platform says: states, requests, releases
    Dyno,
}

impl Source {
    /// As the API writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Source::App => "app",
            Source::Dyno => "dyno",
        }
    }
}

/// A dyno such as `web.1`, or all of a process type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dynos(pub(crate) String);

impl FromStr for Dynos {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Dynos, &'static str> {
        if text.parse::<DynoId>().is_ok() || text.parse::<ProcessType>().is_ok() {
            return Ok(Dynos(text.to_owned()));
        }
        Err("write a dyno such as web.1, or a process type such as web")
    }
}

/// `K=V`
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::fmt::Debug for Assignment {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Assignment, &'static str> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        if !slugs::manifest::is_env_name(name) {
            return Err("a name is made of A-Z, a-z, 0-9 and _, and does not start with a digit");
        }
        Ok(Assignment {
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
            Ok(Assignment { name, value }) => drop(env.insert(name, value)),
            Err(why) => bail!("cannot take --env: {why}"),
        }
    }
    Ok(env)
}

/// How many dynos, said outright or by how many more or fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Exactly(u32),
    More(u32),
    Fewer(u32),
}

impl Amount {
    /// How many that makes of `now`.
    pub(crate) fn of(self, now: u32) -> u32 {
        match self {
            Amount::Exactly(count) => count,
            Amount::More(count) => now.saturating_add(count),
            Amount::Fewer(count) => now.saturating_sub(count),
        }
    }
}

/// `web=4`, `web+1`, `web-1`, each with `:256MiB` if the size is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) process: ProcessType,
    pub(crate) amount: Amount,
    pub(crate) memory: Option<String>,
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Scale, String> {
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
            "+" => Amount::More(count),
            "-" => Amount::Fewer(count),
            _ => Amount::Exactly(count),
        };
        let process: Result<ProcessType, _> = process.parse();
        Ok(Scale {
            process: process.map_err(|error| error.to_string())?,
            amount,
            memory,
        })
    }
}

/// A setting of an app; nothing means the server's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Timeout(Option<String>),
    IdleAfter(Option<String>),
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        let time = |value: &str| match humantime::parse_duration(value) {
            Ok(_) => Ok(Some(value.to_owned())),
            Err(_) => Err("write a time such as 30s or 30m, or default"),
        };
        match (name, value) {
            ("timeout", "default") => Ok(Setting::Timeout(None)),
            ("timeout", value) => Ok(Setting::Timeout(time(value)?)),
            ("idle-after", "default") => Ok(Setting::IdleAfter(None)),
            ("idle-after", "off") => Ok(Setting::IdleAfter(Some("off".into()))),
            ("idle-after", value) => Ok(Setting::IdleAfter(time(value)?)),
            _ => Err(format!(
                "there is no setting {name:?}: there are timeout and idle-after"
            )),
        }
    }
}
