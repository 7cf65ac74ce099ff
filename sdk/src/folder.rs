//! The two folders that a dyno may write to. All other folders hold the app's own files, and are read-only.
//!
//! Both are private to one dyno. They are empty when the dyno boots, are removed when it stops, and have a size limit:
//! a write to a full folder fails with "no space". Keep lasting data in a database or an object store.

use std::path::{Component, Path, PathBuf};

/// The folder of [`tmp`].
pub const TMP: &str = "/tmp";
/// The folder of [`log`].
pub const LOG: &str = "/log";

/// The path of `name` in the folder for scratch files.
///
/// `name` may be untrusted: the path always stays inside the folder. Parts that would lead out of it (`..`, a leading
/// `/`) are dropped.
pub fn tmp(name: impl AsRef<Path>) -> PathBuf {
    inside(TMP, name.as_ref())
}

/// The path of `name` in the folder for log files, with the same rules as [`tmp`]. Lines on standard output reach the app's
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
    fn paths_stay_inside_the_folder() {
        assert_eq!(tmp("a/b.txt"), Path::new("/tmp/a/b.txt"));
        assert_eq!(tmp("../../etc/passwd"), Path::new("/tmp/etc/passwd"));
        assert_eq!(tmp("/etc/passwd"), Path::new("/tmp/etc/passwd"));
        assert_eq!(log("./x.log"), Path::new("/log/x.log"));
    }
}
