//! Connections of outgoing requests: which are shared, and how many a dyno may have open.

use testkit::wait_until;

use crate::server::Server;
use crate::two_networks::{PUBLIC, World};

const APP: &str = "connect-to";

/// Requests a path of an internet server, which must answer.
fn asks(server: &Server, app: &str, path: &str) {
    let said = server.ask(app, "url", &format!("http://{PUBLIC}{path}"));
    assert_eq!(said, "allowed: status=200 bytes=4\n");
}

#[test]
fn connections_are_shared_by_the_dynos_of_one_app_alone() {
    let Some(world) =
        World::enter("outgoing_connections::connections_are_shared_by_the_dynos_of_one_app_alone")
    else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to"]);
    let folder = world.path(APP);
    server.dyno(&["apps", "create", "other"]);
    server.dyno(&["deploy", folder.to_str().unwrap(), "-a", "other"]);
    asks(&server, APP, "/own");
    asks(&server, APP, "/own");
    asks(&server, "other", "/own");
    let ends: Vec<_> = world
        .far
        .asked("/own")
        .iter()
        .map(|asked| asked.from)
        .collect();
    assert_eq!(ends[0], ends[1], "one app's requests use one connection");
    assert_ne!(ends[0], ends[2], "another app's do not");

    server.dyno(&["ps", "scale", "web=2", "-a", APP]);
    wait_until("the second dyno asks", || {
        asks(&server, APP, "/own");
        let log = server.log(APP);
        let mut lines = log.lines();
        lines.any(|line| line.contains("/own\" ") && line.contains(" dyno=web.2 "))
    });
    let shared = world.far.asked("/own").split_off(3);
    let shared = shared.iter().all(|asked| asked.from == ends[0]);
    assert!(shared, "the second dyno uses the first one's connection");
    server.stop();
}

/// If the server closes a kept connection as it is reused, the request is repeated on a new connection.
#[test]
fn a_connection_that_has_ended_is_replaced() {
    let Some(world) = World::enter("outgoing_connections::a_connection_that_has_ended_is_replaced")
    else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to", "connect_to3"]);
    for app in [APP, "connect-to3"] {
        let before = world.far.connections().len();
        asks(&server, app, "/last");
        asks(&server, app, "/next");
        assert_eq!(world.far.connections().len() - before, 2);
    }
    server.stop();
}

/// Sockets and requests are counted together.
#[test]
fn a_dyno_has_sixty_four_open_at_most() {
    let Some(world) = World::enter("outgoing_connections::a_dyno_has_sixty_four_open_at_most")
    else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to"]);
    let at = format!("at={PUBLIC}:80&from=http://{PUBLIC}/hold");
    let with = |sockets: u32, requests: u32, then: &str| {
        let path = format!("/x?sockets={sockets}&requests={requests}&{at}&{then}");
        server.page(APP, &path)
    };
    let (tcp, url) = (format!("tcp={PUBLIC}:80"), format!("url=http://{PUBLIC}/"));
    for then in [&tcp, &url] {
        for (sockets, requests) in [(63, 0), (0, 63), (40, 23)] {
            let said = with(sockets, requests, then);
            assert!(
                said.starts_with("allowed: "),
                "{sockets} {requests} {then}: {said}"
            );
        }
        for (sockets, requests) in [(64, 0), (0, 64), (40, 24)] {
            let said = with(sockets, requests, then);
            let why = ["ConnectionLimitReached", "refused: "];
            assert!(
                said.starts_with(why[1]),
                "{sockets} {requests} {then}: {said}"
            );
            assert!(then == &tcp || said.contains(why[0]), "{said}");
        }
    }
    // All connections are closed when the guest drops them.
    let sockets = || {
        let links = std::fs::read_dir(server.process().join("fd")).unwrap();
        let links = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    };
    wait_until("connections are closed", || sockets() < 32);
    server.stop();
}

/// The guest's error says which time limit was exceeded.
#[test]
fn waits_end_when_the_guest_says() {
    let Some(world) = World::enter("outgoing_connections::waits_end_when_the_guest_says") else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to"]);
    for (place, why) in [
        // An unused address, for which the system itself times out much later.
        ("93.184.215.77/", "ConnectionTimeout"),
        ("11.22.33.44/never", "ConnectionReadTimeout"),
        ("11.22.33.44/hold", "connection read timeout"),
        ("11.22.33.44:81/", "ConnectionRefused"),
    ] {
        let url = format!("http://{place}&wait=200");
        server.refuses(APP, "url", &url, &[why]);
    }
    server.stop();
}
