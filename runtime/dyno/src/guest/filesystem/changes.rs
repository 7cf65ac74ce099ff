//! The rules for changes to a guest's files, applied before the engine changes anything. They are the same for all
//! WASI versions.
//!
//! Owns the rules of read-only folders and of the borders between folders, with the errors that Linux reports for
//! them, and what each change is charged to the quota. A change has two steps: `begin_…` refuses or charges the
//! change, and the returned value is finished after the engine has made the change. Must not know WASI versions.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use cap_std::fs::MetadataExt;

use crate::guest::filesystem::paths::{FileRefusal, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::{DiskQuota, QuotaExceeded, UnlinkedFile};

/// The largest size and offset of a file that system calls can express: both are signed.
const OFFSET_MAX: u64 = i64::MAX as u64;

impl From<QuotaExceeded> for FileRefusal {
    fn from(_: QuotaExceeded) -> FileRefusal {
        FileRefusal::Full
    }
}

/// A new name that was charged. The charge is undone when this is dropped, unless the name is kept.
#[must_use]
pub(crate) struct ChargedName(Option<Arc<DiskQuota>>);

impl ChargedName {
    /// Keeps the charge: the engine has created the name.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for ChargedName {
    fn drop(&mut self) {
        if let Some(quota) = &self.0 {
            quota.release_name();
        }
    }
}

/// Begins to create a folder or a symbolic link.
pub(crate) fn begin_create(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
) -> Result<ChargedName, FileRefusal> {
    if at.is_read_only {
        return Err(at.new_name_refusal());
    }
    quota.charge_name()?;
    Ok(ChargedName(Some(Arc::clone(quota))))
}

/// Begins to create a second name of a file.
pub(crate) fn begin_link(
    quota: &Arc<DiskQuota>,
    from: &ResolvedPath,
    to: &ResolvedPath,
) -> Result<ChargedName, FileRefusal> {
    if from.is_read_only != to.is_read_only {
        from.metadata(LastLink::Keep)?;
        return Err(FileRefusal::CrossDevice);
    }
    begin_create(quota, to)
}

/// The options of a call that opens a file or folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRequest {
    pub(crate) last: LastLink,
    pub(crate) creates: bool,
    pub(crate) is_exclusive: bool,
    pub(crate) truncates: bool,
    pub(crate) writes: bool,
    /// The folder is opened to change its entries.
    pub(crate) changes_folder: bool,
}

/// A file that is being opened.
#[must_use]
pub(crate) struct FileOpening {
    /// The quota that the file is charged to. `None` for a read-only file.
    quota: Option<Arc<DiskQuota>>,
    name: Option<ChargedName>,
    /// The file's length before it is truncated.
    cut_from: Option<u64>,
}

/// Begins to open a file or folder.
pub(crate) fn begin_open(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
    request: OpenRequest,
) -> Result<FileOpening, FileRefusal> {
    let mut opening = FileOpening {
        quota: None,
        name: None,
        cut_from: None,
    };
    if at.is_read_only {
        check_read_only_open(at, request)?;
        return Ok(opening);
    }
    opening.quota = Some(Arc::clone(quota));
    if request.creates || request.truncates {
        let meta = at.metadata(request.last);
        if request.creates && meta.is_err() {
            quota.charge_name()?;
            opening.name = Some(ChargedName(Some(Arc::clone(quota))));
        }
        opening.cut_from = meta
            .ok()
            .filter(|_| request.truncates)
            .map(|meta| meta.len());
    }
    Ok(opening)
}

/// Refuses an open call in a read-only folder if the call asks for a change.
fn check_read_only_open(at: &ResolvedPath, request: OpenRequest) -> Result<(), FileRefusal> {
    let changes_file = request.creates || request.truncates || request.writes;
    if !changes_file && !request.changes_folder {
        return Ok(());
    }
    Err(match at.metadata(request.last) {
        Ok(_) if request.creates && request.is_exclusive => FileRefusal::Exists,
        Ok(meta) if meta.is_dir() && changes_file => FileRefusal::IsFolder,
        Ok(_) => FileRefusal::ReadOnly,
        Err(error) if request.creates && error.kind() == ErrorKind::NotFound => at.parent_refusal(),
        Err(error) => error.into(),
    })
}

