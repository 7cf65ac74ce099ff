//! Owns the build of a static site: the list of its files, and the component that serves them.
//! Must not know slugs. The component is built ahead from `slugs/site` and is part of this program: a site needs no tool
//! and no network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::detect::INDEX;
use crate::app_files;
use crate::build::output::{BuilderOutput, BuiltFile, web_command};
use crate::build::toolbox::build_folder::{self, BuildFolder};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::tools::Tools;
use crate::digest::Digest;
use crate::manifest::error::BuildWarning;
use crate::manifest::procfile::{self, Procfile};
use crate::manifest::settings::{self, ProjectSettings};
use crate::manifest::slug_json::BuilderRecord;
use crate::path::SlugPath;

const COMPONENT: &str = ".dyno/site.wasm";
/// The path at which the component looks for the list of files.
const LIST: &str = ".dyno/site";
/// The first line of a list, which names its format. The component checks it.
const LIST_HEADER: &str = "dyno-site 1";
const SERVER: &[u8] = include_bytes!("../../../site/site.wasm");
/// Digits of a digest in an entity tag: 128 bits, so two versions of a file never share a tag.
const TAG_DIGITS: usize = 32;
/// Files at the top that say how an app is run. They are not served when the site is the whole folder.
const APP_FILES: [&str; 3] = ["Procfile", "dyno.toml", "app.json"];
/// The one folder whose name begins with `.` and that is meant for the public (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// Builds the site in a folder, or in the subfolder that `root` names.
pub(in crate::build) fn build(
    folder: &Path,
    procfile: Option<&Procfile>,
    settings: &ProjectSettings,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<BuilderOutput, BuilderError> {
    let root = settings.site.root.as_deref().unwrap_or_default();
    if !folder.join(root).is_dir() {
        return Err(BuilderError::Refused(format!(
            "{} names the site's root `{root}`, which is not a folder of the app: correct it, or make it with `command` under [build]",
            settings::NAME
        )));
    }
    let files = list_site_files(folder, settings, root)?;
    if files.is_empty() {
        return Err(BuilderError::Refused(format!(
            "the site's root `{root}` holds no file that belongs to the app: correct `root` in {}, or check what .slugignore leaves out",
            settings::NAME
        )));
    }
    progress(BuildProgress::Step(format!(
        "listing {} files of the site",
        files.len()
    )));
    let fallback = settings.site.fallback.as_deref();
    let list = format_list(root, fallback, &files)?;
    let outputs = BuildFolder::open_shared("static", tools, progress)?;
    Ok(BuilderOutput {
        builder: BuilderRecord {
            name: "static".to_owned(),
            tool: String::new(),
        },
        components: vec![keep_output(&outputs, COMPONENT, "server", SERVER)?],
        extra_files: vec![keep_output(&outputs, LIST, "list", list.as_bytes())?],
        commands: Some(web_command(COMPONENT)),
        command_words: BTreeMap::new(),
        warnings: find_warnings(procfile, root, fallback, &files),
    })
}

/// Lists the site's public files: name below the root, and path on the disk.
fn list_site_files(
    folder: &Path,
    settings: &ProjectSettings,
    root: &str,
) -> Result<BTreeMap<String, PathBuf>, BuilderError> {
    let all = app_files::list_files(folder, settings).map_err(Box::new)?;
    let below_root = |path: &SlugPath| match root {
        "" => Some(path.as_str().to_owned()),
        root => {
            let rest = path.as_str().strip_prefix(root)?;
            Some(rest.strip_prefix('/')?.to_owned())
        }
    };
    let files = all
        .into_iter()
        .filter_map(|(path, file)| Some((below_root(&path)?, file)));
    let is_served = |name: &str| is_public(name) && !(root.is_empty() && APP_FILES.contains(&name));
    Ok(files.filter(|(name, _)| is_served(name)).collect())
}

/// Whether no part of a name is hidden.
fn is_public(name: &str) -> bool {
    let mut parts = name.split('/').enumerate();
    parts.all(|(at, part)| !part.starts_with('.') || (at == 0 && part == WELL_KNOWN))
}

/// Writes the list of files in the form that the component reads.
fn format_list(
    root: &str,
    fallback: Option<&str>,
    files: &BTreeMap<String, PathBuf>,
) -> Result<String, BuilderError> {
    let mut list = format!("{LIST_HEADER}\nroot {root}\n");
    if let Some(fallback) = fallback {
        list.push_str(&format!("fallback {fallback}\n"));
    }
    for (name, file) in files {
        let (bytes, digest) = digest_file(file).map_err(|source| BuilderError::Read {
            path: file.clone(),
            source,
        })?;
        list.push_str(&format!("file {bytes} {digest} {name}\n"));
    }
    Ok(list)
}

/// A file's size, and its digest as an entity tag.
fn digest_file(file: &Path) -> io::Result<(u64, String)> {
    let (digest, bytes) = Digest::of_reader(File::open(file)?)?;
    let mut tag = digest.to_string();
    tag.truncate(TAG_DIGITS);
    Ok((bytes, tag))
}

/// Writes a file for the slug to the cache, under a name made of its contents.
fn keep_output(
    outputs: &BuildFolder,
    name: &str,
    kind: &str,
    bytes: &[u8],
) -> Result<BuiltFile, BuilderError> {
    let kept = format!("{kind}-{}", build_folder::content_key(&[bytes]));
    if !outputs.path_of(&kept).is_file() {
        outputs.save_file(&kept, bytes)?;
    }
    outputs.mark_used(&kept);
    outputs.prune_old(&format!("{kind}-"));
    BuiltFile::new(name, &outputs.path_of(&kept))
}

fn find_warnings(
    procfile: Option<&Procfile>,
    root: &str,
    fallback: Option<&str>,
    files: &BTreeMap<String, PathBuf>,
) -> Vec<BuildWarning> {
    let warning = |file: &str, text: String| BuildWarning {
        file: file.to_owned(),
        line: None,
        text,
    };
    let mut warnings = Vec::new();
    if !files.contains_key(INDEX) {
        let folder = if root.is_empty() { "." } else { root };
        warnings.push(warning(
            folder,
            format!("it has no {INDEX}, so / answers 404"),
        ));
    }
    if let Some(fallback) = fallback.filter(|fallback| !files.contains_key(*fallback)) {
        let text = format!("`fallback` is {fallback}, which is not in the site's root");
        warnings.push(warning(settings::NAME, text));
    }
    if procfile.is_some() {
        let text = "it is not used: dyno itself serves a static site";
        warnings.push(warning(procfile::NAME, text.to_owned()));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn names_with_a_leading_dot_are_hidden_except_well_known_rfc8615() {
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
