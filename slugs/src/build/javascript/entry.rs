//! Owns the question where a JavaScript app begins: the Procfile, `wrangler.toml`, `deno.json`, `package.json`, or the
//! usual names. Must not know what is in the files.

use std::path::Path;

use grid::name::ProcessType;
use serde_json::Value;

use super::package::Package;
use super::project::Shape;
use crate::build::BuildError;
use crate::manifest::Procfile;

/// Ends of files that esbuild takes for programs.
const ENDS: [&str; 8] = ["ts", "tsx", "mts", "js", "jsx", "mjs", "cts", "cjs"];
/// Usual names of a program's first file, without their ends.
const USUAL: [&str; 12] = [
    "src/index",
    "index",
    "src/main",
    "src/app",
    "src/server",
    "src/worker",
    "main",
    "app",
    "server",
    "worker",
    "src/mod",
    "mod",
];
/// Frameworks that begin in no file, by the package that tells them.
const FRAMEWORKS: [(&str, &str); 9] = [
    ("next", "Next.js"),
    ("nuxt", "Nuxt"),
    ("@sveltejs/kit", "SvelteKit"),
    ("@remix-run/react", "Remix"),
    ("astro", "Astro"),
    ("@angular/core", "Angular"),
    ("gatsby", "Gatsby"),
    ("react-scripts", "Create React App"),
    ("vite", "Vite"),
];
/// Where compilers of TypeScript write.
const OUTPUT_FOLDERS: [&str; 4] = ["dist", "build", "out", "lib"];
/// The script that makes what `main` names.
pub(super) const BUILD_SCRIPT: &str = "build";

/// Where an app begins, named from its folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file that is there.
    File(String),
    /// A file that the script `build` of `package.json` writes.
    Built(String),
    /// No file: all that the app has is static files.
    Assets,
}

/// Finds the file that exports the fetch handler.
pub(super) fn find(
    folder: &Path,
    shape: &Shape,
    procfile: Option<&Procfile>,
) -> Result<Entry, BuildError> {
    let builds = shape.package.scripts.contains_key(BUILD_SCRIPT);
    let certain = [
        (
            procfile.and_then(in_procfile),
            "the Procfile's web process names",
        ),
        (
            shape.worker_main().map(str::to_owned),
            "wrangler's `main` is",
        ),
    ];
    for (named, says) in certain {
        match named {
            Some(named) if folder.join(&named).is_file() => return Ok(Entry::File(named)),
            Some(named) if builds => return Ok(Entry::Built(named)),
            Some(named) => {
                return Err(BuildError::Refused(format!(
                    "{says} {named}, which is not in the app's folder: correct the path"
                )));
            }
            None => {}
        }
    }
    if let Some(entry) = in_deno(folder, shape).or_else(|| in_package(folder, &shape.package)) {
        return Ok(entry);
    }
    if let Some(found) = usual(folder) {
        return Ok(Entry::File(found));
    }
    if shape
        .worker
        .as_ref()
        .is_some_and(|w| w.settings.assets.is_some())
    {
        return Ok(Entry::Assets);
    }
    in_workspaces(folder, &shape.package)
}

/// Nothing names a file, and none has a usual name.
fn nowhere(package: &Package) -> BuildError {
    let framework = FRAMEWORKS.iter().find(|(name, _)| package.asks_for(name));
    BuildError::Refused(match framework {
        Some((_, title)) => format!(
            "this is an app of {title}, which dyno does not build by itself: have `npm run {BUILD_SCRIPT}` write a file \
             with a fetch handler and name that as `main` in package.json, or have it write pages and name their folder as \
             `assets.directory` in wrangler.jsonc"
        ),
        None => "nothing says where the app begins: set `main` in package.json to the file that exports the fetch \
                 handler, or call it src/index.ts or src/index.js"
            .to_owned(),
    })
}

/// A file of a usual name.
pub(super) fn usual(folder: &Path) -> Option<String> {
    let names = USUAL
        .iter()
        .flat_map(|name| ENDS.iter().map(move |end| format!("{name}.{end}")));
    names.into_iter().find(|name| folder.join(name).is_file())
}

