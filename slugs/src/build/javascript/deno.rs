//! Owns what `deno.json` says: the import map, the tasks, and the npm packages that imports name (`npm:hono@4`).
//! Must not know how they are installed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::jsonc;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::{SourceFile, read_text_lossy};

pub(super) const NAMES: [&str; 2] = ["deno.json", "deno.jsonc"];
/// Extensions of files that may import packages.
const EXTENSIONS: [&str; 6] = [".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs"];

/// The settings in a project's `deno.json`.
#[derive(Debug, Default)]
pub(super) struct DenoConfig {
    /// The import map: from a name to a specifier.
    pub(super) imports: BTreeMap<String, String>,
    /// The command lines of tasks that may start the app, the likeliest first.
    pub(super) commands: Vec<String>,
    /// `exports`, which has the form that it has in `package.json`.
    pub(super) exports: Option<Value>,
}

impl DenoConfig {
    /// Reads the folder's `deno.json`, if it has one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, BuilderError> {
        for name in NAMES {
            let Some(text) = read_text_lossy(&folder.join(name))? else {
                continue;
            };
            let value = jsonc::parse(&text).map_err(|error| {
                BuilderError::Refused(format!("{name} cannot be read: {error}"))
            })?;
            let map = |key: &str| value.get(key).and_then(Value::as_object);
            let imports = map("imports").into_iter().flatten();
            let imports = imports.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
            let command = |name: &&str| match map("tasks")?.get(*name)? {
                Value::String(command) => Some(command.clone()),
                task => Some(task.get("command")?.as_str()?.to_owned()),
            };
            let tasks = ["start", "serve", "dev"];
            return Ok(Some(Self {
                imports: imports.collect(),
                commands: tasks.iter().filter_map(command).collect(),
                exports: value.get("exports").cloned(),
            }));
        }
        Ok(None)
    }
}

/// Finds the npm packages, with their versions, that the import map and the files themselves name.
pub(super) fn find_npm_packages(
    imports: &BTreeMap<String, String>,
    files: &[SourceFile],
) -> Result<BTreeMap<String, String>, BuilderError> {
    let mut found = BTreeMap::new();
    for specifier in imports.values() {
        found.extend(specifier.strip_prefix("npm:").and_then(split_specifier));
    }
    for SourceFile { name, path } in files {
        if !EXTENSIONS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let text = read_text_lossy(path)?.unwrap_or_default();
        for quote in ["\"npm:", "'npm:"] {
            for rest in text.split(quote).skip(1) {
                let specifier = rest.split(['"', '\'', '\n']).next().unwrap_or_default();
                found.extend(split_specifier(specifier));
            }
        }
    }
    Ok(found)
}

/// Splits `@scope/name@1/sub` into name and version.
fn split_specifier(specifier: &str) -> Option<(String, String)> {
    let specifier = specifier.trim_start_matches('/');
    let parts = if specifier.starts_with('@') { 2 } else { 1 };
    let named: Vec<&str> = specifier.splitn(parts + 1, '/').take(parts).collect();
    let named = named.join("/");
    if named.is_empty() || (parts == 2 && !named.contains('/')) {
        return None;
    }
    let at = named[1..].find('@').map(|at| at + 1);
    let (name, version) = at.map_or((named.as_str(), "*"), |at| (&named[..at], &named[at + 1..]));
    Some((name.to_owned(), version.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::split_specifier;

    #[test]
    fn specifier_splits_into_name_and_version() {
        let of = |text| split_specifier(text).unwrap();
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(of("hono@4.6/cors"), pair("hono", "4.6"));
        assert_eq!(of("@hono/zod@^1/x/y"), pair("@hono/zod", "^1"));
        assert_eq!(of("/itty-router"), pair("itty-router", "*"));
        assert_eq!(split_specifier(""), None);
    }
}
