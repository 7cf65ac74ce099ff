//! Owns the judgement of imports that failed while building: an error, a warning, or nothing. Must not know how the imports
//! were tried.
//!
//! While building, an app has no config vars, so an import may fail that works in a dyno. Whether the app needs the import is
//! known only when the app is loaded, before a release counts as up. So the build fails only for native code that a loaded
//! file imports without a condition.

use std::collections::BTreeMap;

use super::facts::{ImportCertainty, SourceFacts};
use super::imports::{ImportPlace, ImportedName};
use super::packages::InstalledPackages;
use crate::build::toolbox::error::BuilderError;
use crate::manifest::error::BuildWarning;

/// Modules that are no longer part of Python's library, with the version that removed them (PEP 594, PEP 632 and others).
const REMOVED_MODULES: [(&str, &str); 25] = [
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
/// Modules of Python's library that are missing in a dyno, with the reason.
const MISSING_MODULES: [(&str, &str); 11] = [
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
const NO_TLS: &str = "`ssl` can be imported, but its own connections fail: a dyno's Python has no OpenSSL. https:// works \
                      with urllib, http.client, requests, urllib3 and httpx; connect without TLS elsewhere";
/// The native part of pydantic 2, which FastAPI needs. Advice for it is more exact than the general one.
const PYDANTIC_CORE: &str = "pydantic_core/";
/// Most warnings of one build: the first ones tell what is wrong.
const WARNINGS_MAX: usize = 20;

/// An import that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ImportFailure {
    imported: ImportedName,
    kind: FailureKind,
    /// The message of the error.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FailureKind {
    /// This file of native code is missing.
    Native(String),
    /// A module or a name is missing.
    Absent,
    /// The module was found, and its import failed.
    Other,
}

impl ImportFailure {
    /// Parses a line of the file that the shim writes: module, name, kind, file and message, separated by tabs.
    fn parse(line: &str) -> Option<Self> {
        let [module, name, kind, file, text] = line.splitn(5, '\t').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self {
            imported: (module.to_owned(), name.to_owned()),
            kind: match kind {
                "native" => FailureKind::Native(file.to_owned()),
                "absent" => FailureKind::Absent,
                _ => FailureKind::Other,
            },
            text: text.to_owned(),
        })
    }
}

/// Judges the failures, and the imports of packages that are not installed. `listed` is the file that lists the packages.
pub(super) fn judge_failures(
    failures: &str,
    imports: &BTreeMap<ImportedName, ImportPlace>,
    (facts, packages): (&SourceFacts, &InstalledPackages),
    listed: &str,
) -> Result<Vec<BuildWarning>, BuilderError> {
    let mut warnings = Vec::new();
    for failure in failures.lines().filter_map(ImportFailure::parse) {
        let Some(place) = imports.get(&failure.imported) else {
            continue;
        };
        match (&failure.kind, place.certainty) {
            (FailureKind::Native(file), Some(ImportCertainty::Always)) => {
                return Err(refuse_native(&failure.imported, file, &failure.text, place));
            }
            (FailureKind::Native(file), Some(ImportCertainty::Maybe | ImportCertainty::Later)) => {
                warnings.push(warning_at(place, describe_native(&failure.imported, file)));
            }
            (FailureKind::Absent, Some(ImportCertainty::Always | ImportCertainty::Later)) => {
                let text = format!("this import fails while building: {}", failure.text);
                warnings.push(warning_at(place, text));
            }
            _ => {}
        }
    }
    for (wanted, place) in imports {
        if place.certainty == Some(ImportCertainty::Always) && !packages.has(&wanted.0) {
            if let Some(file) = packages.native_module(&wanted.0) {
                return Err(refuse_native(wanted, &file, "", place));
            }
            warnings.extend(warn_not_installed(wanted, place, facts, listed));
        }
    }
    warnings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    warnings.dedup();
    warnings.truncate(WARNINGS_MAX);
    Ok(warnings)
}

fn warning_at(place: &ImportPlace, text: String) -> BuildWarning {
    BuildWarning {
        file: place.file.clone(),
        line: Some(place.line),
        text,
    }
}

/// The first part of a module's dotted name.
fn top_name(module: &str) -> &str {
    module.split('.').next().unwrap_or_default()
}

fn describe_native((module, _): &ImportedName, file: &str) -> String {
    let package = top_name(file.split('/').next().unwrap_or_default());
    let top = top_name(module);
    let through = match package == top {
        true => String::new(),
        false => format!(" (which `{top}` imports)"),
    };
    format!("{package}{through} is native code ({file}), but a dyno runs WebAssembly")
}

fn refuse_native(
    wanted: &ImportedName,
    file: &str,
    error: &str,
    place: &ImportPlace,
) -> BuilderError {
    if file.starts_with(PYDANTIC_CORE) {
        return BuilderError::Refused(format!(
            "{}:{}: `{}` needs pydantic 2, whose core is native code ({file}), but a dyno runs WebAssembly: ask for FastAPI \
             before 0.119 with pydantic 1, which works (`fastapi<0.119` and `pydantic<2`), or use Starlette or Quart",
            place.file,
            place.line,
            top_name(&wanted.0)
        ));
    }
    let error = match error.is_empty() {
        true => String::new(),
        false => format!(" ({error})"),
    };
    BuilderError::Refused(format!(
        "{}:{}: {}: this package does not work here, unless it has a version in plain Python. Use another package, or let \
         a service outside of the app do this work. An app that works without the package has to catch the ImportError.{error}",
        place.file,
        place.line,
        describe_native(wanted, file)
    ))
}

/// Warns of a module that nothing provides. Whether the app works without the module is known only when it is loaded.
fn warn_not_installed(
    (module, _): &ImportedName,
    place: &ImportPlace,
    facts: &SourceFacts,
    listed: &str,
) -> Option<BuildWarning> {
    let top = top_name(module);
    if let Some((_, version)) = REMOVED_MODULES.iter().find(|(name, _)| *name == top) {
        let text = format!(
            "`{top}` was removed from Python's library in {version}, and a dyno has Python 3.14"
        );
        return Some(warning_at(place, text));
    }
    if facts.is_own(top) {
        return None;
    }
    if top == "ssl" {
        return Some(warning_at(place, NO_TLS.to_owned()));
    }
    if let Some((_, why)) = MISSING_MODULES.iter().find(|(name, _)| *name == top) {
        let text = format!("a dyno's Python has no `{top}`: {why}");
        return Some(warning_at(place, text));
    }
    if facts.is_library(top) {
        return None;
    }
    let text = format!("no package in {listed} has a module `{top}`: add the package that has it");
    Some(warning_at(place, text))
}

#[cfg(test)]
mod tests;
