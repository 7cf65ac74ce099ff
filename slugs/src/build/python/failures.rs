//! Owns what becomes of imports that failed while building: an error, a warning, or nothing. Must not know how they were
//! tried.
//!
//! While building, an app has no config vars, so an import may fail that works in a dyno; and whether the app needs it is
//! only known when it is loaded, before a release counts as up. So the build fails for native code alone, and only where
//! a file that the app loads imports it without a condition.

use std::collections::BTreeMap;

use super::facts::{SourceFacts, When};
use super::imports::{ImportPlace, Wanted};
use super::packages::Packages;
use crate::build::BuildError;
use crate::manifest::Warning;

/// Modules that Python's library no longer has, with the version that left them out (PEP 594, PEP 632 and others).
const REMOVED: [(&str, &str); 25] = [
    ("aifc", "3.13"),
    ("asynchat", "3.12"),
    ("asyncore", "3.12"),
    ("audioop", "3.13"),
    ("cgi", "3.13"),
    ("cgitb", "3.13"),
    ("chunk", "3.13"),
    ("crypt", "3.13"),
    ("distutils", "3.12"),
    ("imghdr", "3.13"),
    ("imp", "3.12"),
    ("lib2to3", "3.13"),
    ("mailcap", "3.13"),
    ("msilib", "3.13"),
    ("nis", "3.13"),
    ("nntplib", "3.13"),
    ("ossaudiodev", "3.13"),
    ("pipes", "3.13"),
    ("smtpd", "3.12"),
    ("sndhdr", "3.13"),
    ("spwd", "3.13"),
    ("sunau", "3.13"),
    ("telnetlib", "3.13"),
    ("uu", "3.13"),
    ("xdrlib", "3.13"),
];
/// Modules of Python's library that a dyno's Python lacks, with the reason.
const LACKING: [(&str, &str); 11] = [
    ("bz2", "it is built without bzip2: use gzip or zlib"),
    ("ctypes", "WebAssembly has no shared libraries to load"),
    ("curses", "a dyno has no terminal"),
    ("fcntl", "a dyno's files have no locks"),
    ("lzma", "it is built without xz: use gzip or zlib"),
    ("mmap", "WebAssembly maps no files to memory"),
    ("readline", "a dyno has no terminal"),
    ("resource", "a dyno's limits are set from outside"),
    ("termios", "a dyno has no terminal"),
    ("tkinter", "a dyno has no screen"),
    ("turtle", "a dyno has no screen"),
];
const NO_TLS: &str = "`ssl` can be imported, and its connections fail: a dyno's Python has no OpenSSL, so no TLS and no \
                      https://; connect without it, or through a service in another language";
/// Warnings of one build, at most: the first ones tell what is wrong.
const WARNINGS_MAX: usize = 20;

/// An import that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    wanted: Wanted,
    kind: Kind,
    /// The error's own words.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// This file of native code is missing.
    Native(String),
    /// A module or a name is missing.
    Absent,
    /// The module was found, and its import failed.
    Other,
}

impl Failure {
    fn parse(line: &str) -> Option<Self> {
        let [module, name, kind, file, text] = line.splitn(5, '\t').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self {
            wanted: (module.to_owned(), name.to_owned()),
            kind: match kind {
                "native" => Kind::Native(file.to_owned()),
                "absent" => Kind::Absent,
                _ => Kind::Other,
            },
            text: text.to_owned(),
        })
    }
}

/// Judges the failures, and imports of what is not installed. `listed` is the file that lists the packages.
pub(super) fn judge(
    failures: &str,
    imports: &BTreeMap<Wanted, ImportPlace>,
    (facts, packages): (&SourceFacts, &Packages),
    listed: &str,
) -> Result<Vec<Warning>, BuildError> {
    let mut warnings = Vec::new();
    for failure in failures.lines().filter_map(Failure::parse) {
        let Some(place) = imports.get(&failure.wanted) else {
            continue;
        };
        match (&failure.kind, place.when) {
            (Kind::Native(file), Some(When::Always)) => {
                return Err(refuse_native(&failure.wanted, file, &failure.text, place));
            }
            (Kind::Native(file), Some(When::Maybe | When::Later)) => {
                warnings.push(warn(place, native_text(&failure.wanted, file)));
            }
            (Kind::Absent, Some(When::Always | When::Later)) => {
                let text = format!("this import fails while building: {}", failure.text);
                warnings.push(warn(place, text));
            }
            _ => {}
        }
    }
    for (wanted, place) in imports {
        if place.when == Some(When::Always) && !packages.has(&wanted.0) {
            if let Some(file) = packages.native_module(&wanted.0) {
                return Err(refuse_native(wanted, &file, "", place));
            }
            warnings.extend(not_installed(wanted, place, facts, listed));
        }
    }
    warnings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    warnings.dedup();
    warnings.truncate(WARNINGS_MAX);
    Ok(warnings)
}

fn warn(place: &ImportPlace, text: String) -> Warning {
    Warning {
        file: place.file.clone(),
        line: Some(place.line),
        text,
    }
}

fn top_of(module: &str) -> &str {
    module.split('.').next().unwrap_or_default()
}

fn native_text((module, _): &Wanted, file: &str) -> String {
    let package = top_of(file.split('/').next().unwrap_or_default());
    let top = top_of(module);
    let through = match package == top {
        true => String::new(),
        false => format!(" (which `{top}` imports)"),
    };
    format!("{package}{through} is made of native code ({file}), and a dyno runs WebAssembly")
}

fn refuse_native(wanted: &Wanted, file: &str, error: &str, place: &ImportPlace) -> BuildError {
    let error = match error.is_empty() {
        true => String::new(),
        false => format!(" ({error})"),
    };
    BuildError::Refused(format!(
        "{}:{}: {}: this package cannot work here, unless it has a version in plain Python. Choose another in its place, \
         or have a service of another kind do that work; an app that can do without it catches the ImportError.{error}",
        place.file,
        place.line,
        native_text(wanted, file)
    ))
}

/// A module that nothing provides. The app may still go on without it, which loading it tells.
fn not_installed(
    (module, _): &Wanted,
    place: &ImportPlace,
    facts: &SourceFacts,
    listed: &str,
) -> Option<Warning> {
    let top = top_of(module);
    if let Some((_, version)) = REMOVED.iter().find(|(name, _)| *name == top) {
        let text =
            format!("`{top}` is no part of Python's library since {version}, and a dyno has 3.14");
        return Some(warn(place, text));
    }
    if facts.is_own(top) {
        return None;
    }
    if top == "ssl" {
        return Some(warn(place, NO_TLS.to_owned()));
    }
    if let Some((_, why)) = LACKING.iter().find(|(name, _)| *name == top) {
        let text = format!("a dyno's Python has no `{top}`: {why}");
        return Some(warn(place, text));
    }
    if facts.is_library(top) {
        return None;
    }
    let text = format!("no package that {listed} asks for has `{top}`: add the one that does");
    Some(warn(place, text))
}

#[cfg(test)]
mod tests;
