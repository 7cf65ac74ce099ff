//! What a dyno sees of the disk: the app's files at `/`, in it its own `./tmp` and `./log`.
//!
//! The two folders are made when the guest first asks for its folders (most requests never do) and
//! removed with the dyno. How they become one tree is in `file_tree`. Knows nothing of requests; the WASI side is in
//! `files_p2`, `files_p3` and `p1`.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::guest::filesystem::paths::{FileRefusal, FolderId, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::DiskQuota;
use crate::guest::filesystem::tree::{AppLinks, EntryKind, FileTree, TreeFolder, below_root};

/// The folders that each dyno has for itself, under the names the guest knows.
const OWN_FOLDERS: [&str; 2] = ["/tmp", "/log"];
/// The path of the app's files.
const ROOT: &str = "/";

/// A folder of this machine that a program is handed beside its own, to read and to write, or in place of the one of
/// the same name. With one in place of `/` the program has only the folders that it is handed, as other WASI tools
/// do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedFolder {
    /// Where it is here.
    pub host: PathBuf,
    /// The path by which the program knows it: `/data`, or `data` for the same; `/` or `.` is its root.
    pub guest: String,
}

impl MountedFolder {
    /// The path below `/`.
    fn below_root(&self) -> &str {
        below_root(&self.guest)
    }
}

/// The app's files, opened once a release and shared by its dynos.
#[derive(Clone)]
pub(crate) struct AppFolder {
    dir: Dir,
    path: Arc<Path>,
    links: Arc<AppLinks>,
}

impl AppFolder {
    /// Opens the folder into which a slug was unpacked; `links` are all symbolic links in it.
    pub(crate) fn open(folder: &Path, links: Arc<AppLinks>) -> std::io::Result<AppFolder> {
        let dir = Dir::new(File::open(folder)?, FsPerms::ReadOnly, OpenMode::READ, true);
        let path = folder.into();
        Ok(AppFolder { dir, path, links })
    }

    fn folder(&self, guest: &str) -> TreeFolder {
        TreeFolder {
            guest: guest.to_owned(),
            host: self.path.to_path_buf(),
            dir: self.dir.clone(),
        }
    }
}

/// The folders of one dyno.
pub(crate) struct DynoFolders {
    app: AppFolder,
    /// Where `tmp` and `log` are made.
    home: PathBuf,
    has_home: bool,
    /// Made when the guest first asks.
    tree: Option<Arc<FileTree>>,
    /// Handles of the tree's folders that the guest does not have, in their order.
    bases: Vec<u32>,
    /// What is left of listings of `/`, by the handle of the listing.
    listings: HashMap<u32, RootListing>,
    /// Why the two could not be made, if they could not.
    missing: Option<String>,
    /// What it has beside them.
    more: Vec<MountedFolder>,
    pub(crate) quota: Arc<DiskQuota>,
}

/// What is left of a listing.
type RootListing = std::vec::IntoIter<(String, EntryKind)>;

impl DynoFolders {
    /// `home` is a path that does not exist yet and belongs to this dyno alone.
    pub(crate) fn new(app: AppFolder, home: PathBuf, quota: DiskQuota) -> DynoFolders {
        DynoFolders {
            app,
            home,
            has_home: false,
            tree: None,
            bases: Vec::new(),
            listings: HashMap::new(),
            missing: None,
            more: Vec::new(),
            quota: Arc::new(quota),
        }
    }

    /// Gives the guest more folders of this machine. With any, nothing is counted: what is in there is not ours.
    pub(crate) fn with(mut self, more: Vec<MountedFolder>) -> DynoFolders {
        if !more.is_empty() {
            self.quota = Arc::new(DiskQuota::new(u64::MAX, u64::MAX, || {}));
        }
        self.more = more;
        self
    }

    /// The guest's folders in the order in which it is handed them; made now.
    pub(crate) fn tree(&mut self) -> std::io::Result<Arc<FileTree>> {
        if let Some(tree) = &self.tree {
            return Ok(Arc::clone(tree));
        }
        let tree = Arc::new(self.make_tree()?);
        self.tree = Some(Arc::clone(&tree));
        Ok(tree)
    }

