//! Owns what a slug's manifest says of a build: digests, process types, formation.
//! Must not know the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use grid::name::ProcessType;

use super::PackError;
use super::collect::Collected;
use crate::build::{Built, BuiltComponent};
use crate::component;
use crate::digest::Digesting;
use crate::format::{COMPONENT_BYTES_MAX, FORMAT_WITHOUT_COMMANDS, MANIFEST_BYTES_MAX};
use crate::manifest::{Command, FileRecord, Manifest, ManifestError, Process};
use crate::path::SlugPath;

/// Digests all files and says what they are.
pub(super) fn manifest(built: &Built, collected: &Collected) -> Result<Manifest, PackError> {
    let sources = &collected.files;
    let mut files = BTreeMap::new();
    for (path, source) in sources {
        files.insert(path.clone(), record(source)?);
    }
    let processes = processes(built, sources)?;
    let formation = built.project.formation();
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
        builder: built.builder.clone(),
        processes,
        commands: built.command_words.clone(),
        formation,
        env: built.project.app_json.env.clone(),
        files,
        links: collected.links.clone(),
    };
    manifest.format = manifest.format_needed();
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

fn record(source: &Path) -> Result<FileRecord, PackError> {
    let failed = |error| PackError::Read {
        path: source.to_owned(),
        source: error,
    };
    let mut reader = Digesting::new(File::open(source).map_err(failed)?);
    io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
    Ok(FileRecord {
        bytes: reader.passed(),
        sha256: reader.digest(),
    })
}

/// What each process type runs, with the world that fits.
fn processes(
    built: &Built,
    sources: &BTreeMap<SlugPath, PathBuf>,
) -> Result<BTreeMap<ProcessType, Process>, PackError> {
    let mut inspected = BTreeMap::new();
    let mut processes = BTreeMap::new();
    for (process, Command { component, args }) in commands(built)? {
        let source = sources
            .get(&component)
            .ok_or_else(|| PackError::NoComponent {
                process: process.clone(),
                component: component.clone(),
                available: available(built),
            })?;
        if !inspected.contains_key(&component) {
            inspected.insert(component.clone(), inspect(&component, source)?);
        }
        let unfit = |source| PackError::Unfit {
            component: component.clone(),
            process: process.clone(),
            source,
        };
        let (world, kind) = inspected[&component].fit(&process).map_err(unfit)?;
        let limits = built.project.settings.limits;
        processes.insert(
            process,
            Process {
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

/// What each process type is to run: by the builder, by the Procfile, or the only component as `web`.
fn commands(built: &Built) -> Result<BTreeMap<ProcessType, Command>, PackError> {
    if let Some(commands) = &built.commands {
        return Ok(commands.clone());
    }
    match (&built.project.procfile, built.components.as_slice()) {
        (Some(procfile), _) => Ok(procfile.processes.clone()),
        (None, [BuiltComponent { path, .. }]) => {
            let command = Command {
                component: path.clone(),
                args: Vec::new(),
            };
            Ok(BTreeMap::from([(ProcessType::web(), command)]))
        }
        (None, _) => Err(PackError::NoProcfile {
            available: available(built),
        }),
    }
}

fn available(built: &Built) -> Vec<SlugPath> {
    built
        .components
        .iter()
        .map(|component| component.path.clone())
        .collect()
}

fn inspect(component: &SlugPath, source: &Path) -> Result<component::Component, PackError> {
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
