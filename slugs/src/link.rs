//! Owns the rules for symbolic links in an app: a link is relative, and leads to a file or folder of the app.
//! Must not know the disk or archives. Links are texts here: they are resolved by these rules, never by the system.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::path::{PATH_BYTES_MAX, SlugPath};

/// Most symbolic links on one path, as on Linux.
const LINKS_MAX: usize = 40;
/// Most names on one path after all its links are resolved. It bounds the check of a slug from an untrusted source.
const PARTS_MAX: usize = 512;
/// Most symbolic links of one app, for the same reason.
pub(crate) const APP_LINKS_MAX: usize = 10_000;
/// Folders that each dyno has for itself: their contents are known only at run time.
const DYNO_FOLDERS: [&str; 2] = ["tmp", "log"];

/// Why a symbolic link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The target is absolute, such as `/etc/passwd`.
    #[error("its target is an absolute path: make it relative, `ln -s -r`")]
    Absolute,
    /// The target has more `..` than there are folders.
    #[error("it leads out of the app's folder")]
    Outside,
    /// The target is missing, or left out of the slug.
    #[error("its target is not in the slug: is it left out, an empty folder, or removed?")]
    Dangling,
    /// The link leads to itself, directly or through other links.
    #[error(
        "it leads in a circle, or through too many links ({LINKS_MAX}) or folders ({PARTS_MAX})"
    )]
    Cyclic,
    /// The target is no text, has control characters, or is too long.
    #[error(
        "its target is empty, not UTF-8, has control characters or backslashes, or is longer than {PATH_BYTES_MAX} bytes"
    )]
    Target,
}

/// The names of an app's files, folders and links.
pub(crate) struct AppTree<'a> {
    files: BTreeSet<&'a str>,
    folders: BTreeSet<&'a str>,
    links: &'a BTreeMap<SlugPath, String>,
}

impl<'a> AppTree<'a> {
    /// The tree of these files and links; folders are those that their names imply.
    pub(crate) fn new(
        files: impl Iterator<Item = &'a SlugPath>,
        links: &'a BTreeMap<SlugPath, String>,
    ) -> Self {
        let files: Vec<&SlugPath> = files.collect();
        let all = files.iter().copied().chain(links.keys());
        Self {
            folders: all.flat_map(SlugPath::folders).collect(),
            files: files.into_iter().map(SlugPath::as_str).collect(),
            links,
        }
    }

    /// Checks that a link leads to a file or folder of the app.
    pub(crate) fn check(&self, link: &SlugPath, target: &str) -> Result<(), LinkError> {
        check_target(target)?;
        let mut at: Vec<&str> = link.as_str().split('/').collect();
        at.pop();
        let mut parts: VecDeque<&str> = target.split('/').collect();
        let (mut followed, mut steps) = (1, 0);
        while let Some(part) = parts.pop_front() {
            steps += 1;
            match part {
                "" | "." => {}
                ".." => self.climb(&mut at)?,
                name => at.push(name),
            }
            if let Some(next) = self.link(&at) {
                followed += 1;
                at.pop();
                for part in next.split('/').rev() {
                    parts.push_front(part);
                }
            }
            if followed > LINKS_MAX || steps > PARTS_MAX {
                return Err(LinkError::Cyclic);
            }
        }
        let there = is_in_dyno_folder(&at)
            || self.is_folder(&at)
            || self.files.contains(at.join("/").as_str());
        there.then_some(()).ok_or(LinkError::Dangling)
    }

    fn climb(&self, at: &mut Vec<&str>) -> Result<(), LinkError> {
        if !is_in_dyno_folder(at) && !self.is_folder(at) {
            return Err(LinkError::Dangling);
        }
        at.pop().map(drop).ok_or(LinkError::Outside)
    }

    fn is_folder(&self, at: &[&str]) -> bool {
        at.is_empty() || self.folders.contains(at.join("/").as_str())
    }

    fn link(&self, at: &[&str]) -> Option<&'a str> {
        self.links.get(at.join("/").as_str()).map(String::as_str)
    }
}

fn is_in_dyno_folder(at: &[&str]) -> bool {
    at.first().is_some_and(|first| DYNO_FOLDERS.contains(first))
}

/// Checks the form of a target alone.
fn check_target(target: &str) -> Result<(), LinkError> {
    if target.starts_with('/') {
        return Err(LinkError::Absolute);
    }
    let is_text = !target
        .chars()
        .any(|letter| letter.is_control() || letter == '\\');
    if target.is_empty() || target.len() > PATH_BYTES_MAX || !is_text {
        return Err(LinkError::Target);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SlugPath {
        SlugPath::new(text).expect("a path")
    }

    fn check(link: &str, target: &str) -> Result<(), LinkError> {
        let files = ["a.txt", "d/b.txt", "d/e/c.txt"].map(path);
        let mut links: BTreeMap<SlugPath, String> = [
            ("to-d", "d"),
            ("d/up", ".."),
            ("one", "two"),
            ("two", "one"),
            ("self", "self"),
            ("chain", "to-d/e/../b.txt"),
        ]
        .map(|(link, target)| (path(link), target.to_owned()))
        .into();
        links.insert(path(link), target.to_owned());
        AppTree::new(files.iter(), &links).check(&path(link), target)
    }

    #[test]
    fn links_to_files_of_the_app_are_accepted() {
        for (link, target) in [
            ("x", "a.txt"),
            ("x", "./a.txt"),
            ("x", "d"),
            ("x", "d/"),
            ("d/x", "../a.txt"),
            ("d/e/x", "../../d/.././a.txt"),
            ("x", "to-d/b.txt"),
            ("x", "to-d/up/to-d/e/c.txt"),
            ("x", "chain"),
            ("x", "."),
            ("d/x", ".."),
            ("new/x", "../a.txt"),
            ("x", "tmp/uploads"),
            ("d/x", "../log"),
        ] {
            assert_eq!(check(link, target), Ok(()), "{link} -> {target}");
        }
    }

    #[test]
    fn links_out_of_the_app_are_refused() {
        for (link, target, why) in [
            ("x", "/etc/passwd", LinkError::Absolute),
            ("x", "..", LinkError::Outside),
            ("x", "../a.txt", LinkError::Outside),
            ("d/x", "../../a.txt", LinkError::Outside),
            ("x", "to-d/../../a.txt", LinkError::Outside),
            ("x", "d/up/../a.txt", LinkError::Outside),
            ("x", "tmp/../../a.txt", LinkError::Outside),
            ("x", "none", LinkError::Dangling),
            ("x", "none/../a.txt", LinkError::Dangling),
            ("x", "a.txt/../d", LinkError::Dangling),
            ("x", "a.txt/b", LinkError::Dangling),
            ("d/x", "a.txt", LinkError::Dangling),
            ("x", "one", LinkError::Cyclic),
            ("x", "x", LinkError::Cyclic),
            ("x", "self/a.txt", LinkError::Cyclic),
            ("x", "d/../x", LinkError::Cyclic),
            ("x", "", LinkError::Target),
            ("x", "a\n", LinkError::Target),
            ("x", "d\\b.txt", LinkError::Target),
        ] {
            assert_eq!(check(link, target), Err(why), "{link} -> {target}");
        }
    }
}
