//! memcached add-ons: config vars with the addresses of servers that answer.

use testkit::ServerRig;
use testkit::servers::Memcached;

use crate::offering::{Offer, addons, destroy, new_app, vars};

#[test]
fn config_vars_have_the_addresses_of_the_caches() {
    let (one, two) = (Memcached::start(), Memcached::start());
    let both = format!("{},{}", one.address(), two.address());
    let rig = ServerRig::new();
    let server = Offer::default().with("MEMCACHED", &both).start(&rig);
    server.create_app("shop", &rig.build_slug("good", "one"));
    server
        .run(&["addons", "create", "memcached", "-a", "shop"])
        .success();
    assert_eq!(server.app_variable("shop", "MEMCACHED_SERVERS"), both);
    for address in both.split(',') {
        let stored = Memcached::send_lines(address, "set k 0 0 1\n7\n", "\r\n");
        assert_eq!(stored, "STORED\r\n");
    }
    new_app(&server, "other");
    let shared = addons(&server, "shop")[0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    server
        .run(&["addons", "attach", &shared, "-a", "other", "--as", "CACHE"])
        .success();
    assert_eq!(vars(&server, "other")["CACHE_SERVERS"], both);
    destroy(&server, "shop", "MEMCACHED").success();
    assert!(vars(&server, "other")["CACHE_SERVERS"].is_null());
    assert!(vars(&server, "shop")["MEMCACHED_SERVERS"].is_null());
    assert!(server.stop().success());
}

#[test]
fn a_cache_that_does_not_answer_is_not_attached() {
    let (one, mut two) = (Memcached::start(), Memcached::start());
    let both = format!("{},{}", one.address(), two.address());
    let rig = ServerRig::new();
    let server = Offer::default().with("MEMCACHED", &both).start(&rig);
    new_app(&server, "shop");
    two.stop();
    let words = ["addons", "create", "memcached", "-a", "shop"];
    let refused = server.run(&words);
    let error = refused.failure();
    assert!(
        error.contains(&two.address()) && error.contains("refused"),
        "{error}"
    );
    assert_eq!(addons(&server, "shop").len(), 0);
    two.restart();
    server.run(&words).success();
    assert!(server.stop().success());
}
