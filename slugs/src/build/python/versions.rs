//! Owns the versions of Python that a project asks for, and the warning where a dyno has another one. Must not know how
//! versions are installed.

use std::path::Path;

use super::requirements::text::read_any_text;
use crate::build::toolbox::error::BuilderError;
use crate::manifest::error::BuildWarning;

/// The component's Python.
const VERSION: (u32, u32) = (3, 14);

/// Files that name one version, each with the prefix of the version.
const VERSION_FILES: [(&str, &str); 2] = [("runtime.txt", "python-"), (".python-version", "")];

/// Warns where the project asks for another version of Python than a dyno has.
pub(super) fn find_warnings(folder: &Path) -> Result<Vec<BuildWarning>, BuilderError> {
    let mut warnings = Vec::new();
    for (file, prefix) in VERSION_FILES {
        let text = read_any_text(&folder.join(file))?.unwrap_or_default();
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        if let Some(asked) = lines.next() {
            warnings.extend(warn_if_other(file, asked, asked.trim_start_matches(prefix)));
        }
    }
    for (file, table, key) in [
        ("pyproject.toml", "project", "requires-python"),
        ("Pipfile", "requires", "python_version"),
    ] {
        let text = read_any_text(&folder.join(file))?.unwrap_or_default();
        let specifier = toml::from_str::<toml::Table>(&text)
            .ok()
            .and_then(|parsed| {
                let asked = parsed.get(table)?.get(key)?.as_str()?;
                Some(asked.to_owned())
            });
        if let Some(asked) = specifier.filter(|asked| !allows(asked)) {
            warnings.push(version_warning(file, &asked));
        }
    }
    Ok(warnings)
}

/// Warns of a single version such as `3.12.4`. A text that is no version, such as the name of an environment, is ignored.
fn warn_if_other(file: &str, asked: &str, version: &str) -> Option<BuildWarning> {
    let (major, minor) = parse_version(version)?;
    let is_same = major == VERSION.0 && minor.is_none_or(|minor| minor == VERSION.1);
    (!is_same).then(|| version_warning(file, asked))
}

fn version_warning(file: &str, asked: &str) -> BuildWarning {
    BuildWarning {
        file: file.to_owned(),
        line: None,
        text: format!(
            "it asks for Python {}, but a dyno has {}.{}, which the app runs with",
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
        let Some((major, minor)) = parse_version(version) else {
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

/// Major and minor version.
fn parse_version(version: &str) -> Option<(u32, Option<u32>)> {
    let mut parts = version.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok())))
}

#[cfg(test)]
mod tests;
