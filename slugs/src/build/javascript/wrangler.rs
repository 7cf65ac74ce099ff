//! Owns what `wrangler.toml`, `wrangler.json` and `wrangler.jsonc` say of a worker: its first file, its variables, its
//! static files; and the settings that ask for services which only Cloudflare has. Must not know how a bundle is made.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::jsonc;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::read_text_lossy;

/// In the order in which wrangler looks for them.
pub(super) const NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// Settings that ask for a service of Cloudflare, with the service's name. A worker that has one does not work without.
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
pub(super) struct WranglerConfig {
    /// The file with which the worker begins: the setting `main`.
    pub(super) main: Option<String>,
    /// The part that the component reads.
    pub(super) settings: WorkerSettings,
}

/// The contents of `.dyno/app.json`, which `engine/app.js` reads.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkerSettings {
    #[serde(skip_serializing_if = "Map::is_empty")]
    vars: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) assets: Option<WorkerAssets>,
}

/// The static files of a worker.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkerAssets {
    /// The folder, relative to the app's.
    pub(super) directory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_found: Option<String>,
    run_worker_first: bool,
}

impl WranglerConfig {
    /// Reads the folder's configuration, if it has one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, BuilderError> {
        for name in NAMES {
            let Some(text) = read_text_lossy(&folder.join(name))? else {
                continue;
            };
            let unreadable = |error: String| {
                BuilderError::Refused(format!("{name} cannot be read: {}", error.trim_end()))
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

/// Fails if the configuration asks for a service that only Cloudflare has.
fn refuse_services(name: &str, text: &str, value: &Value) -> Result<(), BuilderError> {
    let found = SERVICES.iter().find(|(key, _)| match value.get(*key) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        _ => false,
    });
    let Some((key, service)) = found else {
        return Ok(());
    };
    let line = line_of(text, key);
    Err(BuilderError::Refused(format!(
        "{name}:{line}: `{key}` asks for {service}, a service that only Cloudflare has: remove the setting, and keep data in a \
         service that the app calls over HTTP with `fetch`"
    )))
}

/// The line of a key, counted from 1.
fn line_of(text: &str, key: &str) -> usize {
    let names_key = |line: &str| {
        let line = line.trim_start_matches([' ', '\t', '[', '"', '\'', '{']);
        let rest = line.strip_prefix(key);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    text.lines().position(names_key).map_or(1, |at| at + 1)
}

fn read_worker(name: &str, value: &Value) -> Result<WranglerConfig, BuilderError> {
    let main = value.get("main").and_then(Value::as_str).map(trim_path);
    let vars = value.get("vars").and_then(Value::as_object).cloned();
    let assets = match value.get("assets") {
        Some(assets) => Some(read_assets(name, assets)?),
        None => None,
    };
    Ok(WranglerConfig {
        main,
        settings: WorkerSettings {
            vars: vars.unwrap_or_default(),
            assets,
        },
    })
}

fn read_assets(name: &str, assets: &Value) -> Result<WorkerAssets, BuilderError> {
    let text = |key: &str| assets.get(key).and_then(Value::as_str).map(str::to_owned);
    let directory = text("directory").ok_or_else(|| {
        BuilderError::Refused(format!(
            "{name} has `assets` without a `directory`: name the folder of the static files"
        ))
    })?;
    let directory = trim_path(&directory);
    if directory.starts_with("..") || directory.starts_with('/') {
        return Err(BuilderError::Refused(format!(
            "{name} has its assets in `{directory}`, which is outside of the app's folder: move them into the folder"
        )));
    }
    Ok(WorkerAssets {
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

/// A path without `./` at its begin and `/` at its end.
fn trim_path(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    if path == "." { "" } else { path }.to_owned()
}

impl WorkerSettings {
    /// The text of the file; `None` if all settings are empty.
    pub(super) fn to_json(&self) -> Option<String> {
        let is_empty = self.vars.is_empty() && self.assets.is_none();
        (!is_empty).then(|| serde_json::to_string(self).expect("plain JSON"))
    }
}
