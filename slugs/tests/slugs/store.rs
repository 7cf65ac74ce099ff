//! The slug store: slugs are stored whole or not at all, unpacked once, and changes on disk are detected.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use grid::name::SlugId;
use slugs::store::{Store, StoreError};

use crate::support::{App, chain, files_below};

fn stored() -> (tempfile::TempDir, Store, SlugId, Vec<u8>) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(place.path()).expect("a store");
    let (bytes, _) = App::hello().pack();
    let slug = store.put(bytes.as_slice()).expect("a good slug");
    (place, store, slug.id(), bytes)
}

fn works(place: &Path) -> usize {
    fs::read_dir(place.join("work")).expect("a folder").count()
}

#[test]
fn a_stored_slug_is_read_back() {
    let (place, store, id, bytes) = stored();
    let mut file = store.get(id).expect("it is there");
    let mut back = Vec::new();
    std::io::copy(&mut file, &mut back).expect("memory");
    assert_eq!(back, bytes);
    assert!(store.contains(id));
    assert_eq!(
        store.put(bytes.as_slice()).expect("again is no error").id(),
        id
    );
    let list = store.list().expect("a list");
    assert_eq!(
        list.iter()
            .map(|stored| (stored.id, stored.bytes))
            .collect::<Vec<_>>(),
        [(id, bytes.len() as u64)]
    );
    assert_eq!(works(place.path()), 0);
}

#[test]
fn unpacked_files_equal_those_of_the_app_and_are_read_only() {
    let (place, store, id, _) = stored();
    let app = store.unpack(id).expect("it unpacks");
    let names: Vec<String> = files_below(&app.folder)
        .iter()
        .map(|file| {
            file.strip_prefix(&app.folder)
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(names, ["notes.txt", "public/index.html", "web.wasm"]);
    assert_eq!(
        fs::read_to_string(app.folder.join("notes.txt")).expect("a file"),
        "some notes\n"
    );
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&app.folder.join("notes.txt")) & 0o333, 0);
    assert_eq!(mode(&app.folder.join("public")) & 0o222, 0);
    assert_eq!(mode(&app.folder) & 0o222, 0);
    assert_eq!(store.unpack(id).expect("again").folder, app.folder);
    assert_eq!(works(place.path()), 0);
    assert!(store.remove(id).expect("it goes"));
    assert!(!store.remove(id).expect("it is gone"));
    assert!(!app.folder.exists() && works(place.path()) == 0);
    assert!(matches!(store.unpack(id), Err(StoreError::NotFound { .. })));
}

#[test]
fn changed_slugs_on_disk_are_detected() {
    let (place, store, id, bytes) = stored();
    let file = place
        .path()
        .join("slugs")
        .join(format!("{}.slug", id.hex()));
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, changed).expect("a file");
    for error in [
        store.get(id).map(drop),
        store.unpack(id).map(drop),
        store.manifest(id).map(drop),
    ] {
        let text = chain(&error.expect_err("a changed slug"));
        assert!(
            text.contains("R17") && text.contains(&id.to_string()),
            "{text}"
        );
    }
    // Storing the slug again repairs the file.
    store.put(bytes.as_slice()).expect("a good slug");
    assert!(store.get(id).is_ok());
}

#[test]
fn changed_unpacked_files_are_unpacked_again() {
    let (place, store, id, _) = stored();
    let folder = store.unpack(id).expect("it unpacks").folder;
    let tampers: [fn(&Path); 4] = [
        |folder| fs::write(folder.join("notes.txt"), "other").expect("a file"),
        |folder| fs::remove_file(folder.join("notes.txt")).expect("a file"),
        |folder| fs::write(folder.join("more"), "x").expect("a file"),
        |folder| {
            fs::remove_file(folder.join("notes.txt")).expect("a file");
            std::os::unix::fs::symlink("/etc/passwd", folder.join("notes.txt")).expect("a link");
        },
    ];
    for tamper in tampers {
        for path in [folder.clone(), folder.join("notes.txt")] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("a mode");
        }
        tamper(&folder);
        // A later process compares unpacked files before it uses them.
        let later = Store::open(place.path()).expect("a store");
        let app = later.unpack(id).expect("it unpacks");
        assert_eq!(
            fs::read_to_string(app.folder.join("notes.txt")).expect("a file"),
            "some notes\n"
        );
        assert_eq!(files_below(&app.folder).len(), 3);
    }
}

