//! What a guest may change of its files, decided before the engine changes anything: the same for all versions of WASI.
//!
//! Owns the rules of a read-only folder and of the borders between folders, with the errors that Linux gives for them,
//! and what each change is charged to the quota. A change has two steps: `begin_…` refuses or charges, and the value
//! that it gives is told when the engine has made the change. Must not know versions of WASI.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use cap_std::fs::MetadataExt;

use crate::guest::filesystem::paths::{FileRefusal, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::{DiskQuota, QuotaExceeded, UnlinkedFile};

/// Largest size and offset of a file that the host's calls can express (they are signed).
const OFFSET_MAX: u64 = i64::MAX as u64;

impl From<QuotaExceeded> for FileRefusal {
    fn from(_: QuotaExceeded) -> FileRefusal {
        FileRefusal::Full
    }
}

/// A new name that is paid for, and given back unless it is kept.
#[must_use]
pub(crate) struct ChargedName(Option<Arc<DiskQuota>>);

impl ChargedName {
    /// The engine has made it.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for ChargedName {
    fn drop(&mut self) {
        if let Some(quota) = &self.0 {
            quota.uncreate();
        }
    }
}

/// A folder, or a symbolic link, is to be made.
pub(crate) fn begin_create(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
) -> Result<ChargedName, FileRefusal> {
    if at.is_read_only {
        return Err(at.refuse_new_name());
    }
    quota.create()?;
    Ok(ChargedName(Some(Arc::clone(quota))))
}

/// A second name of a file is to be made.
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

/// What an opening asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRequest {
    pub(crate) last: LastLink,
    pub(crate) creates: bool,
    pub(crate) is_exclusive: bool,
    pub(crate) truncates: bool,
    pub(crate) writes: bool,
    /// A folder, to change what is in it.
    pub(crate) changes_folder: bool,
}

/// A file is being opened.
#[must_use]
pub(crate) struct FileOpening {
    /// Whose files these are, if they count.
    quota: Option<Arc<DiskQuota>>,
    name: Option<ChargedName>,
    /// Its length before it is cut.
    cut_from: Option<u64>,
}

/// A file is to be opened.
pub(crate) fn begin_open(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
    asked: OpenRequest,
) -> Result<FileOpening, FileRefusal> {
    let mut opening = FileOpening {
        quota: None,
        name: None,
        cut_from: None,
    };
    if at.is_read_only {
        refuse_open(at, asked)?;
        return Ok(opening);
    }
    opening.quota = Some(Arc::clone(quota));
    if asked.creates || asked.truncates {
        let meta = at.metadata(asked.last);
        if asked.creates && meta.is_err() {
            quota.create()?;
            opening.name = Some(ChargedName(Some(Arc::clone(quota))));
        }
        opening.cut_from = meta.ok().filter(|_| asked.truncates).map(|meta| meta.len());
    }
    Ok(opening)
}

/// In a read-only folder.
fn refuse_open(at: &ResolvedPath, asked: OpenRequest) -> Result<(), FileRefusal> {
    let changes_file = asked.creates || asked.truncates || asked.writes;
    if !changes_file && !asked.changes_folder {
        return Ok(());
    }
    Err(match at.metadata(asked.last) {
        Ok(_) if asked.creates && asked.is_exclusive => FileRefusal::Exists,
        Ok(meta) if meta.is_dir() && changes_file => FileRefusal::IsFolder,
        Ok(_) => FileRefusal::ReadOnly,
        Err(error) if asked.creates && error.kind() == ErrorKind::NotFound => at.refuse_in_parent(),
        Err(error) => error.into(),
    })
}

impl FileOpening {
    /// The engine has opened it; none is a folder.
    pub(crate) fn done(self, file: Option<&Arc<File>>) {
        if let Some(name) = self.name {
            name.keep();
        }
        if let (Some(file), Some(quota)) = (file, self.quota) {
            quota.opened(file);
            if let Some(before) = self.cut_from {
                quota.shrank(file, before);
            }
        }
    }
}

