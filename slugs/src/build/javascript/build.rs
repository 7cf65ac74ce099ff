//! Owns the build of a JavaScript or TypeScript app: it becomes one bundle, a file that the component of all JavaScript
//! apps runs. Must not know slugs.
//!
//! The component holds the engine and the handler. It is made once, when the toolchain is installed: a change in an app
//! costs a new bundle but no compilation, and all apps of a machine share the compiled code. The component is not
//! reproducible, since the engine's snapshot holds random seeds: two machines make two files that behave alike.
//!
//! Nothing is written to the app's folder: npm installs and builds in a copy, in the cache.

use std::collections::BTreeMap;
use std::path::Path;

use super::app_copy::JavascriptApp;
use super::bundle::{BundleInput, list_package_files};
use super::project::JavascriptProject;
use super::{entry, toolchain};
use crate::build::output::{BuilderOutput, BuiltFile, web_command};
use crate::build::toolbox::build_folder::BuildFolder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::sources;
use crate::build::toolbox::tools::Tools;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::BuilderRecord;

const COMPONENT: &str = ".dyno/javascript.wasm";
/// The paths at which the component looks for the bundle, its source map, and the settings from the app's
/// configuration.
const BUNDLE: &str = ".dyno/app.js";
const MAP: &str = ".dyno/app.js.map";
const SETTINGS: &str = ".dyno/app.json";

/// Builds the app in a folder.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let sources = sources::list_files(folder, &|_| true)?;
    let project = JavascriptProject::read(folder, &sources)?;
    let entry = entry::find_entry(folder, &project, procfile)?;
    let toolchain = toolchain::ensure(tools, progress)?;
    let outputs = BuildFolder::open_for_app(folder, tools, progress)?;
    let app = JavascriptApp {
        folder,
        sources: &sources,
        project: &project,
        outputs: &outputs,
        tools,
    };
    let digest = sources::digest_files(&sources)?;
    let input = BundleInput::prepare(&app, &entry.point, &digest, progress)?;
    let bundle = input.bundle(&app, &toolchain, &digest, progress)?;
    let mut extra_files = vec![
        BuiltFile::new(BUNDLE, &bundle.join("app.js"))?,
        BuiltFile::new(MAP, &bundle.join("app.js.map"))?,
    ];
    if let Some(settings) = project.worker.as_ref().and_then(|w| w.settings.to_json()) {
        let file = outputs.save_file("app.json", &settings)?;
        extra_files.push(BuiltFile::new(SETTINGS, &file)?);
    }
    extra_files.extend(list_package_files(&bundle)?);
    for file in &input.written {
        extra_files.push(BuiltFile::new(&file.name, &file.path)?);
    }
    Ok(BuilderOutput {
        builder: BuilderRecord {
            name: "javascript".to_owned(),
            tool: "componentize-js 0.23.0, esbuild 0.25.12".to_owned(),
        },
        components: vec![BuiltFile::new(
            COMPONENT,
            &toolchain.join(toolchain::COMPONENT),
        )?],
        extra_files,
        commands: Some(web_command(COMPONENT)),
        command_words: BTreeMap::new(),
        warnings: entry.warnings,
    })
}
