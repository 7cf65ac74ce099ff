//! Owns the question in which file a JavaScript app begins: the one that the Procfile, `wrangler.toml`, `deno.json` or
//! `package.json` names, or one with a usual name. Must not know what is in the files.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use grid::name::ProcessType;
use serde_json::Value;

use super::package::{PACKAGE_JSON, PackageJson};
use super::project::JavascriptProject;
use crate::build::toolbox::error::BuilderError;
use crate::manifest::error::BuildWarning;
use crate::manifest::procfile::Procfile;

/// Extensions of files that esbuild reads as programs.
const EXTENSIONS: [&str; 8] = ["ts", "tsx", "mts", "js", "jsx", "mjs", "cts", "cjs"];
/// Usual names of a program's first file, without extension.
const USUAL_NAMES: [&str; 12] = [
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
/// Frameworks whose apps begin in no file of their own, by the package that tells them.
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
/// Folders that compilers and bundlers write to by custom.
const OUTPUT_FOLDERS: [&str; 4] = ["dist", "build", "out", "lib"];
/// The command that runs a program of Node.js, and its options whose value is the next word
/// (<https://nodejs.org/api/cli.html>).
const NODE: &str = "node";
const OPTIONS_WITH_VALUE: [&str; 9] = [
    "-r",
    "--require",
    "--import",
    "--env-file",
    "--env-file-if-exists",
    "--loader",
    "--experimental-loader",
    "-C",
    "--conditions",
];
/// The script that makes the file which `main` names.
pub(super) const BUILD_SCRIPT: &str = "build";

/// The file with which an app begins. Names are relative to the app's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryPoint {
    /// A file that is there.
    File(String),
    /// A file that the script `build` of `package.json` writes.
    Built(String),
    /// No file: the app has static files only.
    Assets,
}

/// The entry point of an app, and what its author should know about the choice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FoundEntry {
    pub(super) point: EntryPoint,
    pub(super) warnings: Vec<BuildWarning>,
}

/// Finds the file that exports the fetch handler.
pub(super) fn find_entry(
    folder: &Path,
    project: &JavascriptProject,
    procfile: Option<&Procfile>,
) -> Result<FoundEntry, BuilderError> {
    let point = find_point(folder, project, procfile)?;
    let warnings = match &point {
        EntryPoint::File(name) => warn_of_stale_output(folder, &project.package, name)
            .into_iter()
            .collect(),
        EntryPoint::Built(_) | EntryPoint::Assets => Vec::new(),
    };
    Ok(FoundEntry { point, warnings })
}

fn find_point(
    folder: &Path,
    project: &JavascriptProject,
    procfile: Option<&Procfile>,
) -> Result<EntryPoint, BuilderError> {
    let has_build_script = project.package.scripts.contains_key(BUILD_SCRIPT);
    let certain = [
        (
            procfile.and_then(|procfile| named_in_procfile(folder, procfile)),
            "the Procfile's web process names",
        ),
        (
            project.worker_main().map(str::to_owned),
            "wrangler's `main` is",
        ),
    ];
    for (named, says) in certain {
        match named {
            Some(named) if folder.join(&named).is_file() => return Ok(EntryPoint::File(named)),
            Some(named) if has_build_script => return Ok(EntryPoint::Built(named)),
            Some(named) => {
                return Err(BuilderError::Refused(format!(
                    "{says} {named}, which is not in the app's folder: correct the path"
                )));
            }
            None => {}
        }
    }
    let point =
        named_in_deno(folder, project).or_else(|| named_in_package(folder, &project.package));
    if let Some(point) = point {
        return Ok(point);
    }
    if let Some(name) = find_usual(folder) {
        return Ok(EntryPoint::File(name));
    }
    if project
        .worker
        .as_ref()
        .is_some_and(|worker| worker.settings.assets.is_some())
    {
        return Ok(EntryPoint::Assets);
    }
    find_in_workspaces(folder, &project.package)
}

