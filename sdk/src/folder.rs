//! The two folders that a dyno may write to. All else of its file system is the app's own files, read-only.
//!
//! Both are private to one dyno, empty when it boots, gone when it stops, and bounded: a full one answers a
//! write with "no space". What must last belongs in a database or an object store.

use std::path::{Component, Path, PathBuf};

/// Where [`tmp`] points.
pub const TMP: &str = "/tmp";
/// Where [`log`] points.
pub const LOG: &str = "/log";

/// The path of `name` in the folder for scratch files.
///
/// `name` may come from a stranger: whatever it says, the path stays inside the folder. Parts that would lead out
/// (`..`, a leading `/`) are left out.
pub fn tmp(name: impl AsRef<Path>) -> PathBuf {
    inside(TMP, name.as_ref())
}

/// The path of `name` in the folder for log files, by the same rules. Lines on standard output reach the app's
/// log stream; files here do not.
pub fn log(name: impl AsRef<Path>) -> PathBuf {
    inside(LOG, name.as_ref())
}

fn inside(folder: &str, name: &Path) -> PathBuf {
    let parts = name.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part),
        _ => None,
    });
    Path::new(folder).join(parts.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(tmp("a/b.txt"), Path::new("/tmp/a/b.txt"));
        assert_eq!(tmp("../../etc/passwd"), Path::new("/tmp/etc/passwd"));
        assert_eq!(tmp("/etc/passwd"), Path::new("/tmp/etc/passwd"));
        assert_eq!(log("./x.log"), Path::new("/log/x.log"));
    }
}