/// `web: src/server.ts`, or `web: node src/server.js`; nothing of `web: npm start`.
fn in_procfile(procfile: &Procfile) -> Option<String> {
    let web = procfile.processes.get(&ProcessType::web())?;
    let words = std::iter::once(web.component.as_str()).chain(web.args.iter().map(String::as_str));
    first_program(words)
}

fn first_program<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    words
        .map(|word| word.strip_prefix("./").unwrap_or(word))
        .find(|word| is_program(word))
        .map(str::to_owned)
}

fn in_deno(folder: &Path, shape: &Shape) -> Option<Entry> {
    let deno = shape.deno.as_ref()?;
    let commands = deno.commands.iter();
    let named = commands.filter_map(|command| first_program(command.split_whitespace()));
    let exports = deno.exports.as_ref().and_then(first_path);
    let mut named = named.chain(exports.map(|path| local(&path)));
    named
        .find(|name| folder.join(name).is_file())
        .map(Entry::File)
}

/// What `package.json` names: what `npm start` runs, then what others import.
fn in_package(folder: &Path, package: &Package) -> Option<Entry> {
    let start = package.scripts.get("start");
    let start = start.and_then(|command| first_program(command.split_whitespace()));
    let exports = package.exports.as_ref().and_then(first_path);
    let named = [start, exports, package.module.clone(), package.main.clone()];
    let named = named.into_iter().flatten().map(|name| local(&name));
    for name in named.filter(|name| is_program(name)) {
        // What a plain compiler left there once is no newer than the sources.
        let is_left_over = is_output(&name) && is_compiled_from_sources(folder, package);
        if folder.join(&name).is_file() && !is_left_over {
            return Some(Entry::File(name));
        }
        if is_made_by_script(folder, package) {
            return Some(Entry::Built(name));
        }
    }
    None
}

/// Whether `npm run build` makes more than a bundle of the sources does: a plain compiler of TypeScript does not.
fn is_made_by_script(folder: &Path, package: &Package) -> bool {
    package.scripts.contains_key(BUILD_SCRIPT) && !is_compiled_from_sources(folder, package)
}

/// Whether the script `build` only compiles TypeScript, of which the first file has a usual name.
fn is_compiled_from_sources(folder: &Path, package: &Package) -> bool {
    let Some(script) = package.scripts.get(BUILD_SCRIPT) else {
        return false;
    };
    let is_plain_compiler =
        script.split_whitespace().next() == Some("tsc") && !script.contains(['&', '|', ';']);
    is_plain_compiler && usual(folder).is_some()
}

/// Whether a file lies where compilers write by custom.
fn is_output(name: &str) -> bool {
    OUTPUT_FOLDERS
        .iter()
        .any(|folder| Path::new(name).starts_with(folder))
}

/// The one workspace that begins somewhere and that no other workspace needs.
fn in_workspaces(root: &Path, package: &Package) -> Result<Entry, BuildError> {
    let mut found = Vec::new();
    let mut needed = Vec::new();
    for folder in package.workspaces(root) {
        let inner = Package::read(&root.join(&folder))?;
        needed.extend(inner.dependencies.keys().cloned());
        let entry = in_package(&root.join(&folder), &inner)
            .or_else(|| usual(&root.join(&folder)).map(Entry::File));
        if let Some(Entry::File(file)) = entry {
            let path = folder.join(file).to_string_lossy().into_owned();
            found.push((inner.name.unwrap_or_default(), path));
        }
    }
    found.retain(|(name, _)| !needed.contains(name));
    match found.as_slice() {
        [] => Err(nowhere(package)),
        [(_, path)] => Ok(Entry::File(path.clone())),
        several => {
            let paths: Vec<&str> = several.iter().map(|(_, path)| path.as_str()).collect();
            Err(BuildError::Refused(format!(
                "several workspaces could be the app ({}): name one in a Procfile, as in `web: {}`",
                paths.join(", "),
                paths[0]
            )))
        }
    }
}

fn local(name: &str) -> String {
    name.strip_prefix("./").unwrap_or(name).to_owned()
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
