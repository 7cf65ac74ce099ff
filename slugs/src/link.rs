//! Owns what a symbolic link in an app may be: relative, and leading to something in the app's folder.
//! Must not know the disk or archives. A link is text here, followed by rule and never by the system.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::path::{PATH_BYTES_MAX, SlugPath};

/// Symbolic links that one path may go through, as on Linux.
const LINKS_MAX: usize = 40;
/// Names that one path may have with all links in it followed; it bounds the check of a stranger's slug.
const PARTS_MAX: usize = 512;
/// Symbolic links of one app, for the same reason.
pub(crate) const APP_LINKS_MAX: usize = 10_000;
/// Folders that each dyno has for itself: what is in them is known only when it runs.
const OWN_FOLDERS: [&str; 2] = ["tmp", "log"];

/// Why a symbolic link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// `/etc/passwd`
    #[error("its target is an absolute path: make it relative, `ln -s -r`")]
    Absolute,
    /// More `..` than folders.
    #[error("it leads out of the app's folder")]
    Outside,
    /// To nothing, or to what is left out.
    #[error("it leads to nothing in the slug: is its target left out, an empty folder, or gone?")]
    Dangling,
    /// To itself, by whatever way.
    #[error(
        "it leads in a circle, or through too many links ({LINKS_MAX}) or folders ({PARTS_MAX})"
    )]
    Cyclic,
    /// Not a text, with control characters, or too long.
    #[error(
        "its target is empty, not UTF-8, has control characters or backslashes, or is longer than {PATH_BYTES_MAX} bytes"
    )]
    Target,
}

/// An app's files, folders and links by name.
pub(crate) struct Names<'a> {
    files: BTreeSet<&'a str>,
    folders: BTreeSet<&'a str>,
    links: &'a BTreeMap<SlugPath, String>,
}

impl<'a> Names<'a> {
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

    /// Checks that a link of the app leads to something in the app.
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
        let there =
            is_own(&at) || self.is_folder(&at) || self.files.contains(at.join("/").as_str());
        there.then_some(()).ok_or(LinkError::Dangling)
    }

    fn climb(&self, at: &mut Vec<&str>) -> Result<(), LinkError> {
        if !is_own(at) && !self.is_folder(at) {
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

fn is_own(at: &[&str]) -> bool {
    at.first().is_some_and(|first| OWN_FOLDERS.contains(first))
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
        Names::new(files.iter(), &links).check(&path(link), target)
    }

    #[test]
    fn links_within_the_folder_are_kept() {
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
    fn others_are_refused() {
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