/// The error for an app in which nothing names a file, and no file has a usual name.
fn explain_nothing(package: &PackageJson) -> BuilderError {
    let framework = FRAMEWORKS.iter().find(|(name, _)| package.asks_for(name));
    BuilderError::Refused(match framework {
        Some((_, title)) => format!(
            "this is an app of {title}, which dyno does not build by itself. Let `npm run {BUILD_SCRIPT}` write a file with a \
             fetch handler, and name that file as `main` in package.json; or let it write pages, and name their folder as \
             `assets.directory` in wrangler.jsonc"
        ),
        None => "nothing says in which file the app begins: set `main` in package.json to the file that exports the fetch \
                 handler, or call the file src/index.ts or src/index.js"
            .to_owned(),
    })
}

/// The first file with a usual name.
pub(super) fn find_usual(folder: &Path) -> Option<String> {
    let names = USUAL_NAMES
        .iter()
        .flat_map(|name| EXTENSIONS.iter().map(move |end| format!("{name}.{end}")));
    names.into_iter().find(|name| folder.join(name).is_file())
}

/// The file in `web: src/server.ts` or `web: node src/server.js`; `None` for `web: npm start`.
fn named_in_procfile(folder: &Path, procfile: &Procfile) -> Option<String> {
    let web = procfile.processes.get(&ProcessType::web())?;
    let words = std::iter::once(web.component.as_str()).chain(web.args.iter().map(String::as_str));
    first_program(folder, words)
}

/// The program that a command line runs: the module after `node`, else the first file of a program.
fn first_program<'a>(
    folder: &Path,
    words: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    let after_node = words.clone().skip_while(|word| *word != NODE).skip(1);
    if let Some(file) = skip_options(after_node).and_then(|module| find_module(folder, module)) {
        return Some(file);
    }
    words
        .map(|word| word.strip_prefix("./").unwrap_or(word))
        .find(|word| is_program(word))
        .map(str::to_owned)
}

/// The first argument of `node` that is neither an option nor the value of one.
fn skip_options<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            return Some(word);
        }
        if OPTIONS_WITH_VALUE.contains(&word) {
            words.next();
        }
    }
    None
}

/// The file that `node MODULE` runs: MODULE itself, with an extension, or the first file of a folder.
fn find_module(folder: &Path, module: &str) -> Option<String> {
    let module = module.strip_prefix("./").unwrap_or(module);
    let module = module.trim_end_matches('/');
    if module.is_empty() || module == "." {
        return None;
    }
    let with_extension = EXTENSIONS.iter().map(|end| format!("{module}.{end}"));
    let in_folder = EXTENSIONS.iter().map(|end| format!("{module}/index.{end}"));
    let mut names = std::iter::once(module.to_owned())
        .chain(with_extension)
        .chain(in_folder);
    names.find(|name| folder.join(name).is_file())
}

/// The first file that exists of those in `deno.json`: of the tasks, then of `exports`.
fn named_in_deno(folder: &Path, project: &JavascriptProject) -> Option<EntryPoint> {
    let deno = project.deno.as_ref()?;
    let commands = deno.commands.iter();
    let named = commands.filter_map(|command| first_program(folder, command.split_whitespace()));
    let exports = deno.exports.as_ref().and_then(exported_path);
    let mut named = named.chain(exports.map(|path| without_dot(&path)));
    named
        .find(|name| folder.join(name).is_file())
        .map(EntryPoint::File)
}

/// The file that `package.json` names: the one that `npm start` runs, then the one that other packages import.
fn named_in_package(folder: &Path, package: &PackageJson) -> Option<EntryPoint> {
    let start = package.scripts.get("start");
    let start = start.and_then(|command| first_program(folder, command.split_whitespace()));
    let exports = package.exports.as_ref().and_then(exported_path);
    let named = [start, exports, package.module.clone(), package.main.clone()];
    let named = named.into_iter().flatten().map(|name| without_dot(&name));
    // `main` and `exports` may leave the extension out, and a program of Node.js may have none.
    let named = named.map(|name| match is_program(&name) {
        true => name,
        false => find_module(folder, &name).unwrap_or(name),
    });
    for name in named.filter(|name| is_program(name) || folder.join(name).is_file()) {
        // The sources are at least as new as the output that a plain compiler left there.
        let is_left_over = is_output(&name) && is_compiled_from_sources(folder, package);
        if folder.join(&name).is_file() && !is_left_over {
            return Some(EntryPoint::File(name));
        }
        if is_made_by_script(folder, package) {
            return Some(EntryPoint::Built(name));
        }
    }
    None
}

