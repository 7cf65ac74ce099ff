//! Owns what `wrangler.toml`, `wrangler.json` and `wrangler.jsonc` say of a worker: where it begins, its variables, its
//! static files; and what in them only Cloudflare has. Must not know how a bundle is made.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::jsonc;
use crate::build::BuildError;
use crate::build::toolbox::sources;

/// In the order in which wrangler looks for them.
pub(super) const NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// Services of Cloudflare's that a worker cannot do without once it asks for them.
const SERVICES: [(&str, &str); 15] = [
    ("ai", "Workers AI"),
    ("analytics_engine_datasets", "Analytics Engine"),
    ("browser", "Browser Rendering"),
    ("containers", "Containers"),
    ("d1_databases", "D1"),
    ("dispatch_namespaces", "Workers for Platforms"),
    ("durable_objects", "Durable Objects"),
    ("hyperdrive", "Hyperdrive"),
    ("kv_namespaces", "Workers KV"),
    ("queues", "Queues"),
    ("r2_buckets", "R2"),
    ("send_email", "Email Workers"),
    ("services", "service bindings"),
    ("vectorize", "Vectorize"),
    ("workflows", "Workflows"),
];

/// A worker as its configuration describes it.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// The file that begins it.
    pub(super) main: Option<String>,
    /// What the component is told.
    pub(super) settings: Settings,
}

/// `.dyno/app.json`, as `engine/app.js` reads it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    #[serde(skip_serializing_if = "Map::is_empty")]
    vars: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assets: Option<Assets>,
}

/// Static files.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Assets {
    /// Named from the app's folder.
    pub(super) directory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_found: Option<String>,
    run_worker_first: bool,
}

impl Worker {
    /// Reads the folder's configuration, if it has one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, BuildError> {
        for name in NAMES {
            let Some(text) = sources::text(&folder.join(name))? else {
                continue;
            };
            let unreadable = |error: String| {
                BuildError::Refused(format!("{name} cannot be read: {}", error.trim_end()))
            };
            let value = match name.ends_with(".toml") {
                true => toml::from_str(jsonc::without_bom(&text))
                    .map_err(|error| unreadable(error.to_string()))?,
                false => jsonc::parse(&text).map_err(|error| unreadable(error.to_string()))?,
            };
            refuse_services(name, &text, &value)?;
            return read_worker(name, &value).map(Some);
        }
        Ok(None)
    }
}

fn refuse_services(name: &str, text: &str, value: &Value) -> Result<(), BuildError> {
    let asked = SERVICES.iter().find(|(key, _)| match value.get(*key) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        _ => false,
    });
    let Some((key, service)) = asked else {
        return Ok(());
    };
    let line = line_of(text, key);
    Err(BuildError::Refused(format!(
        "{name}:{line}: `{key}` asks for {service}, a service that only Cloudflare has: remove it, and keep data in a \
         service that is called over HTTP with `fetch`"
    )))
}

/// The line where a key stands, counted from 1.
fn line_of(text: &str, key: &str) -> usize {
    let names_key = |line: &str| {
        let line = line.trim_start_matches([' ', '\t', '[', '"', '\'', '{']);
        let rest = line.strip_prefix(key);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    text.lines().position(names_key).map_or(1, |at| at + 1)
}

fn read_worker(name: &str, value: &Value) -> Result<Worker, BuildError> {
    let main = value.get("main").and_then(Value::as_str).map(local_path);
    let vars = value.get("vars").and_then(Value::as_object).cloned();
    let assets = match value.get("assets") {
        Some(assets) => Some(read_assets(name, assets)?),
        None => None,
    };
    Ok(Worker {
        main,
        settings: Settings {
            vars: vars.unwrap_or_default(),
            assets,
        },
    })
}

fn read_assets(name: &str, assets: &Value) -> Result<Assets, BuildError> {
    let text = |key: &str| assets.get(key).and_then(Value::as_str).map(str::to_owned);
    let directory = text("directory").ok_or_else(|| {
        BuildError::Refused(format!(
            "{name} has `assets` without a `directory`: name the folder of the static files"
        ))
    })?;
    let directory = local_path(&directory);
    if directory.starts_with("..") || directory.starts_with('/') {
        return Err(BuildError::Refused(format!(
            "{name} has its assets in `{directory}`, which is outside of the app's folder: move them into it"
        )));
    }
    Ok(Assets {
        directory,
        binding: text("binding"),
        html: text("html_handling"),
        not_found: text("not_found_handling"),
        run_worker_first: match assets.get("run_worker_first") {
            Some(Value::Bool(first)) => *first,
            Some(Value::Array(_)) => true,
            _ => false,
        },
    })
}

/// A path from the app's folder, without `./` before it and `/` behind it.
fn local_path(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    if path == "." { "" } else { path }.to_owned()
}

impl Settings {
    /// The file's text, if there is something to say.
    pub(super) fn to_json(&self) -> Option<String> {
        let is_empty = self.vars.is_empty() && self.assets.is_none();
        (!is_empty).then(|| serde_json::to_string(self).expect("plain JSON"))
    }
}
