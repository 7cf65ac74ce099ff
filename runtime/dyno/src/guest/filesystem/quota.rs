//! The disk quota of one dyno: the bytes and files of its `./tmp` and `./log`.
//!
//! wasmtime-wasi has no quotas, so every operation that can grow, create or remove a file is charged here first. A
//! file is charged its length, holes included, as long as it has a name or is open: removing the name of an open file
//! frees nothing until the file is closed. Must not know WASI.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};

/// The number of open files after which closed files are removed from the list.
const OPEN_SWEEP_LEN: usize = 64;

/// The operation would exceed the quota. Nothing was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the dyno's disk quota is used up")]
pub(crate) struct QuotaExceeded;

impl From<QuotaExceeded> for std::io::Error {
    fn from(_: QuotaExceeded) -> std::io::Error {
        std::io::Error::from(std::io::ErrorKind::StorageFull)
    }
}

/// The limits of a dyno's disk use, and its use.
pub(crate) struct DiskQuota {
    bytes_max: u64,
    files_max: u64,
    used: Mutex<DiskUsage>,
    on_full: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct DiskUsage {
    bytes: u64,
    files: u64,
    open: Vec<(Inode, Weak<File>)>,
    /// Files without a name that are still open, and the bytes that they are charged.
    orphans: Vec<(Inode, u64)>,
    has_reported_full: bool,
}

/// The device and inode number of a file.
type Inode = (u64, u64);

/// A regular file that loses its last name, as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnlinkedFile {
    pub(crate) inode: Inode,
    pub(crate) bytes: u64,
}

fn inode_of(meta: &Metadata) -> Inode {
    (meta.dev(), meta.ino())
}

impl DiskQuota {
    /// Creates a quota. `on_full` is called the first time that an operation is refused.
    pub(crate) fn new(
        bytes_max: u64,
        files_max: u64,
        on_full: impl Fn() + Send + Sync + 'static,
    ) -> DiskQuota {
        DiskQuota {
            bytes_max,
            files_max,
            used: Mutex::default(),
            on_full: Box::new(on_full),
        }
    }

    fn lock_usage(&self) -> MutexGuard<'_, DiskUsage> {
        self.used.lock()
    }

    fn refuse(&self, mut used: MutexGuard<'_, DiskUsage>) -> QuotaExceeded {
        if !std::mem::replace(&mut used.has_reported_full, true) {
            drop(used);
            (self.on_full)();
        }
        QuotaExceeded
    }

    /// Notes that a file was opened. The file stays charged until it is closed, even if its name is removed.
    pub(crate) fn note_opened(&self, file: &Arc<File>) {
        let Ok(meta) = file.metadata() else { return };
        let mut used = self.lock_usage();
        // This runs before the file is added: the new file may have the inode number of an orphan that was closed.
        used.release_closed_orphans();
        if used.open.len() >= OPEN_SWEEP_LEN {
            used.open.retain(|(_, file)| file.strong_count() > 0);
        }
        used.open.push((inode_of(&meta), Arc::downgrade(file)));
    }

    /// Charges one name: of a file, folder or link that is about to be created.
    pub(crate) fn charge_name(&self) -> Result<(), QuotaExceeded> {
        let mut used = self.lock_usage();
        if used.files >= self.files_max {
            return Err(self.refuse(used));
        }
        used.files += 1;
        Ok(())
    }

    /// Releases one name: its operation failed, or the name was removed.
    pub(crate) fn release_name(&self) {
        let mut used = self.lock_usage();
        used.files = used.files.saturating_sub(1);
    }

    /// Charges the growth of `file` to `end` bytes. A file that is longer already is charged nothing.
    pub(crate) fn charge_growth(&self, file: &File, end: u64) -> Result<(), QuotaExceeded> {
        let Ok(meta) = file.metadata() else {
            return Err(QuotaExceeded);
        };
        let Some(more) = end.checked_sub(meta.len()).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut used = self.lock_usage();
        used.release_closed_orphans();
        if more > self.bytes_max.saturating_sub(used.bytes) {
            return Err(self.refuse(used));
        }
        used.bytes += more;
        let node = inode_of(&meta);
        if let Some(orphan) = used.orphans.iter_mut().find(|(at, _)| *at == node) {
            orphan.1 = orphan.1.saturating_add(more);
        }
        Ok(())
    }

    /// Releases the bytes by which `file` was cut, from `before` bytes to its length now.
    pub(crate) fn note_shrunk(&self, file: &File, before: u64) {
        let Ok(meta) = file.metadata() else { return };
        let less = before.saturating_sub(meta.len());
        let mut used = self.lock_usage();
        used.bytes = used.bytes.saturating_sub(less);
        let node = inode_of(&meta);
        if let Some(orphan) = used.orphans.iter_mut().find(|(at, _)| *at == node) {
            orphan.1 = orphan.1.saturating_sub(less);
        }
    }

    /// Notes that a regular file lost its last name.
    pub(crate) fn note_unlinked(&self, file: &UnlinkedFile) {
        let mut used = self.lock_usage();
        used.files = used.files.saturating_sub(1);
        let (node, bytes) = (file.inode, file.bytes);
        let still_open = used
            .open
            .iter()
            .any(|(at, file)| *at == node && file.strong_count() > 0);
        if still_open {
            used.orphans.push((node, bytes));
        } else {
            used.bytes = used.bytes.saturating_sub(bytes);
        }
    }
}

