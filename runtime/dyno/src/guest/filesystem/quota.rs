//! The disk quota of one dyno: how many bytes and files its `./tmp` and `./log` hold.
//!
//! wasmtime-wasi has no quotas, so every operation that can grow, create or remove something is
//! charged here first. A file counts with its length (holes too) as long as it has a name or is
//! open: removing the name of an open file frees nothing until it is closed. Knows nothing of WASI.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Open files that are remembered before the list is swept of closed ones.
const OPEN_SWEEP_LEN: usize = 64;

/// The operation would exceed the quota; nothing was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the dyno's disk quota is used up")]
pub(crate) struct QuotaExceeded;

impl From<QuotaExceeded> for std::io::Error {
    fn from(_: QuotaExceeded) -> std::io::Error {
        std::io::Error::from(std::io::ErrorKind::StorageFull)
    }
}

/// What a dyno may use and what it uses.
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
    /// Files without a name that somebody still has open, and the bytes they are charged.
    orphans: Vec<(Inode, u64)>,
    told_full: bool,
}

/// Device and inode number.
type Inode = (u64, u64);

/// A regular file that loses its last name, as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnlinkedFile {
    pub(crate) inode: Inode,
    pub(crate) bytes: u64,
}

fn inode(meta: &Metadata) -> Inode {
    (meta.dev(), meta.ino())
}

impl DiskQuota {
    /// `on_full` is called the first time that something is refused.
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

    fn used(&self) -> MutexGuard<'_, DiskUsage> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, mut used: MutexGuard<'_, DiskUsage>) -> QuotaExceeded {
        if !std::mem::replace(&mut used.told_full, true) {
            drop(used);
            (self.on_full)();
        }
        QuotaExceeded
    }

    /// A file was opened: it keeps its bytes until it is closed, whatever happens to its name.
    pub(crate) fn opened(&self, file: &Arc<File>) {
        let Ok(meta) = file.metadata() else { return };
        let mut used = self.used();
        // Before it is known: it may have the inode of a nameless file that was closed meanwhile.
        used.sweep();
        if used.open.len() >= OPEN_SWEEP_LEN {
            used.open.retain(|(_, file)| file.strong_count() > 0);
        }
        used.open.push((inode(&meta), Arc::downgrade(file)));
    }

    /// One more name: a file, folder or link is about to be made.
    pub(crate) fn create(&self) -> Result<(), QuotaExceeded> {
        let mut used = self.used();
        if used.files >= self.files_max {
            return Err(self.full(used));
        }
        used.files += 1;
        Ok(())
    }

    /// Takes back a [`DiskQuota::create`] whose operation failed, or notes a removed name.
    pub(crate) fn uncreate(&self) {
        let mut used = self.used();
        used.files = used.files.saturating_sub(1);
    }

    /// `file` is about to reach the length `end`, in bytes, if it is shorter now.
    pub(crate) fn grow(&self, file: &File, end: u64) -> Result<(), QuotaExceeded> {
        let Ok(meta) = file.metadata() else {
            return Err(QuotaExceeded);
        };
        let Some(more) = end.checked_sub(meta.len()).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut used = self.used();
        used.sweep();
        if more > self.bytes_max.saturating_sub(used.bytes) {
            return Err(self.full(used));
        }
        used.bytes += more;
        let node = inode(&meta);
        if let Some(orphan) = used.orphans.iter_mut().find(|(at, _)| *at == node) {
            orphan.1 = orphan.1.saturating_add(more);
        }
        Ok(())
    }

    /// `file` was cut from `before` bytes to what it is now.
    pub(crate) fn shrank(&self, file: &File, before: u64) {
        let Ok(meta) = file.metadata() else { return };
        let less = before.saturating_sub(meta.len());
        let mut used = self.used();
        used.bytes = used.bytes.saturating_sub(less);
        let node = inode(&meta);
        if let Some(orphan) = used.orphans.iter_mut().find(|(at, _)| *at == node) {
            orphan.1 = orphan.1.saturating_sub(less);
        }
    }

    /// A regular file lost its last name.
    pub(crate) fn unlinked(&self, file: &UnlinkedFile) {
        let mut used = self.used();
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
    /// Gives back the bytes of nameless files that nobody has open any more.
    fn sweep(&mut self) {
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
        quota.opened(&file);
        file
    }

    fn write(quota: &DiskQuota, mut file: &File, len: usize) -> Result<(), QuotaExceeded> {
        let end = file.metadata().expect("open").len() + len as u64;
        quota.grow(file, end)?;
        file.write_all(&vec![1; len]).expect("space on the host");
        Ok(())
    }

    #[test]
    fn an_open_file_keeps_its_bytes_when_its_name_goes() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let quota = DiskQuota::new(100, 10, || {});
        let path = dir.path().join("a");
        let file = open(&quota, &path);
        write(&quota, &file, 80).expect("fits");
        let meta = file.metadata().expect("open");
        std::fs::remove_file(&path).expect("exists");
        quota.unlinked(&UnlinkedFile {
            inode: inode(&meta),
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
    fn the_first_refusal_is_told_once() {
        let told = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = Arc::clone(&told);
        let quota = DiskQuota::new(0, 1, move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(quota.create(), Ok(()));
        assert_eq!(quota.create(), Err(QuotaExceeded));
        assert_eq!(quota.create(), Err(QuotaExceeded));
        assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
        quota.uncreate();
        assert_eq!(quota.create(), Ok(()));
    }

    #[test]
    fn cutting_a_file_gives_bytes_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let quota = DiskQuota::new(100, 10, || {});
        let file = open(&quota, &dir.path().join("a"));
        write(&quota, &file, 100).expect("fits");
        file.set_len(30).expect("writable");
        quota.shrank(&file, 100);
        assert_eq!(quota.grow(&file, 101), Err(QuotaExceeded));
        assert_eq!(quota.grow(&file, 100), Ok(()));
    }
}
