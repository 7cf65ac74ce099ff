//! Work that is done once for all tests, such as the compilation of a component that many apps share.
//!
//! Safe for parallel processes: the first one works, the others wait. Must not know the work.

use std::fs::{self, File};

use rustix::fs::{FlockOperation, flock};

use crate::folders::scratch_folder;

/// Does `work` unless a test has done the work of this key before, in this process or another, in this run or an earlier
/// one. Use a digest of everything that the work depends on as the key. Work that panics is done again by the next test.
pub fn do_once(key: &str, work: impl FnOnce()) {
    let folder = scratch_folder().join("once");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join(format!("{key}.lock"))).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let done = folder.join(key);
    if !done.exists() {
        work();
        File::create(done).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::do_once;

    #[test]
    fn work_runs_once_and_again_after_a_panic() {
        let key = format!("test-{}", std::process::id());
        let fails = || do_once(&key, || panic!("the first attempt fails"));
        assert!(std::panic::catch_unwind(fails).is_err());
        let mut count = 0;
        for _ in 0..3 {
            do_once(&key, || count += 1);
        }
        assert_eq!(count, 1);
    }
}
