//! Name lookups: one lookup for each connection, a check of every address, and a connection to a checked address only.

use std::net::IpAddr;

use crate::server::Server;
use crate::two_networks::{NAMES, OWN, OWN_V6, PUBLIC, PUBLIC_2, World};

const BOTH: [&str; 2] = ["connect-to", "connect-to3"];

/// Names that resolve to closed addresses.
const CLOSED: [(&str, &str); 7] = [
    ("private.test", "10.0.0.1"),
    ("here.test", "127.0.0.1"),
    ("metadata.test", "169.254.169.254"),
    ("own.test", OWN),
    ("own6.test", OWN_V6),
    ("private6.test", "fd00::1"),
    ("mapped.test", "::ffff:10.0.0.1"),
];

#[test]
fn a_name_opens_nothing() {
    let Some(world) = World::enter("name_lookups::a_name_opens_nothing") else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to", "connect_to3"]);
    for (name, ip) in CLOSED {
        world.dns.say(name, &[ip]);
    }
    for app in BOTH {
        for (name, _) in CLOSED {
            let socket = ["PermissionDenied", "AccessDenied"];
            server.refuses(app, "tcp", &format!("{name}:80"), &socket);
            server.refuses(app, "udp", &format!("{name}:9000"), &socket);
            server.refuses(
                app,
                "url",
                &format!("http://{name}/"),
                &["DestinationIpProhibited"],
            );
        }
        server.refuses(
            app,
            "url",
            "http://localhost:8081/",
            &["DestinationIpProhibited"],
        );
        server.refuses(
            app,
            "tcp",
            "localhost:8081",
            &["PermissionDenied", "AccessDenied"],
        );
        server.refuses(app, "url", "http://nowhere.test/", &["DnsError"]);
        server.refuses(
            app,
            "dns",
            "nowhere.test",
            &["NameUnresolvable", "Uncategorized", "Other"],
        );
    }
    assert_eq!(world.far.connections(), [] as [IpAddr; 0]);
    server.logs(
        "connect-to",
        &["private.test (10.0.0.1:80) refused: a private address"],
    );
    server.stop();
}

#[test]
fn a_name_that_changes_its_answer_is_refused_when_it_does() {
    let Some(world) =
        World::enter("name_lookups::a_name_that_changes_its_answer_is_refused_when_it_does")
    else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to", "connect_to3"]);
    for app in BOTH {
        for turned in ["127.0.0.1", "169.254.169.254", "10.0.0.1", OWN] {
            let before = world.far.connections().len();
            // A second lookup for the same connection would get the second answer.
            world.dns.say("turn.test", &[PUBLIC, turned]);
            server.allows(app, "tcp", "turn.test:80");
            assert_eq!(world.dns.asked("turn.test"), 1);
            server.refuses(
                app,
                "tcp",
                "turn.test:80",
                &["PermissionDenied", "AccessDenied"],
            );
            // Each request uses a new connection, so that no earlier connection is reused.
            let url = format!("http://{}.turn.test/last", turned.replace('.', "-"));
            let name = format!("{}.turn.test", turned.replace('.', "-"));
            world.dns.say(&name, &[PUBLIC, turned]);
            server.allows(app, "url", &url);
            assert_eq!(world.dns.asked(&name), 1);
            // The kept connection ends when it is reused. The name is looked up again, and is refused.
            server.refuses(app, "url", &url, &["DestinationIpProhibited"]);
            let dialled = world.far.connections().split_off(before);
            assert_eq!(dialled, [PUBLIC; 2].map(|ip| ip.parse::<IpAddr>().unwrap()));
        }
    }
    server.stop();
}

#[test]
fn of_several_addresses_the_open_ones_are_dialled() {
    let Some(world) = World::enter("name_lookups::of_several_addresses_the_open_ones_are_dialled")
    else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to", "connect_to3"]);
    let list = format!("10.0.0.1 fd00::1 {PUBLIC} {PUBLIC_2} 127.0.0.1");
    for app in BOTH {
        let before = world.far.connections().len();
        world.dns.say("many.test", &[&list]);
        let said = server.ask(app, "url", "http://many.test/many");
        assert_eq!(said, "allowed: status=200 bytes=4\n");
        let dialled = world.far.connections().split_off(before);
        assert_eq!(dialled.len(), 1, "{dialled:?}");
        assert!(
            [PUBLIC, PUBLIC_2].contains(&dialled[0].to_string().as_str()),
            "{dialled:?}"
        );
        assert_eq!(world.dns.asked("many.test"), 1);
        // A guest may look up all addresses.
        server.allows(app, "dns", "many.test");
    }
    // The request has the name as its host.
    let hosts = world.far.asked("/many");
    assert!(
        hosts.len() == 2 && hosts.iter().all(|asked| asked.host == "many.test"),
        "{hosts:?}"
    );
    server.stop();
}

/// Apps use the lookup of the platform, which is bounded, and not that of wasmtime.
#[test]
fn a_long_answer_is_cut() {
    let Some(world) = World::enter("name_lookups::a_long_answer_is_cut") else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to", "connect_to3"]);
    let all: Vec<String> = (1..=40)
        .map(|number| format!("11.22.33.{number}"))
        .collect();
    world.dns.say("long.test", &[&all.join(" ")]);
    for (app, one) in [
        ("connect-to", "11.22.33."),
        ("connect-to3", "(11, 22, 33, "),
    ] {
        let said = server.ask(app, "dns", "long.test");
        assert_eq!(said.matches(one).count(), 32, "{said}");
    }
    server.stop();
}

/// A silent name server delays only the caller, and only for a limited time.
#[test]
fn a_silent_name_server_is_given_up() {
    let Some(world) = World::enter("name_lookups::a_silent_name_server_is_given_up") else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to"]);
    server.dyno(&["apps", "create", "other"]);
    server.dyno(&[
        "deploy",
        world.path("connect-to").to_str().unwrap(),
        "-a",
        "other",
    ]);
    world.dns.fall_silent();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            server.refuses(
                "connect-to",
                "url",
                "http://quiet.test/",
                &["DnsError", "DnsTimeout"],
            );
        });
        server.allows("other", "tcp", &format!("{PUBLIC}:80"));
        server.allows("other", "dns", "localhost");
        waits.join().unwrap();
    });
    assert!(world.dns.asked("quiet.test") > 0, "nobody asked {NAMES}");
    server.stop();
}