impl FileOpening {
    /// Notes that the engine has opened the file. `None`: it opened a folder.
    pub(crate) fn finish(self, file: Option<&Arc<File>>) {
        if let Some(name) = self.name {
            name.keep();
        }
        if let (Some(file), Some(quota)) = (file, self.quota) {
            quota.note_opened(file);
            if let Some(before) = self.cut_from {
                quota.note_shrunk(file, before);
            }
        }
    }
}

/// A name that goes away: it is removed, or replaced by a renamed file.
#[must_use]
pub(crate) struct NameRemoval {
    quota: Arc<DiskQuota>,
    names: bool,
    file: Option<UnlinkedFile>,
}

impl NameRemoval {
    /// Returns what the name was charged: the engine has removed the name.
    pub(crate) fn finish(self) {
        match self.file {
            Some(file) => self.quota.note_unlinked(&file),
            None if self.names => self.quota.release_name(),
            None => {}
        }
    }
}

/// Begins to remove the name of a file or of a symbolic link.
pub(crate) fn begin_unlink(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
) -> Result<NameRemoval, FileRefusal> {
    if at.tree_folder.is_some() {
        return Err(FileRefusal::IsFolder);
    }
    if at.is_read_only {
        return Err(FileRefusal::ReadOnly);
    }
    Ok(NameRemoval {
        quota: Arc::clone(quota),
        names: true,
        file: at.unlinked_file(),
    })
}

/// Begins to remove a folder.
pub(crate) fn begin_remove_folder(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
) -> Result<NameRemoval, FileRefusal> {
    if at.tree_folder.is_some() {
        return Err(FileRefusal::Busy);
    }
    if at.is_read_only {
        return Err(FileRefusal::ReadOnly);
    }
    Ok(NameRemoval {
        quota: Arc::clone(quota),
        names: true,
        file: None,
    })
}