/// Whether `npm run build` makes more than a bundle of the sources would have. A plain TypeScript compiler does not.
fn is_made_by_script(folder: &Path, package: &PackageJson) -> bool {
    package.scripts.contains_key(BUILD_SCRIPT) && !is_compiled_from_sources(folder, package)
}

/// Whether the script `build` only compiles TypeScript whose first file has a usual name.
fn is_compiled_from_sources(folder: &Path, package: &PackageJson) -> bool {
    let Some(script) = package.scripts.get(BUILD_SCRIPT) else {
        return false;
    };
    let is_plain_compiler =
        script.split_whitespace().next() == Some("tsc") && !script.contains(['&', '|', ';']);
    is_plain_compiler && find_usual(folder).is_some()
}

/// Whether a file is in a folder that compilers and bundlers write to.
fn is_output(name: &str) -> bool {
    OUTPUT_FOLDERS
        .iter()
        .any(|folder| Path::new(name).starts_with(folder))
}

/// Warns if the entry point was written by the app's own build, and the file with a usual name is newer: the build script
/// does not run while its output exists, because a bundler may have made more than dyno's own bundle of the sources.
fn warn_of_stale_output(folder: &Path, package: &PackageJson, entry: &str) -> Option<BuildWarning> {
    if !is_output(entry) || !package.scripts.contains_key(BUILD_SCRIPT) {
        return None;
    }
    let source = find_usual(folder).filter(|name| name != entry)?;
    let is_stale = modified_at(&folder.join(&source))? > modified_at(&folder.join(entry))?;
    is_stale.then(|| BuildWarning {
        file: PACKAGE_JSON.to_owned(),
        line: None,
        text: format!(
            "the app begins in {entry}, which is older than {source}: run `npm run {BUILD_SCRIPT}` again, or remove {entry} \
             and dyno runs the script"
        ),
    })
}

fn modified_at(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// The entry point of the one workspace that has one and that no other workspace needs.
fn find_in_workspaces(root: &Path, package: &PackageJson) -> Result<EntryPoint, BuilderError> {
    let mut found = Vec::new();
    let mut needed = Vec::new();
    for folder in package.workspaces(root) {
        let inner = PackageJson::read(&root.join(&folder))?;
        needed.extend(inner.dependencies.keys().cloned());
        let point = named_in_package(&root.join(&folder), &inner)
            .or_else(|| find_usual(&root.join(&folder)).map(EntryPoint::File));
        if let Some(EntryPoint::File(file)) = point {
            let path = folder.join(file).to_string_lossy().into_owned();
            found.push((inner.name.unwrap_or_default(), path));
        }
    }
    found.retain(|(name, _)| !needed.contains(name));
    match found.as_slice() {
        [] => Err(explain_nothing(package)),
        [(_, path)] => Ok(EntryPoint::File(path.clone())),
        several => {
            let paths: Vec<&str> = several.iter().map(|(_, path)| path.as_str()).collect();
            Err(BuilderError::Refused(format!(
                "several workspaces could be the app ({}): name one in a Procfile, as in `web: {}`",
                paths.join(", "),
                paths[0]
            )))
        }
    }
}

fn without_dot(name: &str) -> String {
    name.strip_prefix("./").unwrap_or(name).to_owned()
}

fn is_program(name: &str) -> bool {
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    end.is_some_and(|end| EXTENSIONS.contains(&end))
}

/// The path in `exports` for ".", by the first condition that fits.
fn exported_path(exports: &Value) -> Option<String> {
    match exports {
        Value::String(path) => Some(path.clone()),
        Value::Object(map) => [".", "worker", "import", "module", "default"]
            .iter()
            .find_map(|key| exported_path(map.get(*key)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
