//! Owns the recognition of JavaScript projects, and all that their files say of them.
//! Must not know how they are built.

use std::collections::BTreeMap;
use std::path::Path;

use super::deno::{self, Deno};
use super::package::{PACKAGE_JSON, Package};
use super::wrangler::{self, Worker};
use crate::build::BuildError;
use crate::build::toolbox::sources;

/// Files that an app of one file is called, without their ends.
const LONE: [&str; 7] = [
    "worker",
    "server",
    "index",
    "main",
    "app",
    "src/index",
    "src/worker",
];
const LONE_ENDS: [&str; 6] = ["ts", "js", "mts", "mjs", "tsx", "jsx"];
/// By these a file is a server and not the script of a page.
const HANDLER_WORDS: [&str; 5] = [
    "fetch",
    "export default",
    "module.exports",
    "Deno.serve",
    "Bun.serve",
];

/// What the files of a project say of it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) package: Package,
    pub(super) worker: Option<Worker>,
    pub(super) deno: Option<Deno>,
}

impl Shape {
    /// Reads them. Packages that Deno's specifiers name become dependencies.
    pub(super) fn read(folder: &Path, own: &[sources::Source]) -> Result<Self, BuildError> {
        let mut package = Package::read(folder)?;
        let deno = Deno::read(folder)?;
        let none = BTreeMap::new();
        let imports = deno.as_ref().map_or(&none, |deno| &deno.imports);
        for (name, version) in deno::npm_packages(imports, own)? {
            package.dependencies.entry(name).or_insert(version);
        }
        Ok(Self {
            package,
            worker: Worker::read(folder)?,
            deno,
        })
    }

    pub(super) fn worker_main(&self) -> Option<&str> {
        self.worker.as_ref()?.main.as_deref()
    }
}

/// Whether a folder has a file by which a JavaScript project is known.
pub(crate) fn is_project(folder: &Path) -> bool {
    let names = [PACKAGE_JSON].into_iter().chain(wrangler::NAMES);
    let mut names = names.chain(deno::NAMES);
    names.any(|name| folder.join(name).is_file())
}

/// Whether a folder has no such file, but a program of a usual name that answers requests, and no page beside it that
/// could run it.
pub(crate) fn is_lone_program(folder: &Path) -> bool {
    let is_site = folder.join("index.html").is_file();
    let names = LONE
        .iter()
        .flat_map(|name| LONE_ENDS.iter().map(move |end| format!("{name}.{end}")));
    names
        .filter(|name| folder.join(name).is_file())
        .any(|name| {
            let is_server = name.contains("worker.") || name.contains("server.");
            let text = sources::text(&folder.join(name)).ok().flatten();
            let answers =
                text.is_some_and(|text| HANDLER_WORDS.iter().any(|word| text.contains(word)));
            answers && (is_server || !is_site)
        })
}