/// Names that go away: one that is removed, or one that another takes the place of.
#[must_use]
pub(crate) struct NameRemoval {
    quota: Arc<DiskQuota>,
    names: bool,
    file: Option<UnlinkedFile>,
}

impl NameRemoval {
    /// The engine has removed it.
    pub(crate) fn done(self) {
        match self.file {
            Some(file) => self.quota.unlinked(&file),
            None if self.names => self.quota.uncreate(),
            None => {}
        }
    }
}

/// The name of a file or of a symbolic link is to be removed.
pub(crate) fn begin_unlink(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
) -> Result<NameRemoval, FileRefusal> {
    if at.is.is_some() {
        return Err(FileRefusal::IsFolder);
    }
    if at.is_read_only {
        return Err(FileRefusal::ReadOnly);
    }
    Ok(NameRemoval {
        quota: Arc::clone(quota),
        names: true,
        file: at.last_name(),
    })
}

/// A folder is to be removed.
pub(crate) fn begin_remove_folder(
    quota: &Arc<DiskQuota>,
    at: &ResolvedPath,
) -> Result<NameRemoval, FileRefusal> {
    if at.is.is_some() {
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

/// A name is to be changed; another may be there already, which goes away then.
pub(crate) fn begin_rename(
    quota: &Arc<DiskQuota>,
    from: &ResolvedPath,
    to: &ResolvedPath,
) -> Result<NameRemoval, FileRefusal> {
    if from.is.is_some() || to.is.is_some() {
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
    // Two paths or two names of one thing, of whatever kind: nothing happens, and both names stay.
    let goes_away = replaced.is_some() && node(from) != replaced;
    Ok(NameRemoval {
        quota: Arc::clone(quota),
        names: goes_away,
        file: goes_away.then(|| to.last_name()).flatten(),
    })
}

/// The times of a file are to be set.
pub(crate) fn begin_set_times(at: &ResolvedPath, last: LastLink) -> Result<(), FileRefusal> {
    if at.is_read_only {
        at.metadata(last)?;
        return Err(FileRefusal::ReadOnly);
    }
    Ok(())
}

/// A file that grows, or is cut: what it takes less than was charged is given back when this is dropped.
#[must_use]
pub(crate) struct SizeChange {
    quota: Arc<DiskQuota>,
    file: Arc<File>,
    /// Where the change begins, in bytes.
    start: u64,
    /// The longest that it may have been charged for.
    charged: u64,
}

impl SizeChange {
    /// The offset of what is written.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }
}

impl Drop for SizeChange {
    fn drop(&mut self) {
        self.quota.shrank(&self.file, self.charged);
    }
}

/// `file` is to have the length `size`.
pub(crate) fn begin_set_size(
    quota: &Arc<DiskQuota>,
    file: &Arc<File>,
    size: u64,
) -> Result<SizeChange, FileRefusal> {
    if size > OFFSET_MAX {
        return Err(FileRefusal::Invalid);
    }
    let before = file.metadata()?.len();
    quota.grow(file, size)?;
    Ok(SizeChange {
        quota: Arc::clone(quota),
        file: Arc::clone(file),
        start: 0,
        charged: before.max(size),
    })
}

/// So many bytes are to be written into `file` at `start`, or at its end.
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
        quota.grow(file, end)?;
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

    /// A folder of two names, which are all that its quota has.
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
            quota.create().expect("room");
        }
        let dir = Arc::new(File::open(folder.path()).expect("it was made"));
        let place = move |path: &str| ResolvedPath {
            dir: Arc::clone(&dir),
            path: path.to_owned(),
            is: None,
            is_read_only: false,
        };
        (folder, quota, place)
    }

    #[test]
    fn a_rename_onto_the_same_thing_frees_no_name() {
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
            rename.done();
            assert!(quota.create().is_err(), "{from} onto {to}");
        }
    }

    #[test]
    fn a_rename_onto_another_thing_frees_its_name() {
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
            rename.done();
            quota.create().expect("one is gone");
            assert!(quota.create().is_err(), "only one");
        }
    }
}
