//! The folders that a core module has open, by the number of their descriptor.
//!
//! Owns which folder of the tree a descriptor refers to, and spare descriptors of the tree's folders that the module
//! cannot close. Must not know what is done with a folder.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Weak};

use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{self, Errno, Error, Fdflags, Lookupflags, Oflags, Rights};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as Inner;
use wiggle::{GuestMemory, GuestPtr};

use crate::guest::filesystem::paths::{FileRefusal, FolderId, LastLink, ResolvedPath};
use crate::guest::filesystem::tree::FileTree;

/// The first descriptor after stdin, stdout and stderr.
const FIRST_FD: u32 = 3;
/// The longest path that is read from a module, in bytes (Linux's `PATH_MAX`).
const PATH_BYTES_MAX: u32 = 4_096;
/// The bytes of a listing's entry before its name: next cookie, inode, length of the name, type, padding.
const ENTRY_BYTES: usize = 24;

/// A folder that a module has open.
struct OpenFolder {
    /// wasmtime-wasi holds the strong reference as long as the descriptor is open.
    dir: Weak<File>,
    tree_folder: Option<FolderId>,
    is_read_only: bool,
}

/// The open folders of one module.
pub(super) struct OpenFolders {
    open: HashMap<u32, OpenFolder>,
    /// For each folder of the tree, by its id, a descriptor of it: the one that the module was given or, once the module
    /// has closed that, a spare one that it does not know. `None`: the spare one could not be opened.
    bases: Vec<Option<u32>>,
    /// Weak references to folders that the module did not open itself. They mark the folder as known, for
    /// `newest_folder`.
    marks: Vec<Weak<File>>,
}

/// An entry of a listing.
pub(super) struct ListingEntry {
    name: String,
    inode: u64,
    kind: types::Filetype,
}

impl OpenFolders {
    /// `wasi` must have been given the folders of the tree, in the tree's order.
    pub(super) fn new(wasi: &mut WasiP1Ctx, tree: &FileTree) -> OpenFolders {
        let fd = |id: FolderId| FIRST_FD + id.index() as u32;
        let open = tree.folder_ids().map(|id| {
            let folder = &tree.folder(id).dir;
            let folder = OpenFolder {
                dir: Arc::downgrade(&folder.dir),
                tree_folder: Some(id),
                is_read_only: folder.perms.write_not_permitted(),
            };
            (fd(id), folder)
        });
        // The engine creates its descriptors at the first call that needs one.
        let _ = wasi.fd_prestat_get(&mut GuestMemory::Unshared(&mut []), FIRST_FD.into());
        let mut folders = OpenFolders {
            open: open.collect(),
            bases: tree.folder_ids().map(|id| Some(fd(id))).collect(),
            marks: Vec::new(),
        };
        while let Some(dir) = newest_folder(wasi) {
            folders.marks.push(Arc::downgrade(&dir));
        }
        folders
    }

    /// Resolves a path. Returns the descriptor from which the engine is to open it, and the path from there.
    pub(super) fn resolve(
        &self,
        tree: &FileTree,
        fd: types::Fd,
        path: String,
        last: LastLink,
    ) -> Result<(types::Fd, ResolvedPath), Error> {
        let folder = self.open.get(&u32::from(fd)).ok_or(Errno::Badf)?;
        if let Some(start) = folder.tree_folder {
            let (other, place) = tree.resolve(start, path, last)?;
            let base = |id: FolderId| self.bases[id.index()].map(types::Fd::from);
            let fd = other.map_or(Some(fd), base).ok_or(Errno::Badf)?;
            return Ok((fd, place));
        }
        let place = ResolvedPath {
            dir: folder.dir.upgrade().ok_or(Errno::Badf)?,
            path,
            tree_folder: None,
            is_read_only: folder.is_read_only,
        };
        Ok((fd, place))
    }

    pub(super) fn is_read_only(&self, fd: types::Fd) -> bool {
        let folder = self.open.get(&u32::from(fd));
        folder.is_some_and(|folder| folder.is_read_only)
    }

    /// Whether this folder is `/` with other folders in it.
    pub(super) fn is_root(&self, tree: &FileTree, fd: types::Fd) -> bool {
        let tree_folder = self
            .open
            .get(&u32::from(fd))
            .and_then(|folder| folder.tree_folder);
        tree_folder.is_some_and(|id| tree.is_root(id))
    }

    /// Notes that the module has opened a folder.
    pub(super) fn note_opened(&mut self, wasi: &mut WasiP1Ctx, fd: types::Fd, at: &ResolvedPath) {
        let Some(dir) = newest_folder(wasi) else {
            return;
        };
        let folder = OpenFolder {
            dir: Arc::downgrade(&dir),
            tree_folder: at.tree_folder,
            is_read_only: at.is_read_only,
        };
        self.open.insert(fd.into(), folder);
    }

    /// Refuses a spare descriptor, which the module must not use.
    pub(super) fn check_not_spare(&self, fd: types::Fd) -> Result<(), Error> {
        let fd = u32::from(fd);
        if self.bases.contains(&Some(fd)) && !self.open.contains_key(&fd) {
            return Err(Errno::Badf.into());
        }
        Ok(())
    }

