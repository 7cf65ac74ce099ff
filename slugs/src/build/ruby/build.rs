//! Owns the build of a Ruby app: the component of all Ruby apps, the app's gems, and what the component has to know of the app.
//! The app's own files stay files, which a dyno loads when it boots. Must not know slugs.

use std::path::Path;

use super::entry::{RubyEntry, find_entry};
use super::gems::{AppGems, ensure_gems, gemfile_of};
use super::layout::{COMPONENT, ENTRY};
use super::{processes, toolchain};
use crate::build::output::{BuilderOutput, BuiltFile, web_command};
use crate::build::toolbox::build_folder::BuildFolder;
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::tools::Tools;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::BuilderRecord;

/// Builds the app in a folder with Ruby files.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let entry = find_entry(folder, procfile)?;
    let outputs = BuildFolder::open_for_app(folder, tools, progress)?;
    let gems = ensure_gems(folder, &outputs, tools, progress)?;
    check_rack(folder, &entry, &gems)?;
    let mut commands = processes::other_commands(folder, procfile, &gems.entries)?;
    if entry.start.is_some() {
        commands.extend(web_command(COMPONENT));
    }
    let component = toolchain::ensure_component(tools, progress)?;
    let command_words = processes::command_words(&gems.entries);
    let entry = RubyEntry {
        gems: gems.entries,
        ..entry
    };
    let entry = serde_json::to_string(&entry).expect("texts and lists of them");
    let entry = outputs.save_file("ruby.json", entry)?;
    let mut extra_files = gems.files;
    extra_files.push(BuiltFile::new(ENTRY, &entry)?);
    Ok(BuilderOutput {
        builder: BuilderRecord {
            name: "ruby".to_owned(),
            tool: "ruby.wasm 2.10.1 (Ruby 3.4.1)".to_owned(),
        },
        components: vec![BuiltFile::new(COMPONENT, &component)?],
        extra_files,
        commands: Some(commands),
        command_words,
        warnings: Vec::new(),
    })
}

/// Fails if a rackup file has no Rack to load.
fn check_rack(folder: &Path, entry: &RubyEntry, gems: &AppGems) -> Result<(), BuilderError> {
    let needs_rack = entry
        .start
        .as_ref()
        .is_some_and(|start| start.ends_with(".ru"));
    if !needs_rack || gems.has("rack") {
        return Ok(());
    }
    Err(BuilderError::Refused(match gemfile_of(folder) {
        Some(gemfile) => format!(
            "{gemfile} does not name the gem `rack`, which a rackup file needs: add `gem \"rack\"`"
        ),
        None => "the app has no Gemfile: write one that names its gems, `gem \"rack\"` among them"
            .to_owned(),
    }))
}
