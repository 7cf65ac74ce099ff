//! Owns what `deno.json` says: the import map, the tasks, and the npm packages that imports name (`npm:hono@4`).
//! Must not know how they are installed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::jsonc;
use crate::build::BuildError;
use crate::build::toolbox::sources;

pub(super) const NAMES: [&str; 2] = ["deno.json", "deno.jsonc"];
/// Ends of files that may import.
const ENDS: [&str; 6] = [".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs"];

/// A project of Deno's.
#[derive(Debug, Default)]
pub(super) struct Deno {
    /// From a name to a specifier.
    pub(super) imports: BTreeMap<String, String>,
    /// The command lines that may start it, the likeliest first.
    pub(super) commands: Vec<String>,
    /// What `exports` names, as in `package.json`.
    pub(super) exports: Option<Value>,
}

impl Deno {
    /// Reads the folder's `deno.json`, if it has one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, BuildError> {
        for name in NAMES {
            let Some(text) = sources::text(&folder.join(name))? else {
                continue;
            };
            let value = jsonc::parse(&text)
                .map_err(|error| BuildError::Refused(format!("{name} cannot be read: {error}")))?;
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

/// The npm packages that the import map and the files themselves name, with their versions.
pub(super) fn npm_packages(
    imports: &BTreeMap<String, String>,
    files: &[sources::Source],
) -> Result<BTreeMap<String, String>, BuildError> {
    let mut found = BTreeMap::new();
    for specifier in imports.values() {
        found.extend(specifier.strip_prefix("npm:").and_then(split_specifier));
    }
    for (name, path) in files {
        if !ENDS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let text = sources::text(path)?.unwrap_or_default();
        for quote in ["\"npm:", "'npm:"] {
            for rest in text.split(quote).skip(1) {
                let specifier = rest.split(['"', '\'', '\n']).next().unwrap_or_default();
                found.extend(split_specifier(specifier));
            }
        }
    }
    Ok(found)
}

/// `@scope/name@1/sub` as name and version.
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
    fn a_specifier_is_name_and_version() {
        let of = |text| split_specifier(text).unwrap();
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(of("hono@4.6/cors"), pair("hono", "4.6"));
        assert_eq!(of("@hono/zod@^1/x/y"), pair("@hono/zod", "^1"));
        assert_eq!(of("/itty-router"), pair("itty-router", "*"));
        assert_eq!(split_specifier(""), None);
    }
}
