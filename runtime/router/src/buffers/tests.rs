//! Tests of the memory shared by bodies.

use super::*;

#[test]
fn what_is_held_counts_until_its_last_part_is_gone() {
    let buffers = Buffers::requests(100).share();
    let mut share = Share::new(buffers.clone());
    assert!(share.has_room(0));
    share.set(100);
    assert!(!share.has_room(100) && !buffers.share().has_room(0));
    let mut whole = share.hold(Bytes::from_static(b"body"));
    let (copy, part) = (whole.clone(), whole.split_to(2));
    drop((copy, whole));
    assert_eq!((buffers.used(), &part[..]), (100, &b"bo"[..]));
    drop(part);
    assert_eq!(buffers.used(), 0);
}
