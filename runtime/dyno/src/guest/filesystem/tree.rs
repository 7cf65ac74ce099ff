//! The tree of folders that a guest sees: the app's files at `/`, with `tmp`, `log` and folders of the machine in it.
//!
//! Owns which real folder a guest's path leads to. Each folder of the tree is a directory of its own on the host, so
//! the engine would look for `tmp/x` among the app's files when a guest opens that path relative to `/`.
//! [`FileTree::follow_path`] follows a path through the borders between folders, and the engine opens the remaining
//! path in the folder where the path ends. The engine still confines each path to the folder that it is given: a
//! mistake here shows a guest the wrong one of its own files, and never a file of the host. Must not know WASI
//! versions or quotas.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::Dir;

use crate::guest::filesystem::paths::{
    FileRefusal, FolderId, LastLink, ResolvedPath, open_host_dir,
};

/// The longest path that is followed here, in bytes (Linux's `PATH_MAX`). The engine refuses longer paths.
const PATH_BYTES_MAX: usize = 4_096;
/// The most symbolic links that one path may go through, as on Linux.
const LINKS_MAX: usize = 40;
/// The most parts of one path, including those that its links add: each part may need a disk access on a thread of
/// the runtime.
const PARTS_MAX: usize = 1_024;

/// The symbolic links of an app, as in the slug: path and target, both relative to the folder of the link.
pub(crate) type AppLinks = BTreeMap<String, String>;

/// A folder as the guest receives it.
#[derive(Clone)]
pub(crate) struct TreeFolder {
    /// The guest's path of the folder: `/`, `/tmp`, `/data`.
    pub(crate) guest: String,
    /// The path on this machine.
    pub(crate) host: PathBuf,
    pub(crate) dir: Dir,
}

impl TreeFolder {
    pub(crate) fn perms(&self) -> FsPerms {
        self.dir.perms
    }

    /// The folder's name in `/`, if it is an entry of `/`.
    fn root_name(&self) -> Option<&str> {
        let name = below_root(&self.guest);
        (!name.is_empty() && !name.contains('/')).then_some(name)
    }
}

/// The path of a folder relative to the root. Like libc, this reads `/data`, `data` and `./data` as the same path.
pub(crate) fn below_root(guest: &str) -> &str {
    let mut path = guest;
    while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix('/')) {
        path = rest;
    }
    if path == "." {
        ""
    } else {
        path.trim_end_matches('/')
    }
}

/// The end of a path that was followed through the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreePath {
    /// The folder that `path` is relative to. `None`: the directory that the guest named.
    pub(crate) folder: Option<FolderId>,
    pub(crate) path: String,
    /// The path leads to this folder of the tree itself.
    pub(crate) tree_folder: Option<FolderId>,
}

/// The kind of an entry of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    File,
    Link,
    Other,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: String,
    pub(crate) kind: EntryKind,
}

/// The folders of one dyno.
pub(crate) struct FileTree {
    folders: Vec<TreeFolder>,
    /// The first folder is the app's at `/`, and the others are entries in it.
    is_joined: bool,
    links: Arc<AppLinks>,
    /// Folders other than the app's may contain symbolic links.
    has_other_links: AtomicBool,
}

/// A position in the tree, without symbolic links.
struct TreePosition {
    folder: FolderId,
    names: Vec<String>,
}

impl FileTree {
    /// A tree of the app's folder, which is first, and of folders in it.
    pub(crate) fn new_joined(folders: Vec<TreeFolder>, links: Arc<AppLinks>) -> FileTree {
        FileTree {
            folders,
            is_joined: true,
            links,
            has_other_links: AtomicBool::new(false),
        }
    }

    /// Folders that are not part of one another.
    pub(crate) fn new_separate(folders: Vec<TreeFolder>) -> FileTree {
        FileTree {
            is_joined: false,
            ..FileTree::new_joined(folders, Arc::default())
        }
    }

    pub(crate) fn folders(&self) -> &[TreeFolder] {
        &self.folders
    }

    pub(crate) fn folder(&self, id: FolderId) -> &TreeFolder {
        &self.folders[id.index()]
    }

    pub(crate) fn folder_ids(&self) -> impl Iterator<Item = FolderId> + use<> {
        (0..self.folders.len()).map(FolderId::new)
    }

