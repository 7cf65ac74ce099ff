//! The one tree of folders that a guest sees: the app's files at `/`, and in it `tmp`, `log` and folders of the machine.
//!
//! Owns which real folder a guest's path means. Each folder is a directory of its own on the host, so the engine would
//! look for `tmp/x` among the app's files when a guest opens that path relative to `/`. `FileTree::find` follows a path
//! through the borders between the folders, and the engine opens the rest of the path below the folder where it ends.
//! The engine still confines every path to the folder that it is given: a mistake here shows a guest the wrong one of
//! its own files, and nothing of the host. Must not know versions of WASI, nor quotas.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::Dir;

use crate::guest::filesystem::paths::{FileRefusal, FolderId, LastLink, ResolvedPath, host};

/// Longest path that is followed here, in bytes (Linux's `PATH_MAX`); the engine refuses longer ones.
const PATH_BYTES_MAX: usize = 4_096;
/// Symbolic links that one path may go through, as on Linux.
const LINKS_MAX: usize = 40;
/// Parts that one path may have, with those that its links add: each may cost a look at the disk in the runtime's thread.
const PARTS_MAX: usize = 1_024;

/// The symbolic links of an app: path and target, both relative to where they stand, as the slug has them.
pub(crate) type AppLinks = BTreeMap<String, String>;

/// A folder as the guest is handed it.
#[derive(Clone)]
pub(crate) struct TreeFolder {
    /// The path by which the guest knows it: `/`, `/tmp`, `/data`.
    pub(crate) guest: String,
    /// Where it is on this machine.
    pub(crate) host: PathBuf,
    pub(crate) dir: Dir,
}

impl TreeFolder {
    pub(crate) fn perms(&self) -> FsPerms {
        self.dir.perms
    }

    /// Its name in `/`, if it stands there.
    fn name(&self) -> Option<&str> {
        let name = below_root(&self.guest);
        (!name.is_empty() && !name.contains('/')).then_some(name)
    }
}

/// A path that a folder is known by, without what stands for the root: as libc reads it, `/data`, `data` and `./data`
/// are the same.
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

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreePath {
    /// The folder that the path is relative to; none is the directory that the guest named.
    pub(crate) folder: Option<FolderId>,
    pub(crate) path: String,
    /// The path means this folder of the tree itself.
    pub(crate) is: Option<FolderId>,
}

/// What an entry of a listing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    File,
    Link,
    Other,
}

/// The folders of one dyno.
pub(crate) struct FileTree {
    folders: Vec<TreeFolder>,
    /// The first folder is the app's at `/`, and the others stand in it.
    is_joined: bool,
    links: Arc<AppLinks>,
    /// Folders other than the app's may have symbolic links.
    has_other_links: AtomicBool,
}

/// A place on the way through a tree, without symbolic links.
struct TreePosition {
    folder: FolderId,
    names: Vec<String>,
}

impl FileTree {
    /// The app's folder first, then those that stand in it.
    pub(crate) fn joined(folders: Vec<TreeFolder>, links: Arc<AppLinks>) -> FileTree {
        FileTree {
            folders,
            is_joined: true,
            links,
            has_other_links: AtomicBool::new(false),
        }
    }

    /// Folders that have nothing to do with each other.
    pub(crate) fn separate(folders: Vec<TreeFolder>) -> FileTree {
        FileTree {
            is_joined: false,
            ..FileTree::joined(folders, Arc::default())
        }
    }

    pub(crate) fn folders(&self) -> &[TreeFolder] {
        &self.folders
    }

