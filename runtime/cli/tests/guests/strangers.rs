//! What one stranger may do to an app: nothing that another client notices.

use testkit::guest_path;
use testkit::hostile_client::{HostileTarget, assert_others_are_served};

use crate::stage::{Stage, folder};

fn guest_holds(name: &str, (announces, traps, works): (&str, &str, &str)) {
    let folder = folder(&guest_path(name), "");
    let local = assert_others_are_served(&HostileTarget {
        folder: folder.path(),
        announces,
        traps,
        works,
    });
    Stage::of(local, folder).ends();
}

#[test]
fn a_stranger_stops_no_wstd_app() {
    guest_holds("announces", ("/?length=1234", "/panic", "/ok"));
}

#[test]
fn a_stranger_stops_no_wasi_0_3_app() {
    guest_holds("announces3", ("/?length=1234", "/panic", "/ok"));
}

#[test]
fn a_stranger_stops_no_server() {
    guest_holds("listens", ("/", "/exit", "/headers"));
}
