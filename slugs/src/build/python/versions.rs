//! Owns what a project says of the Python that it wants, and the warning where a dyno's is another one. Must not know
//! how versions are installed.

use std::path::Path;

use super::requirements::read_text;
use crate::build::BuildError;
use crate::manifest::Warning;

/// The component's Python.
const VERSION: (u32, u32) = (3, 14);

/// Files that name one version, with what comes before it.
const FILES: [(&str, &str); 2] = [("runtime.txt", "python-"), (".python-version", "")];

/// Where the project asks for another Python.
pub(super) fn warnings(folder: &Path) -> Result<Vec<Warning>, BuildError> {
    let mut warnings = Vec::new();
    for (file, prefix) in FILES {
        let text = read_text(&folder.join(file))?.unwrap_or_default();
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        if let Some(asked) = lines.next() {
            warnings.extend(other(file, asked, asked.trim_start_matches(prefix)));
        }
    }
    for (file, table, key) in [
        ("pyproject.toml", "project", "requires-python"),
        ("Pipfile", "requires", "python_version"),
    ] {
        let text = read_text(&folder.join(file))?.unwrap_or_default();
        let table = toml::from_str::<toml::Table>(&text)
            .ok()
            .and_then(|parsed| {
                let asked = parsed.get(table)?.get(key)?.as_str()?;
                Some(asked.to_owned())
            });
        if let Some(asked) = table.filter(|asked| !allows(asked)) {
            warnings.push(warn(file, &asked));
        }
    }
    Ok(warnings)
}

/// A single version, such as `3.12.4`; anything else, such as the name of an environment, says nothing.
fn other(file: &str, asked: &str, version: &str) -> Option<Warning> {
    let (major, minor) = numbers(version)?;
    let is_same = major == VERSION.0 && minor.is_none_or(|minor| minor == VERSION.1);
    (!is_same).then(|| warn(file, asked))
}

fn warn(file: &str, asked: &str) -> Warning {
    Warning {
        file: file.to_owned(),
        line: None,
        text: format!(
            "it asks for Python {}, and a dyno has {}.{}: the app runs with that",
            asked.trim_start_matches("python-"),
            VERSION.0,
            VERSION.1
        ),
    }
}

/// Whether a specifier such as `>=3.9,<3.13` (PEP 440), or a plain version, allows the component's Python.
fn allows(specifier: &str) -> bool {
    specifier.split(',').all(|part| {
        let part = part.trim();
        let at = part
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(part.len());
        let (operator, version) = part.split_at(at);
        let Some((major, minor)) = numbers(version) else {
            return true;
        };
        let asked = (major, minor.unwrap_or(0));
        let has_patch = version.matches('.').count() > 1 && !version.ends_with(".*");
        match operator.trim() {
            ">=" | ">" => VERSION >= asked,
            "<" => VERSION < asked,
            "<=" => VERSION <= asked,
            "" | "==" | "===" => major == VERSION.0 && minor.is_none_or(|minor| minor == VERSION.1),
            "~=" if has_patch => VERSION == asked,
            "~=" => major == VERSION.0 && VERSION >= asked,
            "!=" => VERSION != asked || has_patch,
            _ => true,
        }
    })
}

fn numbers(version: &str) -> Option<(u32, Option<u32>)> {
    let mut parts = version.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok())))
}

#[cfg(test)]
mod tests;