    /// The folder of the tree that a directory is.
    pub(crate) fn id_of(&self, dir: &Dir) -> Option<FolderId> {
        let is = |folder: &TreeFolder| Arc::ptr_eq(&folder.dir.dir, &dir.dir);
        self.is_joined
            .then(|| self.folders.iter().position(is).map(FolderId::new))?
    }

    /// Notes that folders other than the app's may contain symbolic links: a guest is about to create one, or the
    /// folders are not the platform's.
    pub(crate) fn expect_links(&self) {
        self.has_other_links.store(true, Ordering::Relaxed);
    }

    /// Follows a path from one of the folders.
    ///
    /// # Errors
    /// If a step out of a folder fails. Errors within one folder are left to the engine.
    pub(crate) fn follow_path(
        &self,
        start: FolderId,
        path: &str,
        last: LastLink,
    ) -> Result<TreePath, FileRefusal> {
        let unchanged = |tree_folder| TreePath {
            folder: None,
            path: path.to_owned(),
            tree_folder,
        };
        if path.is_empty() || path.len() > PATH_BYTES_MAX || path.starts_with('/') {
            return Ok(unchanged(None));
        }
        let mut walk = PathWalk {
            tree: self,
            at: TreePosition {
                folder: start,
                names: Vec::new(),
            },
            crossed: false,
            links: 0,
        };
        walk.walk(path, last)?;
        let tree_folder = walk.at.names.is_empty().then_some(walk.at.folder);
        if !walk.crossed {
            return Ok(unchanged(tree_folder));
        }
        Ok(TreePath {
            folder: Some(walk.at.folder),
            path: remaining_path(&walk.at.names, path),
            tree_folder,
        })
    }

    /// Like [`FileTree::follow_path`], and also returns the directory that the path is relative to.
    pub(crate) fn resolve(
        &self,
        start: FolderId,
        path: String,
        last: LastLink,
    ) -> Result<(Option<FolderId>, ResolvedPath), FileRefusal> {
        let dir = |id: FolderId| &self.folder(id).dir;
        if !self.is_joined {
            return Ok((None, ResolvedPath::in_folder(dir(start), path)));
        }
        let found = self.follow_path(start, &path, last)?;
        let mut place = ResolvedPath::in_folder(dir(found.folder.unwrap_or(start)), found.path);
        place.tree_folder = found.tree_folder;
        Ok((found.folder, place))
    }

    /// Whether this folder is `/` with other folders in it.
    pub(crate) fn is_root(&self, id: FolderId) -> bool {
        self.is_joined && id == FolderId::ROOT
    }

    /// The entries of `/`: the app's own and the folders of the tree, each name once.
    pub(crate) fn list_root(&self) -> io::Result<Vec<TreeEntry>> {
        let names: Vec<&str> = self
            .folders
            .iter()
            .filter_map(TreeFolder::root_name)
            .collect();
        let mut entries: Vec<TreeEntry> = names
            .iter()
            .map(|name| TreeEntry {
                name: (*name).to_owned(),
                kind: EntryKind::Folder,
            })
            .collect();
        for entry in open_host_dir(&self.folders[0].dir.dir)?.entries()? {
            let entry = entry?;
            let name = entry.file_name().into_string();
            let name = name.map_err(|_| io::Error::from(rustix::io::Errno::ILSEQ))?;
            if !names.contains(&name.as_str()) {
                let kind = entry.file_type()?;
                entries.push(TreeEntry {
                    name,
                    kind: entry_kind(kind),
                });
            }
        }
        Ok(entries)
    }
}

fn entry_kind(kind: cap_std::fs::FileType) -> EntryKind {
    if kind.is_dir() {
        EntryKind::Folder
    } else if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    }
}

/// The remaining path, with the ending of the guest's path: `x/` and `x/.` require `x` to be a folder.
fn remaining_path(names: &[String], path: &str) -> String {
    let mut rest = names.join("/");
    let end = path.rsplit('/').next().unwrap_or_default();
    match end {
        _ if names.is_empty() => rest.push('.'),
        "" => rest.push('/'),
        "." | ".." if path.contains('/') => rest.push_str("/."),
        _ => {}
    }
    rest
}