    pub(crate) fn folder(&self, id: FolderId) -> &TreeFolder {
        &self.folders[id.index()]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = FolderId> + use<> {
        (0..self.folders.len()).map(FolderId::new)
    }

    /// Which of the folders a directory is.
    pub(crate) fn id_of(&self, dir: &Dir) -> Option<FolderId> {
        let is = |folder: &TreeFolder| Arc::ptr_eq(&folder.dir.dir, &dir.dir);
        self.is_joined
            .then(|| self.folders.iter().position(is).map(FolderId::new))?
    }

    /// A guest is about to make a symbolic link, or the folders come from elsewhere.
    pub(crate) fn expect_links(&self) {
        self.has_other_links.store(true, Ordering::Relaxed);
    }

    /// Follows a path from one of the folders. Fails only where a way out of a folder fails; what is wrong within one
    /// folder is the engine's to say.
    pub(crate) fn find(
        &self,
        start: FolderId,
        path: &str,
        last: LastLink,
    ) -> Result<TreePath, FileRefusal> {
        let unchanged = |is| TreePath {
            folder: None,
            path: path.to_owned(),
            is,
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
        walk.follow(path, last)?;
        let is = walk.at.names.is_empty().then_some(walk.at.folder);
        if !walk.crossed {
            return Ok(unchanged(is));
        }
        Ok(TreePath {
            folder: Some(walk.at.folder),
            path: rest(&walk.at.names, path),
            is,
        })
    }

    /// As [`FileTree::find`], with the directory that the path is relative to then.
    pub(crate) fn locate(
        &self,
        start: FolderId,
        path: String,
        last: LastLink,
    ) -> Result<(Option<FolderId>, ResolvedPath), FileRefusal> {
        let dir = |id: FolderId| &self.folder(id).dir;
        if !self.is_joined {
            return Ok((None, ResolvedPath::within(dir(start), path)));
        }
        let found = self.find(start, &path, last)?;
        let mut place = ResolvedPath::within(dir(found.folder.unwrap_or(start)), found.path);
        place.is = found.is;
        Ok((found.folder, place))
    }

    /// Whether this is `/`, with other folders in it.
    pub(crate) fn is_root(&self, id: FolderId) -> bool {
        self.is_joined && id == FolderId::ROOT
    }

    /// What stands in `/`: the app's own entries and the folders of the tree, each name once.
    pub(crate) fn list_root(&self) -> io::Result<Vec<(String, EntryKind)>> {
        let names: Vec<&str> = self.folders.iter().filter_map(TreeFolder::name).collect();
        let mut entries: Vec<(String, EntryKind)> = names
            .iter()
            .map(|name| ((*name).to_owned(), EntryKind::Folder))
            .collect();
        for entry in host(&self.folders[0].dir.dir)?.entries()? {
            let entry = entry?;
            let name = entry.file_name().into_string();
            let name = name.map_err(|_| io::Error::from(rustix::io::Errno::ILSEQ))?;
            if !names.contains(&name.as_str()) {
                let kind = entry.file_type()?;
                entries.push((name, entry_kind(kind)));
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

/// The names as a path, with the end of the guest's own: `x/` and `x/.` say that `x` must be a folder.
fn rest(names: &[String], path: &str) -> String {
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

/// One path on its way.
struct PathWalk<'a> {
    tree: &'a FileTree,
    at: TreePosition,
    /// It has left the folder where it began.
    crossed: bool,
    links: usize,
}

impl PathWalk<'_> {
    fn follow(&mut self, path: &str, last: LastLink) -> Result<(), FileRefusal> {
        let ends_in_folder = path.ends_with('/') || path.ends_with("/.");
        let mut parts: VecDeque<String> = split(path).collect();
        let mut walked = 0;
        while let Some(part) = parts.pop_front() {
            walked += 1;
            if walked > PARTS_MAX {
                return Err(FileRefusal::TooManyLinks);
            }
            if part == ".." {
                self.climb()?;
                continue;
            }
            let is_last = parts.is_empty() && !ends_in_folder && last == LastLink::Keep;
            self.descend(part);
            let Some(target) = (!is_last).then(|| self.link()).flatten() else {
                continue;
            };
            self.links += 1;
            if self.links > LINKS_MAX {
                return Err(FileRefusal::TooManyLinks);
            }
            // The engine refuses those too.
            if target.starts_with('/') {
                return Err(FileRefusal::NotPermitted);
            }
            self.at.names.pop();
            for part in split(&target).rev() {
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
            let found = folders.skip(1).position(|to| to.name() == Some(&name));
            if let Some(index) = found {
                self.at.folder = FolderId::new(index + 1);
                self.crossed = true;
                return;
            }
        }
        self.at.names.push(name);
    }

    fn climb(&mut self) -> Result<(), FileRefusal> {
        if self.at.names.is_empty() {
            if self.is_in_app() {
                return Err(FileRefusal::NotPermitted);
            }
            self.at.folder = FolderId::ROOT;
            self.crossed = true;
            return Ok(());
        }
        // Of the app's files only the links are known here: `a/../tmp` is `tmp` whatever `a` is.
        if !self.is_in_app() {
            let dir = host(&self.tree.folder(self.at.folder).dir.dir)?;
            if !dir.symlink_metadata(self.at.names.join("/"))?.is_dir() {
                return Err(io::Error::from(rustix::io::Errno::NOTDIR).into());
            }
        }
        self.at.names.pop();
        Ok(())
    }

    /// Where the symbolic link leads that stands here, if one does.
    fn link(&self) -> Option<String> {
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
        let dir = host(&self.tree.folder(self.at.folder).dir.dir).ok()?;
        let target = dir.read_link_contents(self.at.names.join("/")).ok()?;
        target.into_os_string().into_string().ok()
    }
}

fn split(path: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
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
        let tree = FileTree::joined(folders, Arc::new(links.collect()));
        (place, tree)
    }

    fn find(tree: &FileTree, start: usize, path: &str) -> (Option<usize>, String) {
        let found = tree
            .find(FolderId::new(start), path, LastLink::Follow)
            .expect(path);
        (found.folder.map(FolderId::index), found.path)
    }

    #[test]
    fn a_path_is_left_as_it_is_within_one_folder() {
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
            assert_eq!(find(&tree, 0, path), (None, path.to_owned()), "{path}");
        }
        std::fs::create_dir(tree.folder(FolderId::new(1)).host.join("d")).expect("a folder");
        assert_eq!(find(&tree, 1, "d/../x"), (None, "d/../x".to_owned()));
    }

    #[test]
    fn a_path_that_crosses_a_border_says_the_same_of_its_end() {
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
            assert_eq!(find(&tree, 0, path), (Some(1), rest.to_owned()), "{path}");
        }
        assert_eq!(find(&tree, 0, "tmp/../data/x"), (Some(2), "x".to_owned()));
        assert_eq!(find(&tree, 2, "../a"), (Some(0), "a".to_owned()));
        assert_eq!(find(&tree, 2, ".."), (Some(0), ".".to_owned()));
        let climbs = |path: &str| tree.find(FolderId::ROOT, path, LastLink::Follow);
        for path in ["..", "a/../..", "tmp/../..", "d/up"] {
            assert!(
                matches!(climbs(path), Err(FileRefusal::NotPermitted)),
                "{path}"
            );
        }
    }

    /// A few links, each to a long way, make one that is longer than any path may be.
    #[test]
    fn a_way_through_links_is_bounded() {
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
        let follow = |path: &str| tree.find(FolderId::ROOT, path, LastLink::Follow);
        assert!(follow("a").is_ok());
        assert!(matches!(follow("l0"), Err(FileRefusal::TooManyLinks)));
    }

    #[test]
    fn links_end_somewhere() {
        let (_place, tree) = tree(&[("a", "b"), ("b", "a"), ("out", "/etc"), ("to", "tmp")]);
        let follow = |path: &str, last| tree.find(FolderId::ROOT, path, last);
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
        assert_eq!((kept.folder, kept.is), (None, None));
        let entered = follow("to/", LastLink::Keep).expect("a folder");
        assert_eq!(entered.is, Some(FolderId::new(1)));
    }
}