impl DiskUsage {
    /// Releases the bytes of nameless files that were closed.
    fn release_closed_orphans(&mut self) {
        if self.orphans.is_empty() {
            return;
        }
        self.open.retain(|(_, file)| file.strong_count() > 0);
        let (open, mut freed) = (&self.open, 0);
        self.orphans.retain(|(node, bytes)| {
            let alive = open.iter().any(|(at, _)| at == node);
            freed += if alive { 0 } else { *bytes };
            alive
        });
        self.bytes = self.bytes.saturating_sub(freed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn open(quota: &DiskQuota, path: &std::path::Path) -> Arc<File> {
        let file = Arc::new(
            File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(path)
                .expect("a file in a temporary folder"),
        );
        quota.note_opened(&file);
        file
    }

    fn write(quota: &DiskQuota, mut file: &File, len: usize) -> Result<(), QuotaExceeded> {
        let end = file.metadata().expect("open").len() + len as u64;
        quota.charge_growth(file, end)?;
        file.write_all(&vec![1; len]).expect("space on the host");
        Ok(())
    }

    #[test]
    fn bytes_of_an_open_file_stay_charged_after_its_name_is_removed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let quota = DiskQuota::new(100, 10, || {});
        let path = dir.path().join("a");
        let file = open(&quota, &path);
        write(&quota, &file, 80).expect("fits");
        let meta = file.metadata().expect("open");
        std::fs::remove_file(&path).expect("exists");
        quota.note_unlinked(&UnlinkedFile {
            inode: inode_of(&meta),
            bytes: meta.len(),
        });
        let other = open(&quota, &dir.path().join("b"));
        assert_eq!(write(&quota, &other, 80), Err(QuotaExceeded), "still open");
        assert_eq!(write(&quota, &file, 10), Ok(()), "an orphan can grow");
        drop(file);
        assert_eq!(write(&quota, &other, 100), Ok(()), "closed: given back");
        assert_eq!(write(&quota, &other, 1), Err(QuotaExceeded));
    }

    #[test]
    fn the_first_refusal_is_reported_once() {
        let told = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = Arc::clone(&told);
        let quota = DiskQuota::new(0, 1, move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(quota.charge_name(), Ok(()));
        assert_eq!(quota.charge_name(), Err(QuotaExceeded));
        assert_eq!(quota.charge_name(), Err(QuotaExceeded));
        assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
        quota.release_name();
        assert_eq!(quota.charge_name(), Ok(()));
    }

    #[test]
    fn truncating_a_file_releases_its_bytes() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let quota = DiskQuota::new(100, 10, || {});
        let file = open(&quota, &dir.path().join("a"));
        write(&quota, &file, 100).expect("fits");
        file.set_len(30).expect("writable");
        quota.note_shrunk(&file, 100);
        assert_eq!(quota.charge_growth(&file, 101), Err(QuotaExceeded));
        assert_eq!(quota.charge_growth(&file, 100), Ok(()));
    }
}