    /// Opens a spare descriptor, if the module is about to close the only one of a folder of the tree.
    pub(super) async fn keep_spare(&mut self, wasi: &mut WasiP1Ctx, fd: types::Fd) {
        let number = u32::from(fd);
        let Some(index) = self.bases.iter().position(|base| *base == Some(number)) else {
            return;
        };
        let mut paths = HostPaths::from_paths(&["."]);
        let (path, mut host) = (paths.path(0), paths.memory());
        let (follow, read) = (Lookupflags::empty(), Rights::FD_READ | Rights::FD_READDIR);
        let (how, flags) = (Oflags::DIRECTORY, Fdflags::empty());
        let spare = wasi.path_open(&mut host, fd, follow, path, how, read, read, flags);
        // Without a spare descriptor, the folder can no longer be reached, as for a module that has closed it anyway.
        self.bases[index] = spare.await.ok().map(u32::from);
        if let Some(dir) = newest_folder(wasi) {
            self.marks.push(Arc::downgrade(&dir));
        }
    }

    /// Notes that a descriptor was closed.
    pub(super) fn note_closed(&mut self, fd: types::Fd) {
        self.open.remove(&u32::from(fd));
    }

    /// Notes that a descriptor got another number, and that the descriptor which had this number was closed.
    pub(super) fn note_renumbered(&mut self, from: types::Fd, to: types::Fd) {
        let (from, to) = (u32::from(from), u32::from(to));
        self.open.remove(&to);
        if let Some(folder) = self.open.remove(&from) {
            self.open.insert(to, folder);
        }
        for base in &mut self.bases {
            if *base == Some(from) {
                *base = Some(to);
            }
        }
    }

    /// The entries of `/`, with `.` and `..` first, as the engine lists folders.
    pub(super) async fn list_root(
        &self,
        wasi: &mut WasiP1Ctx,
        tree: &FileTree,
        fd: types::Fd,
    ) -> Result<Vec<ListingEntry>, Error> {
        let listed = tree.list_root().map_err(FileRefusal::from)?;
        let names = [".", ".."].into_iter().map(str::to_owned);
        let names = names.chain(listed.into_iter().map(|entry| entry.name));
        let mut entries = Vec::new();
        for name in names {
            let path = if name == ".." { "." } else { &name };
            let (fd, at) = self.resolve(tree, fd, path.to_owned(), LastLink::Keep)?;
            let mut paths = HostPaths::from_paths(&[&at.path]);
            let (path, mut host) = (paths.path(0), paths.memory());
            let stat = wasi.path_filestat_get(&mut host, fd, Lookupflags::empty(), path);
            let stat = stat.await?;
            entries.push(ListingEntry {
                name,
                inode: stat.ino,
                kind: stat.filetype,
            });
        }
        Ok(entries)
    }
}

/// The folder that the engine opened last: the only one to which no weak reference exists.
fn newest_folder(wasi: &mut WasiP1Ctx) -> Option<Arc<File>> {
    let folders = wasi.ctx().table.iter_mut();
    let mut folders = folders.filter_map(|entry| match entry.downcast_ref() {
        Some(Descriptor::Dir(dir)) => Some(&dir.dir),
        _ => None,
    });
    folders.find(|dir| Arc::weak_count(dir) == 0).cloned()
}

/// Encodes the entries from `cookie` on, in at most `room` bytes. The last entry may be cut off, which tells the
/// module that there are more.
pub(super) fn encode_entries(entries: &[ListingEntry], cookie: u64, room: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (index, entry) in entries.iter().enumerate().skip(skipped) {
        if bytes.len() >= room {
            break;
        }
        let mut head = [0; ENTRY_BYTES];
        head[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        head[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        head[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
        head[20] = entry.kind as u8;
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(entry.name.as_bytes());
    }
    bytes.truncate(room);
    bytes
}

/// Reads a path from the module's memory.
pub(super) fn read_path(memory: &GuestMemory<'_>, path: GuestPtr<str>) -> Result<String, Error> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Errno::Nametoolong.into());
    }
    Ok(memory.as_cow_str(path)?.into_owned())
}

/// Paths in a memory of the host, from which the engine reads them as from a module's memory.
pub(super) struct HostPaths {
    bytes: Vec<u8>,
    /// The offset and the length of each path.
    paths: Vec<(u32, u32)>,
    /// The number of bytes after the paths into which the engine may write.
    room: u32,
}

impl HostPaths {
    pub(super) fn from_paths(paths: &[&str]) -> HostPaths {
        let mut host = HostPaths {
            bytes: Vec::new(),
            paths: Vec::with_capacity(paths.len()),
            room: 0,
        };
        for path in paths {
            // Both numbers are limited by `PATH_BYTES_MAX` and the links in a path.
            host.paths
                .push((host.bytes.len() as u32, path.len() as u32));
            host.bytes.extend_from_slice(path.as_bytes());
        }
        host
    }

    /// A path, with room for `room` bytes, but at most for the longest path.
    pub(super) fn with_room(path: &str, room: u32) -> HostPaths {
        let mut host = HostPaths::from_paths(&[path]);
        host.room = room.min(PATH_BYTES_MAX);
        host.bytes.resize(path.len() + host.room as usize, 0);
        host
    }

    pub(super) fn path(&self, index: usize) -> GuestPtr<str> {
        GuestPtr::new(self.paths[index])
    }

    pub(super) fn room(&self) -> GuestPtr<u8> {
        GuestPtr::new(self.bytes.len() as u32 - self.room)
    }

    pub(super) fn room_bytes(&self) -> u32 {
        self.room
    }

    pub(super) fn memory(&mut self) -> GuestMemory<'_> {
        GuestMemory::Unshared(&mut self.bytes)
    }
}
