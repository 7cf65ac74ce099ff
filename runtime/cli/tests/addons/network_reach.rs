//! Network access by add-ons: an app reaches exactly what is attached to it, as long as it is attached.

use testkit::servers::{Memcached, Redis};
use testkit::{Server, ServerRig};

use crate::offering::{Offer, destroy, new_app};

/// The result of a connection attempt of a dyno.
fn dialled(server: &Server<'_>, port: u16) -> String {
    let said = server.app_page("shop", &format!("/?tcp=127.0.0.1:{port}"));
    said.split(':').next().unwrap().to_owned()
}

#[test]
fn a_guest_reaches_exactly_its_attached_add_ons() {
    let (cache, redis) = (Memcached::start(), Redis::start());
    let rig = ServerRig::new();
    let server = Offer::default()
        .with("MEMCACHED", cache.address())
        .with("REDIS", redis.url())
        .start(&rig);
    server.create_app("shop", &rig.build_slug("connect_to", "one"));
    // Add-ons of another app are out of reach.
    new_app(&server, "other");
    server
        .run(&["addons", "create", "redis", "-a", "other"])
        .success();
    let both = |server: &Server<'_>| [cache.port(), redis.port()].map(|port| dialled(server, port));
    assert_eq!(both(&server), ["refused", "refused"]);
    server
        .run(&["addons", "create", "memcached", "-a", "shop"])
        .success();
    assert_eq!(both(&server), ["allowed", "refused"]);
    server.run(&["rollback", "v1", "-a", "shop"]).success();
    assert_eq!(both(&server), ["allowed", "refused"]);
    server.kill();
    let server = Offer::default()
        .with("MEMCACHED", cache.address())
        .with("REDIS", redis.url())
        .start(&rig);
    server.wait_until_ready();
    assert_eq!(both(&server), ["allowed", "refused"]);
    destroy(&server, "shop", "MEMCACHED").success();
    server.wait_until_serving("shop", "v4");
    assert_eq!(both(&server), ["refused", "refused"]);
    assert!(server.stop().success());
}