    /// The folders a guest is handed, with the paths it knows them by.
    pub(crate) fn preopens(
        &mut self,
        table: &mut ResourceTable,
    ) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let tree = match self.tree() {
            Ok(tree) => tree,
            Err(error) if !self.more.is_empty() => return Err(error.into()),
            Err(error) => {
                // A disk that fails is the guest's to hear of, by what writing gives, and no reason to end it:
                // the app's folder takes nothing in.
                self.missing = Some(error.to_string());
                let folders = [ROOT, OWN_FOLDERS[0], OWN_FOLDERS[1]];
                return push_all(&folders.map(|path| self.app.folder(path)), table);
            }
        };
        if self.bases.is_empty() {
            let bases = push_all(tree.folders(), table)?.into_iter();
            self.bases = bases.map(|(folder, _)| folder.rep()).collect();
        }
        push_all(tree.folders(), table)
    }

    /// The host's own handle of a folder; a guest may drop the one that it was handed.
    pub(crate) fn base(&self, id: FolderId) -> Resource<Descriptor> {
        Resource::new_borrow(self.bases[id.index()])
    }

    /// What a path means that a guest gives relative to a directory, and the folder that it is relative to then, if
    /// that is another.
    pub(crate) fn find(
        &self,
        dir: &Dir,
        path: String,
        last: LastLink,
    ) -> Result<(Option<FolderId>, ResolvedPath), FileRefusal> {
        let tree = self.tree.as_ref();
        match tree.and_then(|tree| Some((tree, tree.id_of(dir)?))) {
            Some((tree, start)) => tree.locate(start, path, last),
            None => Ok((None, ResolvedPath::within(dir, path))),
        }
    }

    /// A guest is about to make a symbolic link.
    pub(crate) fn expect_links(&self) {
        if let Some(tree) = &self.tree {
            tree.expect_links();
        }
    }

    /// Has a directory that was opened be the folder that it is, so that paths relative to it are followed likewise.
    pub(crate) fn recognize(&self, opened: &mut Descriptor, is: Option<FolderId>) {
        if let (Descriptor::Dir(dir), Some(id), Some(tree)) = (opened, is, &self.tree) {
            dir.dir = Arc::clone(&tree.folder(id).dir.dir);
        }
    }

    /// What stands in a directory, if that is `/` with folders in it.
    pub(crate) fn list_root(&self, dir: &Dir) -> Option<std::io::Result<Vec<(String, EntryKind)>>> {
        let tree = self.tree.as_ref()?;
        tree.is_root(tree.id_of(dir)?).then(|| tree.list_root())
    }

    /// Keeps what a listing is to give.
    pub(crate) fn begin_listing(&mut self, handle: u32, entries: Vec<(String, EntryKind)>) {
        self.listings.insert(handle, entries.into_iter());
    }

    /// The rest of a listing that was begun here.
    pub(crate) fn listing(&mut self, handle: u32) -> Option<&mut RootListing> {
        self.listings.get_mut(&handle)
    }

    pub(crate) fn end_listing(&mut self, handle: u32) {
        self.listings.remove(&handle);
    }

    /// Why the guest has no folders to write to, if it asked for them and they could not be made.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    fn make_tree(&mut self) -> std::io::Result<FileTree> {
        let given = |folder: &MountedFolder| open(&folder.host, &folder.guest);
        if self
            .more
            .iter()
            .any(|folder| folder.below_root().is_empty())
        {
            let folders = self.more.iter().map(given);
            return Ok(FileTree::separate(folders.collect::<Result<_, _>>()?));
        }
        let mut folders = vec![self.app.folder(ROOT)];
        for name in OWN_FOLDERS {
            if !self
                .more
                .iter()
                .any(|folder| folder.below_root() == below_root(name))
            {
                folders.push(self.make_own(name)?);
            }
        }
        for folder in &self.more {
            folders.push(given(folder)?);
        }
        let tree = FileTree::joined(folders, Arc::clone(&self.app.links));
        if !self.more.is_empty() {
            tree.expect_links();
        }
        Ok(tree)
    }

    fn make_own(&mut self, guest: &str) -> std::io::Result<TreeFolder> {
        let path = self.home.join(guest.trim_start_matches('/'));
        let made = std::fs::create_dir_all(&self.home)
            .and_then(|()| std::fs::create_dir(&path))
            .and_then(|()| open(&path, guest));
        self.has_home = made.is_ok();
        if made.is_err() {
            // Half of them would be in the way of the next attempt.
            drop(std::fs::remove_dir_all(&self.home));
        }
        made
    }
}

fn push_all(
    folders: &[TreeFolder],
    table: &mut ResourceTable,
) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
    let push = |folder: &TreeFolder| {
        let handle = table.push(Descriptor::Dir(folder.dir.clone()))?;
        Ok((handle, folder.guest.clone()))
    };
    folders.iter().map(push).collect()
}

/// A folder to read and to write.
fn open(host: &Path, guest: &str) -> std::io::Result<TreeFolder> {
    let mode = OpenMode::READ | OpenMode::WRITE;
    Ok(TreeFolder {
        guest: guest.to_owned(),
        host: host.to_owned(),
        dir: Dir::new(File::open(host)?, FsPerms::ReadWrite, mode, true),
    })
}

impl Drop for DynoFolders {
    fn drop(&mut self) {
        if !self.has_home {
            return;
        }
        // The place is free at once, for a next instance of the same dyno.
        static GONE: AtomicU64 = AtomicU64::new(0);
        let mut gone = std::mem::take(&mut self.home);
        let home = gone.clone();
        gone.as_mut_os_string()
            .push(format!(".gone-{}", GONE.fetch_add(1, Ordering::Relaxed)));
        let gone = if std::fs::rename(&home, &gone).is_ok() {
            gone
        } else {
            home
        };
        let remove = move || drop(std::fs::remove_dir_all(gone));
        // A dyno may leave ten thousand files; whoever drops it should not wait for that.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
