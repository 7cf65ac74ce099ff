//! Owns the files by which a JavaScript project is known. Must not know how it is built.

use std::path::Path;

use super::package::PACKAGE_JSON;
use super::{deno, wrangler};
use crate::build::toolbox::sources::read_text_lossy;

/// Usual names of an app that is a single file, without extension.
const LONE_PROGRAMS: [&str; 7] = [
    "worker",
    "server",
    "index",
    "main",
    "app",
    "src/index",
    "src/worker",
];
const LONE_EXTENSIONS: [&str; 6] = ["ts", "js", "mts", "mjs", "tsx", "jsx"];
/// Texts that tell a server from the script of a page.
const HANDLER_WORDS: [&str; 5] = [
    "fetch",
    "export default",
    "module.exports",
    "Deno.serve",
    "Bun.serve",
];

/// Whether a folder has a file by which a JavaScript project is known.
pub(in crate::build) fn is_project(folder: &Path) -> bool {
    let names = [PACKAGE_JSON].into_iter().chain(wrangler::NAMES);
    let mut names = names.chain(deno::NAMES);
    names.any(|name| folder.join(name).is_file())
}

/// Whether a folder has a program with a usual name that answers requests. Beside a start page, the name has to be
/// `worker` or `server`, since the page could load any other script.
pub(in crate::build) fn is_lone_program(folder: &Path) -> bool {
    let is_site = folder.join("index.html").is_file();
    let names = LONE_PROGRAMS.iter().flat_map(|name| {
        LONE_EXTENSIONS
            .iter()
            .map(move |end| format!("{name}.{end}"))
    });
    names
        .filter(|name| folder.join(name).is_file())
        .any(|name| {
            let is_server = name.contains("worker.") || name.contains("server.");
            let text = read_text_lossy(&folder.join(name)).ok().flatten();
            let answers =
                text.is_some_and(|text| HANDLER_WORDS.iter().any(|word| text.contains(word)));
            answers && (is_server || !is_site)
        })
}
