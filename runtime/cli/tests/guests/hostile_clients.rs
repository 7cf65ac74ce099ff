//! A hostile client of an app does not disturb other clients.

use testkit::guest_path;
use testkit::hostile_client::{HostileTarget, assert_others_are_served};

use crate::guest_app::{Stage, folder};

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
fn a_hostile_client_does_not_disturb_other_clients_of_a_wstd_app() {
    guest_holds("announces", ("/?length=1234", "/panic", "/ok"));
}

#[test]
fn a_hostile_client_does_not_disturb_other_clients_of_a_wasi_0_3_app() {
    guest_holds("announces3", ("/?length=1234", "/panic", "/ok"));
}

#[test]
fn a_hostile_client_does_not_disturb_other_clients_of_a_server() {
    guest_holds("listens", ("/", "/exit", "/headers"));
}
