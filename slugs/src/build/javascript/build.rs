//! Owns the JavaScript and TypeScript builder: an app becomes one bundle, a file that the component of all JavaScript
//! apps runs. Must not know slugs.
//!
//! The component holds the engine and our handler. It is made once, when the toolchain is installed, so that a changed
//! line costs a bundle and no compilation, and compiled code is shared by all apps of a machine. How it is made is not
//! deterministic (the engine's snapshot holds random seeds): two machines have two components of one meaning.
//!
//! Nothing is written to the app's folder: npm installs and builds in a copy, in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::app_copy::{self, AppSources};
use super::entry::Entry;
use super::project::Shape;
use super::{entry, toolchain};
use crate::build::toolbox::build_folder::{self, Place};
use crate::build::toolbox::run;
use crate::build::toolbox::sources;
use crate::build::{BuildError, BuiltComponent, Made, Progress, Tools};
use crate::digest::Digest;
use crate::manifest::{Builder, Procfile};
use crate::path::SlugPath;

const COMPONENT: &str = ".dyno/javascript.wasm";
/// Where the component looks for the bundle, its source map, and what the app's configuration says.
const BUNDLE: &str = ".dyno/app.js";
const MAP: &str = ".dyno/app.js.map";
const SETTINGS: &str = ".dyno/app.json";
/// The sources of a bundle that are not in the app's folder, beside the bundle.
const OUTSIDE: &str = "outside.txt";
/// The program of an app that has static files only.
const ASSETS_ONLY: &str = "export default { fetch: (request, env) => $dyno.assets(request) };\n";

/// Builds the app in a folder.
pub(crate) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let own = sources::files(folder, &|_| true)?;
    let shape = Shape::read(folder, &own)?;
    let entry = entry::find(folder, &shape, procfile)?;
    let toolchain = toolchain::ensure(tools, progress)?;
    let place = Place::of_app(folder, tools, progress)?;
    let app = AppSources {
        folder,
        own: &own,
        shape: &shape,
        place: &place,
        tools,
    };
    let digest = sources::digest(&own)?;
    let program = Program::prepare(&app, &entry, &digest, progress)?;
    let bundle = program.bundle(&app, &toolchain, &digest, progress)?;
    let mut files = vec![
        file(BUNDLE, &bundle.join("app.js"))?,
        file(MAP, &bundle.join("app.js.map"))?,
    ];
    if let Some(settings) = shape.worker.as_ref().and_then(|w| w.settings.to_json()) {
        files.push(file(SETTINGS, &place.save("app.json", &settings)?)?);
    }
    for (name, path) in &program.written {
        files.push(file(name, path)?);
    }
    Ok(Made {
        builder: Builder {
            name: "javascript".to_owned(),
            tool: "componentize-js 0.23.0, esbuild 0.25.12".to_owned(),
        },
        components: vec![file(COMPONENT, &toolchain.join(toolchain::COMPONENT))?],
        files,
        commands: Some(crate::build::web(COMPONENT)),
        command_words: Default::default(),
        warnings: Vec::new(),
    })
}

fn file(name: &str, place: &Path) -> Result<BuiltComponent, BuildError> {
    let path = SlugPath::new(name).map_err(|source| BuildError::Name {
        name: name.to_owned(),
        source,
    })?;
    Ok(BuiltComponent {
        path,
        file: place.to_owned(),
    })
}

/// What is bundled: a file in a folder that has its packages.
struct Program {
    root: PathBuf,
    entry: String,
    /// What the app's own build wrote, which belongs to the app.
    written: Vec<sources::Source>,
}

impl Program {
    fn prepare(
        app: &AppSources,
        entry: &Entry,
        digest: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, BuildError> {
        let (root, entry, written) = match entry {
            Entry::File(entry) => (app.with_packages(progress)?, entry.clone(), Vec::new()),
            Entry::Assets => {
                let program = app.place.save("assets.js", ASSETS_ONLY)?;
                let program = program.canonicalize().unwrap_or(program);
                let entry = program.to_string_lossy().into_owned();
                (app.folder.to_owned(), entry, Vec::new())
            }
            Entry::Built(entry) => {
                let root = app.built(digest, progress)?;
                if !root.join(entry).is_file() {
                    return Err(BuildError::Refused(format!(
                        "`npm run build` went well, and {entry} is not there: correct what names it (package.json, \
                         wrangler's `main` or the Procfile), or let the script write it"
                    )));
                }
                let written = app_copy::written(&root, app.own)?;
                (root, entry.clone(), written)
            }
        };
        let root = root.canonicalize().map_err(|source| BuildError::Read {
            path: root.clone(),
            source,
        })?;
        Ok(Self {
            root,
            entry,
            written,
        })
    }

    /// A folder with the bundle and its source map, made unless nothing has changed since.
    fn bundle(
        &self,
        app: &AppSources,
        toolchain: &Path,
        digest: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, BuildError> {
        let packages = app_copy::state(&self.root)?;
        let pins = toolchain.to_string_lossy();
        let inputs = [pins.as_ref(), digest, &packages, &self.entry];
        let name = format!("bundle-{}", build_folder::key(&inputs.map(str::as_bytes)));
        if !is_current(&app.place.at(&name)) {
            progress(Progress::Step(format!("bundling {}", self.entry)));
            let work = app.place.work()?;
            self.run_bundler(app, toolchain, work.path(), progress)?;
            app.place.keep(&work.keep(), &name)?;
            app.place.prune("bundle-");
        }
        app.place.touch(&name);
        Ok(app.place.at(&name))
    }

    fn run_bundler(
        &self,
        app: &AppSources,
        toolchain: &Path,
        made: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), BuildError> {
        let made = made
            .canonicalize()
            .map_err(build_folder::cannot_write(made))?;
        let imports = app.shape.deno.as_ref().map(|deno| &deno.imports);
        let options = json!({
            "folder": self.root,
            "entry": self.entry,
            "out": made.join("app.js"),
            "map": made.join("app.js.map"),
            "outside": made.join(OUTSIDE),
            "imports": imports,
        });
        let mut node = Command::new("node");
        node.arg(toolchain.join(toolchain::BUNDLER))
            .arg(options.to_string())
            .current_dir(&self.root);
        run::stream(node, "esbuild", app.tools, &mut |_, line| {
            progress(Progress::Line(line))
        })
        .map_err(toolchain::absent)
    }
}

/// Whether a bundle is there, and its sources outside of the app's folder are as they were.
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
