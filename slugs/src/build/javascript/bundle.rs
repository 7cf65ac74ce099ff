//! Owns the bundle of a JavaScript app: what is bundled, and when an older bundle can be used again.
//! Must not know how the bundler works.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::app_copy::{self, JavascriptApp};
use super::entry::EntryPoint;
use super::toolchain;
use crate::build::output::BuiltFile;
use crate::build::toolbox::build_folder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::node::explain_absent_node;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::sources::SourceFile;
use crate::digest::Digest;

/// The list of a bundle's sources that are outside of the app's folder, beside the bundle.
const OUTSIDE: &str = "outside.txt";
/// The list of files of packages that go into the slug, beside the bundle.
const FILES: &str = "files.txt";
/// The program of an app that has static files only.
const ASSETS_ONLY: &str = "export default { fetch: (request, env) => $dyno.assets(request) };\n";

/// The input of the bundler: a file, in a folder that has the packages of the app.
pub(super) struct BundleInput {
    root: PathBuf,
    entry: String,
    /// Files that the app's own build wrote. They belong to the app.
    pub(super) written: Vec<SourceFile>,
}

impl BundleInput {
    /// Installs packages and runs the app's own build, where the entry point needs it.
    pub(super) fn prepare(
        app: &JavascriptApp,
        entry: &EntryPoint,
        digest: &str,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let (root, entry, written) = match entry {
            EntryPoint::File(entry) => (app.with_packages(progress)?, entry.clone(), Vec::new()),
            EntryPoint::Assets => {
                let program = app.outputs.save_file("assets.js", ASSETS_ONLY)?;
                let program = program.canonicalize().unwrap_or(program);
                let entry = program.to_string_lossy().into_owned();
                (app.folder.to_owned(), entry, Vec::new())
            }
            EntryPoint::Built(entry) => {
                let root = app.run_build_script(digest, progress)?;
                if !root.join(entry).is_file() {
                    return Err(BuilderError::Refused(format!(
                        "`npm run build` succeeded but did not write {entry}: correct the setting that names the file \
                         (package.json, wrangler's `main` or the Procfile), or let the script write it"
                    )));
                }
                let written = app_copy::list_written_files(&root, app.sources)?;
                (root, entry.clone(), written)
            }
        };
        let root = root.canonicalize().map_err(|source| BuilderError::Read {
            path: root.clone(),
            source,
        })?;
        Ok(Self {
            root,
            entry,
            written,
        })
    }

    /// Returns the folder with the bundle and its source map. Bundles only if any input has changed.
    pub(super) fn bundle(
        &self,
        app: &JavascriptApp,
        toolchain: &Path,
        digest: &str,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<PathBuf, BuilderError> {
        let packages = app_copy::installed_key(&self.root)?;
        let pins = toolchain.to_string_lossy();
        let inputs = [pins.as_ref(), digest, &packages, &self.entry];
        let key = build_folder::content_key(&inputs.map(str::as_bytes));
        let name = format!("bundle-{key}");
        if !is_current(&app.outputs.path_of(&name)) {
            progress(BuildProgress::Step(format!("bundling {}", self.entry)));
            let work = app.outputs.make_work_folder()?;
            self.run_bundler(app, toolchain, work.path(), progress)?;
            app.outputs.keep_as(&work.keep(), &name)?;
            app.outputs.prune_old("bundle-");
        }
        app.outputs.mark_used(&name);
        Ok(app.outputs.path_of(&name))
    }

    fn run_bundler(
        &self,
        app: &JavascriptApp,
        toolchain: &Path,
        into: &Path,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<(), BuilderError> {
        let into = into
            .canonicalize()
            .map_err(build_folder::write_error(into))?;
        let imports = app.project.deno.as_ref().map(|deno| &deno.imports);
        let options = json!({
            "folder": self.root,
            "entry": self.entry,
            "out": into.join("app.js"),
            "map": into.join("app.js.map"),
            "outside": into.join(OUTSIDE),
            "files": into.join(FILES),
            "imports": imports,
        });
        let mut node = Command::new("node");
        node.arg(toolchain.join(toolchain::BUNDLER))
            .arg(options.to_string())
            .current_dir(&self.root);
        run::run_streaming(node, "esbuild", app.tools, &mut |_, line| {
            progress(BuildProgress::Line(line))
        })
        .map_err(explain_absent_node)
    }
}

/// The files of packages that may read their own files, by their names in the slug.
pub(super) fn list_package_files(bundle: &Path) -> Result<Vec<BuiltFile>, BuilderError> {
    let path = bundle.join(FILES);
    let list = fs::read_to_string(&path).map_err(|source| BuilderError::Read { path, source })?;
    let pairs = list.lines().filter_map(|line| line.split_once('\t'));
    pairs
        .map(|(name, path)| BuiltFile::new(name, Path::new(path)))
        .collect()
}

/// Whether a bundle exists, and its sources outside of the app's folder have not changed.
fn is_current(bundle: &Path) -> bool {
    let Ok(outside) = fs::read_to_string(bundle.join(OUTSIDE)) else {
        return false;
    };
    outside.lines().all(|line| {
        let Some((digest, path)) = line.split_once(' ') else {
            return false;
        };
        fs::read(path).is_ok_and(|bytes| Digest::of(&bytes).to_string() == digest)
    })
}
