//! Tests of the memory budget that all messages share.

use super::*;

#[test]
fn attached_bytes_count_until_their_last_part_is_dropped() {
    let budget = MemoryBudget::for_request_bodies(100).for_connection();
    let mut share = MemoryShare::new(budget.clone());
    assert!(share.has_room(0));
    share.set_held(100);
    assert!(!share.has_room(100) && !budget.for_connection().has_room(0));
    let mut whole = share.attach_to(Bytes::from_static(b"body"));
    let (copy, part) = (whole.clone(), whole.split_to(2));
    drop((copy, whole));
    assert_eq!((budget.used(), &part[..]), (100, &b"bo"[..]));
    drop(part);
    assert_eq!(budget.used(), 0);
}