#[test]
fn leftovers_of_a_crash_are_removed_and_work_in_progress_is_kept() {
    let (place, store, id, bytes) = stored();
    // Leftovers of a killed `put`, and of an `unpack` killed when some folders were already read-only.
    let put = place.path().join("work/.tmpdead1");
    fs::create_dir(&put).expect("a folder");
    fs::write(put.join("slug"), &bytes[..bytes.len() / 2]).expect("a file");
    let unpack = place.path().join("work/.tmpdead2/slug/app/public");
    fs::create_dir_all(&unpack).expect("folders");
    fs::write(unpack.join("index.html"), "<h1>he").expect("a file");
    fs::set_permissions(&unpack, Permissions::from_mode(0o555)).expect("a mode");
    // A `put` that is still running.
    let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
    thread::scope(|scope| {
        let live = scope.spawn(|| {
            store.put(Slow {
                receiver,
                left: Vec::new(),
            })
        });
        sender.send(bytes[..10].to_vec()).expect("a reader");
        while works(place.path()) < 3 {
            thread::yield_now();
        }
        let later = Store::open(place.path()).expect("a store");
        assert_eq!(works(place.path()), 1, "only the living one is left");
        assert!(later.unpack(id).is_ok());
        sender.send(bytes[10..].to_vec()).expect("a reader");
        drop(sender);
        assert_eq!(
            live.join().expect("no panic").expect("a good slug").id(),
            id
        );
    });
    assert_eq!(works(place.path()), 0);
}

/// A reader that blocks until bytes are sent.
struct Slow {
    receiver: std::sync::mpsc::Receiver<Vec<u8>>,
    left: Vec<u8>,
}

impl std::io::Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left.is_empty() {
            self.left = self.receiver.recv().unwrap_or_default();
        }
        let count = buffer.len().min(self.left.len());
        buffer[..count].copy_from_slice(&self.left[..count]);
        self.left.drain(..count);
        Ok(count)
    }
}

#[test]
fn an_aborted_upload_leaves_no_file() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(place.path()).expect("a store");
    let (bytes, packed) = App::hello().pack();
    for cut in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(store.put(&bytes[..cut]).is_err());
        assert!(files_below(place.path()).is_empty());
    }
    let other = SlugId::new([7; 32]);
    let error = store
        .put_as(other, bytes.as_slice())
        .expect_err("another slug");
    assert!(matches!(error, StoreError::Mismatch { .. }));
    assert!(files_below(place.path()).is_empty());
    assert!(store.put_as(packed.slug.id(), bytes.as_slice()).is_ok());
}

#[test]
fn concurrent_stores_get_the_same_slug() {
    const CALLERS: usize = 8;
    let place = tempfile::tempdir().expect("a temporary folder");
    let (bytes, packed) = App::hello().pack();
    let id = packed.slug.id();
    let start = Barrier::new(CALLERS);
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            // Each thread opens its own store, like separate processes.
            scope.spawn(|| {
                let store = Store::open(place.path()).expect("a store");
                start.wait();
                store.put(bytes.as_slice()).expect("a good slug");
                let app = store.unpack(id).expect("it unpacks");
                assert_eq!(files_below(&app.folder).len(), 3);
            });
        }
    });
    assert_eq!(works(place.path()), 0);
}

#[test]
fn links_and_long_names_are_unpacked_and_compared() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(place.path()).expect("a store");
    let long = "n".repeat(255);
    let app = App::hello().file(&long, "a long name");
    for (target, link) in [
        ("../notes.txt", "public/notes.txt"),
        ("public", "static"),
        ("tmp/x", "own"),
    ] {
        std::os::unix::fs::symlink(target, app.path().join(link)).expect("a link");
    }
    let id = store
        .put(app.pack().0.as_slice())
        .expect("a good slug")
        .id();
    let folder = store.unpack(id).expect("it unpacks").folder;
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
    assert_eq!(read("public/notes.txt"), "some notes\n");
    assert_eq!(read("static/index.html"), "<h1>hello</h1>");
    assert_eq!(read(&long), "a long name");
    let target = |name: &str| fs::read_link(folder.join(name)).expect("a link");
    assert_eq!(target("own"), Path::new("tmp/x"));
    let node =
        |folder: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(folder).expect("there"));
    // The unpacked tree is correct, so another process uses it unchanged.
    let before = node(&folder);
    let again = Store::open(place.path()).expect("a store");
    assert_eq!(again.unpack(id).expect("it unpacks").folder, folder);
    assert_eq!(node(&folder), before);
    // A changed link is detected, and not followed.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("ours");
    fs::remove_file(folder.join("static")).expect("ours");
    std::os::unix::fs::symlink("/etc", folder.join("static")).expect("a link");
    let healed = Store::open(place.path()).expect("a store");
    healed.unpack(id).expect("it unpacks");
    assert_eq!(target("static"), Path::new("public"));
    assert!(store.remove(id).expect("it was here"));
    assert!(!folder.exists());
}