/// Begins to rename a file or folder. If the new name exists already, that entry goes away.
pub(crate) fn begin_rename(
    quota: &Arc<DiskQuota>,
    from: &ResolvedPath,
    to: &ResolvedPath,
) -> Result<NameRemoval, FileRefusal> {
    if from.tree_folder.is_some() || to.tree_folder.is_some() {
        return Err(FileRefusal::Busy);
    }
    if from.is_read_only != to.is_read_only {
        return Err(FileRefusal::CrossDevice);
    }
    if from.is_read_only {
        return Err(FileRefusal::ReadOnly);
    }
    let node = |place: &ResolvedPath| {
        let meta = place.metadata(LastLink::Keep).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    let replaced = node(to);
    // If both paths, or both names, are the same file or folder, a rename does nothing and keeps both names.
    let goes_away = replaced.is_some() && node(from) != replaced;
    Ok(NameRemoval {
        quota: Arc::clone(quota),
        names: goes_away,
        file: goes_away.then(|| to.unlinked_file()).flatten(),
    })
}

/// Begins to set the times of a file.
pub(crate) fn begin_set_times(at: &ResolvedPath, last: LastLink) -> Result<(), FileRefusal> {
    if at.is_read_only {
        at.metadata(last)?;
        return Err(FileRefusal::ReadOnly);
    }
    Ok(())
}

/// A change of a file's length. Bytes that were charged and not used are returned to the quota when this is dropped.
#[must_use]
pub(crate) struct SizeChange {
    quota: Arc<DiskQuota>,
    file: Arc<File>,
    /// The offset at which the change begins, in bytes.
    start: u64,
    /// The length that the file was charged for, at most.
    charged: u64,
}

impl SizeChange {
    /// The offset at which bytes are written.
    pub(crate) fn offset(&self) -> u64 {
        self.start
    }
}

impl Drop for SizeChange {
    fn drop(&mut self) {
        self.quota.note_shrunk(&self.file, self.charged);
    }
}

/// Begins to set the length of `file` to `size` bytes.
pub(crate) fn begin_set_size(
    quota: &Arc<DiskQuota>,
    file: &Arc<File>,
    size: u64,
) -> Result<SizeChange, FileRefusal> {
    if size > OFFSET_MAX {
        return Err(FileRefusal::Invalid);
    }
    let before = file.metadata()?.len();
    quota.charge_growth(file, size)?;
    Ok(SizeChange {
        quota: Arc::clone(quota),
        file: Arc::clone(file),
        start: 0,
        charged: before.max(size),
    })
}

/// Begins to write `bytes` bytes into `file` at `start`, or at the end of the file.
pub(crate) fn begin_write(
    quota: &Arc<DiskQuota>,
    file: &Arc<File>,
    start: Option<u64>,
    bytes: u64,
) -> Result<SizeChange, FileRefusal> {
    let start = match start {
        Some(start) => start,
        None => file.metadata()?.len(),
    };
    if start > OFFSET_MAX {
        return Err(FileRefusal::Invalid);
    }
    let end = start.saturating_add(bytes);
    if bytes > 0 {
        quota.charge_growth(file, end)?;
    }
    Ok(SizeChange {
        quota: Arc::clone(quota),
        file: Arc::clone(file),
        start,
        charged: if bytes > 0 { end } else { 0 },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    type Make = fn(&Path);

    /// Makes a folder with two entries, and a quota that has no room for a third name.
    fn full_of(
        make: impl FnOnce(&Path),
    ) -> (
        tempfile::TempDir,
        Arc<DiskQuota>,
        impl Fn(&str) -> ResolvedPath,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        make(folder.path());
        let quota = Arc::new(DiskQuota::new(1_000, 2, || {}));
        for _ in 0..2 {
            quota.charge_name().expect("room");
        }
        let dir = Arc::new(File::open(folder.path()).expect("it was made"));
        let place = move |path: &str| ResolvedPath {
            dir: Arc::clone(&dir),
            path: path.to_owned(),
            tree_folder: None,
            is_read_only: false,
        };
        (folder, quota, place)
    }

    #[test]
    fn a_rename_onto_the_same_file_releases_no_name() {
        let makes: [(&str, &str, Make); 4] = [
            ("folder", "x/../folder", |at| {
                fs::create_dir(at.join("folder")).expect("made");
                fs::create_dir(at.join("x")).expect("made");
            }),
            ("link", "./link", |at| {
                std::os::unix::fs::symlink("nowhere", at.join("link")).expect("made");
            }),
            ("one", "two", |at| {
                fs::write(at.join("one"), "text").expect("made");
                fs::hard_link(at.join("one"), at.join("two")).expect("made");
            }),
            ("file", "./file", |at| {
                fs::write(at.join("file"), "text").expect("made");
            }),
        ];
        for (from, to, make) in makes {
            let (folder, quota, place) = full_of(make);
            let rename = begin_rename(&quota, &place(from), &place(to)).expect("allowed");
            fs::rename(folder.path().join(from), folder.path().join(to)).expect("nothing happens");
            rename.finish();
            assert!(quota.charge_name().is_err(), "{from} onto {to}");
        }
    }

    #[test]
    fn a_rename_onto_another_file_releases_a_name() {
        let makes: [Make; 2] = [
            |at| {
                fs::create_dir(at.join("a")).expect("made");
                fs::create_dir(at.join("b")).expect("made");
            },
            |at| {
                fs::write(at.join("a"), "text").expect("made");
                fs::write(at.join("b"), "text").expect("made");
            },
        ];
        for make in makes {
            let (_folder, quota, place) = full_of(make);
            let rename = begin_rename(&quota, &place("a"), &place("b")).expect("allowed");
            rename.finish();
            quota.charge_name().expect("one is gone");
            assert!(quota.charge_name().is_err(), "only one");
        }
    }
}