/// A path that is being followed.
struct PathWalk<'a> {
    tree: &'a FileTree,
    at: TreePosition,
    /// The path has left the folder in which it began.
    crossed: bool,
    links: usize,
}

impl PathWalk<'_> {
    fn walk(&mut self, path: &str, last: LastLink) -> Result<(), FileRefusal> {
        let ends_in_folder = path.ends_with('/') || path.ends_with("/.");
        let mut parts: VecDeque<String> = split_path(path).collect();
        let mut walked = 0;
        while let Some(part) = parts.pop_front() {
            walked += 1;
            if walked > PARTS_MAX {
                return Err(FileRefusal::TooManyLinks);
            }
            if part == ".." {
                self.go_up()?;
                continue;
            }
            let is_last = parts.is_empty() && !ends_in_folder && last == LastLink::Keep;
            self.descend(part);
            let Some(target) = (!is_last).then(|| self.read_link()).flatten() else {
                continue;
            };
            self.links += 1;
            if self.links > LINKS_MAX {
                return Err(FileRefusal::TooManyLinks);
            }
            // The engine refuses absolute targets too.
            if target.starts_with('/') {
                return Err(FileRefusal::NotPermitted);
            }
            self.at.names.pop();
            for part in split_path(&target).rev() {
                parts.push_front(part);
            }
        }
        Ok(())
    }

    fn is_in_app(&self) -> bool {
        self.at.folder == FolderId::ROOT
    }

    fn descend(&mut self, name: String) {
        if self.is_in_app() && self.at.names.is_empty() {
            let folders = self.tree.folders.iter();
            let found = folders.skip(1).position(|to| to.root_name() == Some(&name));
            if let Some(index) = found {
                self.at.folder = FolderId::new(index + 1);
                self.crossed = true;
                return;
            }
        }
        self.at.names.push(name);
    }

    fn go_up(&mut self) -> Result<(), FileRefusal> {
        if self.at.names.is_empty() {
            if self.is_in_app() {
                return Err(FileRefusal::NotPermitted);
            }
            self.at.folder = FolderId::ROOT;
            self.crossed = true;
            return Ok(());
        }
        // The tree does not look into the app's files, except for links: `a/../tmp` is `tmp` whatever `a` is.
        if !self.is_in_app() {
            let dir = open_host_dir(&self.tree.folder(self.at.folder).dir.dir)?;
            if !dir.symlink_metadata(self.at.names.join("/"))?.is_dir() {
                return Err(io::Error::from(rustix::io::Errno::NOTDIR).into());
            }
        }
        self.at.names.pop();
        Ok(())
    }

    /// The target of the symbolic link at this position, if there is one.
    fn read_link(&self) -> Option<String> {
        if self.at.names.is_empty() {
            return None;
        }
        if self.is_in_app() {
            if self.tree.links.is_empty() {
                return None;
            }
            return self.tree.links.get(&self.at.names.join("/")).cloned();
        }
        if !self.tree.has_other_links.load(Ordering::Relaxed) {
            return None;
        }
        let dir = open_host_dir(&self.tree.folder(self.at.folder).dir.dir).ok()?;
        let target = dir.read_link_contents(self.at.names.join("/")).ok()?;
        target.into_os_string().into_string().ok()
    }
}

