//! Owns the files by which a static site is known. Must not know how it is served.

use std::path::Path;

/// The page that answers for a folder, and for the site itself.
pub(super) const INDEX: &str = "index.html";
/// Folders that tools write a site to.
const SITE_FOLDERS: &[&str] = &[
    "public", "dist", "build", "out", "_site", "site", "www", "docs",
];

/// Whether a folder holds a start page.
pub(in crate::build) fn has_start_page(folder: &Path) -> bool {
    folder.join(INDEX).is_file()
}

/// The first of the usual subfolders that holds a start page.
pub(in crate::build) fn find_site_folder(folder: &Path) -> Option<&'static str> {
    let mut folders = SITE_FOLDERS.iter().copied();
    folders.find(|name| has_start_page(&folder.join(name)))
}
