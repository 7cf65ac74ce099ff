//! The folders of one dyno: the app's files at `/`, with the dyno's own `./tmp` and `./log` in it.
//!
//! A dyno's own folders are created when the guest first asks for its folders, which most requests never do, and
//! removed with the dyno. `tree` makes one tree of all folders. Must not know requests or WASI versions.

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
use crate::guest::filesystem::tree::{AppLinks, FileTree, TreeEntry, TreeFolder, below_root};

/// The folders that each dyno has for itself, by the guest's paths.
const OWN_FOLDERS: [&str; 2] = ["/tmp", "/log"];
/// The guest's path of the app's files.
const ROOT: &str = "/";

/// A folder of this machine that a program may read and write, beside its own folders or instead of the one with the
/// same path. If a folder replaces `/`, the program has only the folders given to it, as with other WASI tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedFolder {
    /// The path on this machine.
    pub host: PathBuf,
    /// The path that the program uses: `/data`, or `data` for the same. `/` or `.` is the root.
    pub guest: String,
}

impl MountedFolder {
    /// The guest's path, relative to `/`.
    fn below_root(&self) -> &str {
        below_root(&self.guest)
    }
}

/// The app's files: opened once for a release and shared by its dynos.
#[derive(Clone)]
pub(crate) struct AppFolder {
    dir: Dir,
    path: Arc<Path>,
    links: Arc<AppLinks>,
}

impl AppFolder {
    /// Opens the folder of an unpacked slug. `links` are all symbolic links in it.
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
    /// The folder in which `tmp` and `log` are created.
    home: PathBuf,
    has_home: bool,
    /// Created when the guest first asks for its folders.
    tree: Option<Arc<FileTree>>,
    /// Handles of the tree's folders, in the tree's order. The guest does not know them and cannot drop them.
    bases: Vec<u32>,
    /// The entries of `/` that are left to list, by the handle of the listing.
    listings: HashMap<u32, RootListing>,
    /// The reason why `tmp` and `log` could not be created.
    missing: Option<String>,
    /// Folders of this machine that the program was given.
    more: Vec<MountedFolder>,
    pub(crate) quota: Arc<DiskQuota>,
}

/// The entries that are left of a listing of `/`.
type RootListing = std::vec::IntoIter<TreeEntry>;

impl DynoFolders {
    /// Creates the folders of a dyno. `home` must not exist yet, and belongs to this dyno alone.
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

    /// Gives the guest folders of this machine. With such folders, nothing is charged to the quota, since their files
    /// do not belong to the platform.
    pub(crate) fn with_mounts(mut self, more: Vec<MountedFolder>) -> DynoFolders {
        if !more.is_empty() {
            self.quota = Arc::new(DiskQuota::new(u64::MAX, u64::MAX, || {}));
        }
        self.more = more;
        self
    }

    /// The tree of the guest's folders, in the order in which the guest receives them. Created by the first call.
    pub(crate) fn open_tree(&mut self) -> std::io::Result<Arc<FileTree>> {
        if let Some(tree) = &self.tree {
            return Ok(Arc::clone(tree));
        }
        let tree = Arc::new(self.make_tree()?);
        self.tree = Some(Arc::clone(&tree));
        Ok(tree)
    }

