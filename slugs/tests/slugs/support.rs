//! Folders, components and archives for the tests.

pub(crate) mod archive;
pub(crate) mod wasm;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use slugs::build::{self, BuiltApp, Tools};
use slugs::pack::{self, PackError, PackedSlug};
use tempfile::TempDir;

/// A source folder that is removed after the test.
pub(crate) struct App {
    folder: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// An app with one handler and two files.
    pub(crate) fn hello() -> Self {
        Self::new()
            .file("web.wasm", wasm::handler_02())
            .file("public/index.html", "<h1>hello</h1>")
            .file("notes.txt", "some notes\n")
    }

    pub(crate) fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, contents).expect("a file");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn built(&self) -> BuiltApp {
        build::build(self.path(), &tools(), &mut |_| {})
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Packs the app into a file outside of its folder.
    pub(crate) fn try_pack(&self) -> Result<(TempDir, PackedSlug), PackError> {
        let place = tempfile::tempdir().expect("a temporary folder");
        let packed = pack::pack(&self.built(), &place.path().join("app.slug"))?;
        Ok((place, packed))
    }

    pub(crate) fn pack(&self) -> (Vec<u8>, PackedSlug) {
        let (_place, packed) = self
            .try_pack()
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        (fs::read(&packed.file).expect("the slug"), packed)
    }

    pub(crate) fn pack_error(&self) -> String {
        match self.try_pack() {
            Ok(_) => panic!("it was packed"),
            Err(error) => chain(&error),
        }
    }

    pub(crate) fn build_error(&self) -> String {
        match build::build(self.path(), &tools(), &mut |_| {}) {
            Ok(_) => panic!("it was built"),
            Err(error) => chain(&error),
        }
    }
}

/// Tools without a cache: the cache folder does not exist.
pub(crate) fn tools() -> Tools {
    Tools::attached("/no/such/cache")
}

/// The text of an error, as the command line prints it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The names of all files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}