fn split_path(path: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use wasmtime_wasi::OpenMode;

    use super::*;

    fn folder(guest: &str, host: &Path) -> TreeFolder {
        std::fs::create_dir_all(host).expect("a temporary folder");
        let file = File::open(host).expect("it was made");
        TreeFolder {
            guest: guest.to_owned(),
            host: host.to_owned(),
            dir: Dir::new(file, FsPerms::ReadWrite, OpenMode::READ, true),
        }
    }

    fn tree(links: &[(&str, &str)]) -> (tempfile::TempDir, FileTree) {
        let place = tempfile::tempdir().expect("a temporary folder");
        let below = |name: &str| place.path().join(name);
        let folders = vec![
            folder("/", &below("app")),
            folder("/tmp", &below("tmp")),
            folder("data", &below("data")),
            folder("/far/away", &below("far")),
        ];
        let links = links
            .iter()
            .map(|(link, to)| ((*link).to_owned(), (*to).to_owned()));
        let tree = FileTree::new_joined(folders, Arc::new(links.collect()));
        (place, tree)
    }

    fn follow(tree: &FileTree, start: usize, path: &str) -> (Option<usize>, String) {
        let found = tree
            .follow_path(FolderId::new(start), path, LastLink::Follow)
            .expect(path);
        (found.folder.map(FolderId::index), found.path)
    }

    #[test]
    fn a_path_within_one_folder_is_not_changed() {
        let (_place, tree) = tree(&[("link", "public")]);
        for path in [
            "a",
            "./a/../b/",
            "link/x",
            "",
            "/etc",
            "far/away",
            "tmpx",
            "a/tmp",
        ] {
            assert_eq!(follow(&tree, 0, path), (None, path.to_owned()), "{path}");
        }
        std::fs::create_dir(tree.folder(FolderId::new(1)).host.join("d")).expect("a folder");
        assert_eq!(follow(&tree, 1, "d/../x"), (None, "d/../x".to_owned()));
    }

    #[test]
    fn a_path_into_another_folder_is_resolved_to_its_rest_there() {
        let (_place, tree) = tree(&[("link", "tmp/inner"), ("d/up", "../..//link")]);
        for (path, rest) in [
            ("tmp", "."),
            ("tmp/", "."),
            ("./tmp/.", "."),
            ("tmp//x", "x"),
            ("tmp/x/", "x/"),
            ("tmp/x/.", "x/."),
            ("no/../tmp/x", "x"),
            ("link", "inner"),
            ("link/y", "inner/y"),
        ] {
            assert_eq!(follow(&tree, 0, path), (Some(1), rest.to_owned()), "{path}");
        }
        assert_eq!(follow(&tree, 0, "tmp/../data/x"), (Some(2), "x".to_owned()));
        assert_eq!(follow(&tree, 2, "../a"), (Some(0), "a".to_owned()));
        assert_eq!(follow(&tree, 2, ".."), (Some(0), ".".to_owned()));
        let climbs = |path: &str| tree.follow_path(FolderId::ROOT, path, LastLink::Follow);
        for path in ["..", "a/../..", "tmp/../..", "d/up"] {
            assert!(
                matches!(climbs(path), Err(FileRefusal::NotPermitted)),
                "{path}"
            );
        }
    }

    /// A few links with long targets add up to a path longer than any path may be.
    #[test]
    fn a_path_through_links_is_bounded_in_length() {
        let long = |next: &str| format!("{}{next}", "d/../".repeat(100));
        let (way, end) = (long("b"), long("c"));
        let links: Vec<(String, String)> = (0..9)
            .map(|at| (format!("l{at}"), long(&format!("l{}", at + 1))))
            .collect();
        let mut links: Vec<(&str, &str)> = links
            .iter()
            .map(|(link, to)| (link.as_str(), to.as_str()))
            .collect();
        links.extend([("a", way.as_str()), ("b", end.as_str())]);
        let (_place, tree) = tree(&links);
        let follow = |path: &str| tree.follow_path(FolderId::ROOT, path, LastLink::Follow);
        assert!(follow("a").is_ok());
        assert!(matches!(follow("l0"), Err(FileRefusal::TooManyLinks)));
    }

    #[test]
    fn link_loops_links_to_the_outside_and_long_paths_are_refused() {
        let (_place, tree) = tree(&[("a", "b"), ("b", "a"), ("out", "/etc"), ("to", "tmp")]);
        let follow = |path: &str, last| tree.follow_path(FolderId::ROOT, path, last);
        assert!(matches!(
            follow("a", LastLink::Follow),
            Err(FileRefusal::TooManyLinks)
        ));
        assert!(matches!(
            follow("out/x", LastLink::Keep),
            Err(FileRefusal::NotPermitted)
        ));
        let long = "x/".repeat(PARTS_MAX);
        assert!(follow(&long, LastLink::Follow).is_ok());
        assert!(matches!(
            follow(&format!("{long}x"), LastLink::Follow),
            Err(FileRefusal::TooManyLinks)
        ));
        let kept = follow("to", LastLink::Keep).expect("a link");
        assert_eq!((kept.folder, kept.tree_folder), (None, None));
        let entered = follow("to/", LastLink::Keep).expect("a folder");
        assert_eq!(entered.tree_folder, Some(FolderId::new(1)));
    }
}
