//! Random input: nothing panics, and accepted input is read unchanged.

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use slugs::component::inspect;
use slugs::verify::verify;
use slugs::{Manifest, SlugPath};
use wasm_smith::{Component, Config, Module};

use crate::support::App;
use crate::support::archive::{self, Tar, good};

/// A slug with `bytes` as the component of `web`.
fn slug_of(bytes: &[u8]) -> Vec<u8> {
    let text = archive::text(&archive::manifest(&[("web.wasm", bytes)]));
    Tar::default()
        .file("slug.json", &text)
        .file("app/web.wasm", bytes)
        .slug()
}

fn random_config(input: &mut Unstructured<'_>) -> Config {
    Config::arbitrary(input).unwrap_or_default()
}

/// A slug is accepted only if its component is.
fn check_component(bytes: &[u8]) {
    let inspected = inspect(bytes);
    if verify(slug_of(bytes).as_slice()).is_ok() {
        assert!(inspected.is_ok());
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(verify(bytes.as_slice()).is_err());
        prop_assert!(verify(archive::compressed(&bytes).as_slice()).is_err());
        let _ = Manifest::from_json(&bytes);
        let _ = inspect(&bytes);
        let _ = inspect(&[b"\0asm\x01\0\0\0", bytes.as_slice()].concat());
        let _ = inspect(&[b"\0asm\x0d\0\x01\0", bytes.as_slice()].concat());
    }

    #[test]
    fn random_modules_are_accepted_or_refused(seed in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let mut input = Unstructured::new(&seed);
        let config = random_config(&mut input);
        if let Ok(module) = Module::new(config, &mut input) {
            check_component(&module.to_bytes());
        }
    }

    #[test]
    fn random_components_are_accepted_or_refused(seed in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let mut input = Unstructured::new(&seed);
        let config = random_config(&mut input);
        if let Ok(component) = Component::new(config, &mut input) {
            check_component(&component.to_bytes());
        }
    }

    #[test]
    fn damaged_components_are_accepted_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for mut bytes in [crate::support::wasm::handler_02(), crate::support::wasm::wasip1()] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            check_component(&bytes);
        }
    }

    #[test]
    fn accepted_paths_stay_inside_and_unchanged(text in "[a-z./\\\\\0 é]{0,40}") {
        if let Ok(path) = SlugPath::new(&text) {
            let joined = std::path::Path::new("/root").join(path.as_str());
            prop_assert!(joined.starts_with("/root"));
            prop_assert!(joined.components().all(|part| part != std::path::Component::ParentDir));
            prop_assert_eq!(path.as_str(), text);
        }
    }
}

/// A flipped bit is detected, or has no effect on the slug (an unused flag of the zstd frame).
#[test]
fn every_flipped_bit_is_detected_or_harmless() {
    let (good, packed) = App::hello().pack();
    for bit in 0..8 * good.len() {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(slug) = verify(bytes.as_slice()) {
            assert_eq!(slug.manifest(), packed.slug.manifest(), "bit {bit}");
            assert_ne!(slug.id(), packed.slug.id(), "bit {bit}");
        }
    }
}

/// Changes bytes inside the archive, where zstd's checksum does not detect them. An accepted slug may differ in its
/// descriptive texts, never in its files.
#[test]
fn every_changed_byte_of_the_archive_is_detected() {
    let mut good_bytes = Vec::new();
    let slug = good().slug();
    let mut decoder = zstd::stream::read::Decoder::new(slug.as_slice()).expect("a decoder");
    std::io::copy(&mut decoder, &mut good_bytes).expect("memory");
    let files = verify(slug.as_slice())
        .expect("a good slug")
        .manifest()
        .files
        .clone();
    for at in 0..good_bytes.len() {
        for change in [1, 0x20, 0x80] {
            let mut bytes = good_bytes.clone();
            bytes[at] ^= change;
            if let Ok(slug) = verify(archive::compressed(&bytes).as_slice()) {
                assert_eq!(slug.manifest().files, files, "byte {at}");
            }
        }
    }
}
