//! Owns the manifest of a built app: digests, process types, formation.
//! Must not know the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use super::error::PackError;
use crate::app_files::FolderContents;
use crate::build::built_app::BuiltApp;
use crate::build::output::BuiltFile;
use crate::component;
use crate::digest::Digest;
use crate::format::{COMPONENT_BYTES_MAX, FORMAT_WITHOUT_COMMANDS, MANIFEST_BYTES_MAX};
use crate::manifest::command::ProcessCommand;
use crate::manifest::slug_json::{FileRecord, Manifest, ManifestError, ManifestProcess};
use crate::path::SlugPath;

/// Digests all files, and writes the manifest.
pub(super) fn describe_app(
    app: &BuiltApp,
    collected: &FolderContents,
) -> Result<Manifest, PackError> {
    let sources = &collected.files;
    let mut files = BTreeMap::new();
    for (path, source) in sources {
        files.insert(path.clone(), record_file(source)?);
    }
    let processes = describe_processes(app, sources)?;
    let formation = app.project.formation();
    if let Some(process) = formation
        .keys()
        .find(|process| !processes.contains_key(process))
    {
        let known: Vec<&str> = processes.keys().map(ProcessType::as_str).collect();
        return Err(PackError::Formation {
            process: process.clone(),
            known: known.join(", "),
        });
    }
    let mut manifest = Manifest {
        format: FORMAT_WITHOUT_COMMANDS,
        builder: app.builder.clone(),
        processes,
        commands: app.command_words.clone(),
        formation,
        env: app.project.app_json.env.clone(),
        files,
        links: collected.links.clone(),
    };
    manifest.format = manifest.required_format();
    manifest.check().map_err(PackError::Manifest)?;
    let bytes = manifest.to_json().len() as u64;
    if bytes > MANIFEST_BYTES_MAX {
        let too_much = ManifestError::TooMuch {
            what: "bytes of slug.json",
            most: MANIFEST_BYTES_MAX,
        };
        return Err(PackError::Manifest(too_much));
    }
    Ok(manifest)
}

/// The size and digest of a file.
fn record_file(source: &Path) -> Result<FileRecord, PackError> {
    let failed = |error| PackError::Read {
        path: source.to_owned(),
        source: error,
    };
    let (sha256, bytes) = File::open(source)
        .and_then(Digest::of_reader)
        .map_err(failed)?;
    Ok(FileRecord { bytes, sha256 })
}

/// The component, world and limits of each process type.
fn describe_processes(
    app: &BuiltApp,
    sources: &BTreeMap<SlugPath, PathBuf>,
) -> Result<BTreeMap<ProcessType, ManifestProcess>, PackError> {
    let mut inspected = BTreeMap::new();
    let mut processes = BTreeMap::new();
    for (process, ProcessCommand { component, args }) in find_commands(app)? {
        let source = sources
            .get(&component)
            .ok_or_else(|| PackError::NoComponent {
                process: process.clone(),
                component: component.clone(),
                available: component_names(app),
            })?;
        if !inspected.contains_key(&component) {
            inspected.insert(component.clone(), inspect_component(&component, source)?);
        }
        let unfit = |source| PackError::Unfit {
            component: component.clone(),
            process: process.clone(),
            source,
        };
        let (world, kind) = inspected[&component].fit(&process).map_err(unfit)?;
        let limits = app.project.settings.limits;
        processes.insert(
            process,
            ManifestProcess {
                component,
                args,
                world,
                kind,
                limits,
            },
        );
    }
    Ok(processes)
}

/// The command of each process type: from the builder, from the Procfile, or the only component as `web`.
fn find_commands(app: &BuiltApp) -> Result<BTreeMap<ProcessType, ProcessCommand>, PackError> {
    if let Some(commands) = &app.commands {
        return Ok(commands.clone());
    }
    match (&app.project.procfile, app.components.as_slice()) {
        (Some(procfile), _) => Ok(procfile.processes.clone()),
        (None, [BuiltFile { path, .. }]) => {
            let command = ProcessCommand {
                component: path.clone(),
                args: Vec::new(),
            };
            Ok(BTreeMap::from([(ProcessType::web(), command)]))
        }
        (None, _) => Err(PackError::NoProcfile {
            available: component_names(app),
        }),
    }
}

/// The names of the components that the build made.
fn component_names(app: &BuiltApp) -> Vec<SlugPath> {
    app.components
        .iter()
        .map(|component| component.path.clone())
        .collect()
}

/// Reads the imports and exports of a component.
fn inspect_component(
    component: &SlugPath,
    source: &Path,
) -> Result<component::Component, PackError> {
    let failed = |error| PackError::Read {
        path: source.to_owned(),
        source: error,
    };
    let mut bytes = Vec::new();
    File::open(source)
        .map_err(failed)?
        .take(COMPONENT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    component::inspect(&bytes).map_err(|source| PackError::Component {
        component: component.clone(),
        source,
    })
}
