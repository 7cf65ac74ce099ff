//! Tests of key files, and of what a key opens and refuses.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn sealer() -> (tempfile::TempDir, Sealer) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = SealKey::load_or_create(&folder.path().join("key")).expect("a key");
    (folder, Sealer::new(&key, "test"))
}

#[test]
fn sealed_bytes_open_only_at_their_own_position() {
    let (folder, sealer) = sealer();
    let (at, id) = (7, [1; 16]);
    let sealed = sealer.seal(at, id, b"secret").expect("small");
    assert_eq!(
        sealer.open(at, id, &sealed).as_deref(),
        Some(&b"secret"[..])
    );
    assert_eq!(sealer.open(8, id, &sealed), None);
    assert_eq!(sealer.open(at, [2; 16], &sealed), None);
    let key = SealKey::load(&folder.path().join("key")).expect("a key");
    assert_eq!(Sealer::new(&key, "other").open(at, id, &sealed), None);
    let other = SealKey::load_or_create(&folder.path().join("other")).expect("a key");
    assert_eq!(Sealer::new(&other, "test").open(at, id, &sealed), None);
}

#[test]
fn a_single_changed_bit_is_noticed() {
    let (_folder, sealer) = sealer();
    let (at, id) = (1, [1; 16]);
    let sealed = sealer.seal(at, id, b"secret").expect("small");
    for index in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert_eq!(sealer.open(at, id, &changed), None, "byte {index}");
        assert_eq!(sealer.open(at, id, &sealed[..index]), None, "{index} bytes");
    }
}

#[test]
fn equal_plaintexts_give_different_ciphertexts() {
    let (_folder, sealer) = sealer();
    let id = [1; 16];
    let first = sealer.seal(1, id, b"secret").expect("small");
    assert_ne!(sealer.seal(1, id, b"secret").expect("small"), first);
}

#[test]
fn a_key_file_is_created_once_and_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    assert!(matches!(
        SealKey::load(&path),
        Err(SealKeyError::Missing(_))
    ));
    let made = SealKey::load_or_create(&path).expect("made");
    let again = SealKey::load_or_create(&path).expect("found");
    assert_eq!(made.bytes(), again.bytes());
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(files, 1, "nothing is left beside it");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    SealKey::load_or_create(&path).expect("made");
    for mode in [0o640, 0o604, 0o620] {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, permissions).expect("its owner may");
        let refused = SealKey::load_or_create(&path);
        assert!(matches!(refused, Err(SealKeyError::Exposed { mode: found, .. }) if found == mode));
    }
}

#[test]
fn a_key_file_of_wrong_length_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    SealKey::load_or_create(&path).expect("made");
    for bytes in [0, 31, 33, 100_000] {
        fs::write(&path, vec![7; bytes]).expect("writable");
        let refused = SealKey::load_or_create(&path);
        assert!(
            matches!(refused, Err(SealKeyError::Length(_))),
            "{bytes} bytes"
        );
    }
}
