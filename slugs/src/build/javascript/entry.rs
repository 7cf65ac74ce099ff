//! Owns the question where a JavaScript app begins: `package.json`, the Procfile, or the usual names.
//! Must not know what is in the files.

use std::collections::BTreeMap;
use std::path::Path;

use grid::name::ProcessType;
use serde::Deserialize;
use serde_json::Value;

use super::super::{BuildError, sources};
use crate::manifest::Procfile;

const NAME: &str = "package.json";
/// Ends of files that esbuild takes for programs.
const ENDS: [&str; 8] = ["ts", "tsx", "mts", "js", "jsx", "mjs", "cts", "cjs"];
/// Usual names of a program's first file, without their ends.
const USUAL: [&str; 9] = [
    "src/index",
    "index",
    "src/main",
    "src/app",
    "src/server",
    "src/worker",
    "main",
    "app",
    "server",
];

/// What `package.json` says that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    main: Option<String>,
    module: Option<String>,
    exports: Option<Value>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) dev_dependencies: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) optional_dependencies: BTreeMap<String, String>,
}

impl Package {
    /// Reads the folder's own.
    pub(super) fn read(folder: &Path) -> Result<Self, BuildError> {
        let text = sources::text(&folder.join(NAME))?.unwrap_or_default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        serde_json::from_str(text)
            .map_err(|error| BuildError::Refused(format!("{NAME} cannot be read: {error}")))
    }
}

/// The file that exports the fetch handler, named from the app's folder.
pub(super) fn find(
    folder: &Path,
    package: &Package,
    procfile: Option<&Procfile>,
) -> Result<String, BuildError> {
    if let Some(named) = procfile.and_then(in_procfile) {
        return match folder.join(&named).is_file() {
            true => Ok(named),
            false => Err(BuildError::Refused(format!(
                "the Procfile's web process names {named}, which is not in the app's folder: correct the path"
            ))),
        };
    }
    let exports = package.exports.as_ref().and_then(first_path);
    let named = [exports, package.module.clone(), package.main.clone()];
    for named in named.into_iter().flatten() {
        let named = named.strip_prefix("./").unwrap_or(&named).to_owned();
        // What a compiler is to write there is made of a file that is found below.
        if is_program(&named) && folder.join(&named).is_file() {
            return Ok(named);
        }
    }
    let usual = USUAL
        .iter()
        .flat_map(|name| ENDS.iter().map(move |end| format!("{name}.{end}")));
    let found: Option<String> = usual.into_iter().find(|name| folder.join(name).is_file());
    found.ok_or_else(|| {
        BuildError::Refused(format!(
            "{NAME} does not say where the app begins: set `main` to the file that exports the fetch handler, or call it \
             src/index.ts or src/index.js"
        ))
    })
}

/// `web: src/server.ts`, or `web: node src/server.js`; nothing of `web: npm start`.
fn in_procfile(procfile: &Procfile) -> Option<String> {
    let web = procfile.processes.get(&ProcessType::web())?;
    let words = std::iter::once(web.component.as_str()).chain(web.args.iter().map(String::as_str));
    words
        .map(|word| word.strip_prefix("./").unwrap_or(word))
        .find(|word| is_program(word))
        .map(str::to_owned)
}

fn is_program(name: &str) -> bool {
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    end.is_some_and(|end| ENDS.contains(&end))
}

/// The path of `exports` for ".", by the conditions that fit, or the first.
fn first_path(exports: &Value) -> Option<String> {
    match exports {
        Value::String(path) => Some(path.clone()),
        Value::Object(map) => [".", "worker", "import", "module", "default"]
            .iter()
            .find_map(|key| first_path(map.get(*key)?)),
        _ => None,
    }
}
