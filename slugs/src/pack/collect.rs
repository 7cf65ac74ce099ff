//! Owns the list of the files that a slug of a built app holds.
//! Must not know what is in them.

use std::path::Path;

use super::error::PackError;
use crate::app_files::{AppFilesError, FolderContents};
use crate::build::built_app::{BuiltApp, IncludedFiles};
use crate::format::ENTRIES_MAX;

/// The app's files and links. `output` is the slug being written.
pub(super) fn collect_files(app: &BuiltApp, output: &Path) -> Result<FolderContents, PackError> {
    let project = &app.project;
    let mut contents = match app.files {
        IncludedFiles::Folder => FolderContents::read(
            &project.folder,
            &project.settings,
            output.canonicalize().ok(),
        )?,
        IncludedFiles::None => FolderContents::default(),
    };
    for built in app.components.iter().chain(&app.extra_files) {
        contents.links.remove(&built.path);
        contents
            .files
            .insert(built.path.clone(), built.file.clone());
    }
    if contents.len() > ENTRIES_MAX {
        return Err(AppFilesError::TooManyFiles.into());
    }
    contents.check_links()?;
    // Components that a Procfile names are packed even where a pattern leaves their folder out.
    for command in project
        .procfile
        .iter()
        .flat_map(|procfile| procfile.processes.values())
    {
        let file = project.folder.join(command.component.as_str());
        if app.files == IncludedFiles::Folder && file.is_file() {
            // A component has to be a file: a link to a component is replaced by a copy.
            contents.links.remove(&command.component);
            contents
                .files
                .entry(command.component.clone())
                .or_insert(file);
        }
    }
    Ok(contents)
}