    /// Pushes a handle for each of the guest's folders, and returns them with the guest's paths.
    pub(crate) fn push_preopens(
        &mut self,
        table: &mut ResourceTable,
    ) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let tree = match self.open_tree() {
            Ok(tree) => tree,
            Err(error) if !self.more.is_empty() => return Err(error.into()),
            Err(error) => {
                // If the disk fails, the guest is not ended. It sees its folders as read-only, and learns of the
                // failure when it writes.
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

    /// The host's own handle of a folder. The guest may have dropped the handle that it received.
    pub(crate) fn base_handle(&self, id: FolderId) -> Resource<Descriptor> {
        Resource::new_borrow(self.bases[id.index()])
    }

    /// Resolves a guest's path, relative to a directory. Also returns the folder that the resolved path is relative
    /// to, if this is not `dir`.
    pub(crate) fn resolve(
        &self,
        dir: &Dir,
        path: String,
        last: LastLink,
    ) -> Result<(Option<FolderId>, ResolvedPath), FileRefusal> {
        let tree = self.tree.as_ref();
        match tree.and_then(|tree| Some((tree, tree.id_of(dir)?))) {
            Some((tree, start)) => tree.resolve(start, path, last),
            None => Ok((None, ResolvedPath::in_folder(dir, path))),
        }
    }

    /// Notes that a guest is about to create a symbolic link.
    pub(crate) fn expect_links(&self) {
        if let Some(tree) = &self.tree {
            tree.expect_links();
        }
    }

    /// Marks a directory that was opened as the folder of the tree that it is, so that paths relative to it are
    /// resolved through the tree too.
    pub(crate) fn mark_opened_folder(
        &self,
        opened: &mut Descriptor,
        tree_folder: Option<FolderId>,
    ) {
        if let (Descriptor::Dir(dir), Some(id), Some(tree)) = (opened, tree_folder, &self.tree) {
            dir.dir = Arc::clone(&tree.folder(id).dir.dir);
        }
    }

    /// The entries of a directory, if the directory is `/` with other folders in it. `None` otherwise.
    pub(crate) fn list_root(&self, dir: &Dir) -> Option<std::io::Result<Vec<TreeEntry>>> {
        let tree = self.tree.as_ref()?;
        tree.is_root(tree.id_of(dir)?).then(|| tree.list_root())
    }

    /// Stores the entries of a listing, by the handle of the listing.
    pub(crate) fn begin_listing(&mut self, handle: u32, entries: Vec<TreeEntry>) {
        self.listings.insert(handle, entries.into_iter());
    }

    /// The rest of a listing that was stored here.
    pub(crate) fn listing_mut(&mut self, handle: u32) -> Option<&mut RootListing> {
        self.listings.get_mut(&handle)
    }

    pub(crate) fn end_listing(&mut self, handle: u32) {
        self.listings.remove(&handle);
    }

    /// The reason why the guest has no folders to write to. `None` if it has them, or has not asked for its folders.
    pub(crate) fn missing_reason(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    fn make_tree(&mut self) -> std::io::Result<FileTree> {
        let given = |folder: &MountedFolder| open_folder(&folder.host, &folder.guest);
        if self
            .more
            .iter()
            .any(|folder| folder.below_root().is_empty())
        {
            let folders = self.more.iter().map(given);
            return Ok(FileTree::new_separate(folders.collect::<Result<_, _>>()?));
        }
        let mut folders = vec![self.app.folder(ROOT)];
        for name in OWN_FOLDERS {
            if !self
                .more
                .iter()
                .any(|folder| folder.below_root() == below_root(name))
            {
                folders.push(self.make_own_folder(name)?);
            }
        }
        for folder in &self.more {
            folders.push(given(folder)?);
        }
        let tree = FileTree::new_joined(folders, Arc::clone(&self.app.links));
        if !self.more.is_empty() {
            tree.expect_links();
        }
        Ok(tree)
    }

    fn make_own_folder(&mut self, guest: &str) -> std::io::Result<TreeFolder> {
        let path = self.home.join(guest.trim_start_matches('/'));
        let made = std::fs::create_dir_all(&self.home)
            .and_then(|()| std::fs::create_dir(&path))
            .and_then(|()| open_folder(&path, guest));
        self.has_home = made.is_ok();
        if made.is_err() {
            // A half-made folder would make the next attempt fail.
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

/// Opens a folder for reading and writing.
fn open_folder(host: &Path, guest: &str) -> std::io::Result<TreeFolder> {
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
        // The path is free at once for the next instance of the same dyno.
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
        // A dyno may leave ten thousand files. Removing them must not delay the caller.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
