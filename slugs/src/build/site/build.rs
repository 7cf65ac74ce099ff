//! Owns the builder of static sites: the files of a folder, the list of them, and the component that serves them.
//! Must not know slugs. The component is built ahead from `slugs/site` and is part of this program: a site needs no
//! tool and no network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::build::project::Project;
use crate::build::toolbox::build_folder::{self, Place};
use crate::build::{BuildError, BuiltComponent, Made, Progress, Tools};
use crate::digest::Digesting;
use crate::manifest::{Builder, Warning, settings};
use crate::path::SlugPath;

const COMPONENT: &str = ".dyno/site.wasm";
/// Where the component looks for the list of files.
const LIST: &str = ".dyno/site";
/// The first line of a list: its form, which the component must know.
const LIST_HEADER: &str = "dyno-site 1";
const SERVER: &[u8] = include_bytes!("../../../site/site.wasm");
/// What stands for a folder, and for the site itself.
pub(crate) const INDEX: &str = "index.html";
/// Digits of a digest in an entity tag: two versions of a file never share that many.
const TAG_DIGITS: usize = 32;
/// Files at the top that say how an app is run: no part of a site that is the whole folder.
const OWN_FILES: [&str; 3] = ["Procfile", "dyno.toml", "app.json"];
/// The one folder that begins with `.` and is meant for the public (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// Builds the site in a folder, or in the folder that `root` names.
pub(crate) fn build(
    project: &Project,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    let root = project.settings.site.root.as_deref().unwrap_or_default();
    if !project.folder.join(root).is_dir() {
        return Err(BuildError::Refused(format!(
            "{} names the site's root `{root}`, which is no folder of the app: correct it, or make it with `command` under [build]",
            settings::NAME
        )));
    }
    let files = site_files(project, root)?;
    if files.is_empty() {
        return Err(BuildError::Refused(format!(
            "the site's root `{root}` holds no file that belongs to the app: correct `root` in {}, or see what .slugignore leaves out",
            settings::NAME
        )));
    }
    progress(Progress::Step(format!(
        "listing {} files of the site",
        files.len()
    )));
    let fallback = project.settings.site.fallback.as_deref();
    let list = list(root, fallback, &files)?;
    let place = Place::shared("static", tools, progress)?;
    Ok(Made {
        builder: Builder {
            name: "static".to_owned(),
            tool: String::new(),
        },
        components: vec![keep(&place, COMPONENT, "server", SERVER)?],
        files: vec![keep(&place, LIST, "list", list.as_bytes())?],
        commands: Some(crate::build::web(COMPONENT)),
        command_words: Default::default(),
        warnings: warnings(project, root, fallback, &files),
    })
}

/// The site's public files: their names below the root, and where they are.
fn site_files(project: &Project, root: &str) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let all = crate::pack::folder_files(project).map_err(Box::new)?;
    let inside = |path: &SlugPath| match root {
        "" => Some(path.as_str().to_owned()),
        root => {
            let rest = path.as_str().strip_prefix(root)?;
            Some(rest.strip_prefix('/')?.to_owned())
        }
    };
    let files = all
        .into_iter()
        .filter_map(|(path, file)| Some((inside(&path)?, file)));
    Ok(files
        .filter(|(name, _)| {
            is_public(name) && !(root.is_empty() && OWN_FILES.contains(&name.as_str()))
        })
        .collect())
}

/// Whether no part of a name is hidden.
fn is_public(name: &str) -> bool {
    let mut parts = name.split('/').enumerate();
    parts.all(|(at, part)| !part.starts_with('.') || (at == 0 && part == WELL_KNOWN))
}

/// The list of files as the component reads it.
fn list(
    root: &str,
    fallback: Option<&str>,
    files: &BTreeMap<String, PathBuf>,
) -> Result<String, BuildError> {
    let mut list = format!("{LIST_HEADER}\nroot {root}\n");
    if let Some(fallback) = fallback {
        list.push_str(&format!("fallback {fallback}\n"));
    }
    for (name, file) in files {
        let (bytes, digest) = digest(file).map_err(|source| BuildError::Read {
            path: file.clone(),
            source,
        })?;
        list.push_str(&format!("file {bytes} {digest} {name}\n"));
    }
    Ok(list)
}

fn digest(file: &Path) -> io::Result<(u64, String)> {
    let mut reader = Digesting::new(File::open(file)?);
    io::copy(&mut reader, &mut io::sink())?;
    let mut digest = reader.digest().to_string();
    digest.truncate(TAG_DIGITS);
    Ok((reader.passed(), digest))
}

/// Writes something that the slug is to hold, named by what is in it.
fn keep(place: &Place, name: &str, kind: &str, bytes: &[u8]) -> Result<BuiltComponent, BuildError> {
    let kept = format!("{kind}-{}", build_folder::key(&[bytes]));
    if !place.at(&kept).is_file() {
        place.save(&kept, bytes)?;
    }
    place.touch(&kept);
    place.prune(&format!("{kind}-"));
    Ok(BuiltComponent {
        path: SlugPath::new(name).expect("a path that this program names"),
        file: place.at(&kept),
    })
}

fn warnings(
    project: &Project,
    root: &str,
    fallback: Option<&str>,
    files: &BTreeMap<String, PathBuf>,
) -> Vec<Warning> {
    let warning = |file: &str, text: String| Warning {
        file: file.to_owned(),
        line: None,
        text,
    };
    let mut warnings = Vec::new();
    if !files.contains_key(INDEX) {
        let place = if root.is_empty() { "." } else { root };
        warnings.push(warning(
            place,
            format!("it has no {INDEX}, so / answers 404"),
        ));
    }
    if let Some(fallback) = fallback.filter(|fallback| !files.contains_key(*fallback)) {
        let text = format!("`fallback` is {fallback}, which is not in the site's root");
        warnings.push(warning(settings::NAME, text));
    }
    if project.procfile.is_some() {
        let text = "it is not used: dyno itself serves a static site";
        warnings.push(warning(crate::manifest::procfile::NAME, text.to_owned()));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn what_begins_with_a_dot_is_not_public_but_for_well_known() {
        for name in ["index.html", "a/b.css", ".well-known/security.txt"] {
            assert!(is_public(name), "{name}");
        }
        for name in [
            ".env",
            ".git/config",
            "a/.secret",
            ".dyno/site",
            "a/.well-known/x",
            ".well-known/.x",
        ] {
            assert!(!is_public(name), "{name}");
        }
    }
}
