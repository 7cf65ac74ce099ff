//! Every kind of closed address, tried by every interface, although a server answers at each address.

use std::net::IpAddr;

use testkit::wait_until;

use crate::internet_servers::UDP;
use crate::server::{API, Server};
use crate::two_networks::{CLOSED, OWN, OWN_V6, PUBLIC, PUBLIC_V6, World};

/// Addresses of the server itself, and unused addresses.
const OTHERS: [&str; 14] = [
    "127.0.0.1",
    "127.1.2.3",
    "::1",
    OWN,
    OWN_V6,
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::10.0.0.1",
    "fe80::1",
    "192.0.0.8",
];

/// Other notations of 10.0.0.1, 127.0.0.1 and 169.254.169.254.
const DISGUISED: [&str; 8] = [
    "167772161",
    "0x0a000001",
    "012.0.0.1",
    "10.1",
    "2130706433",
    "0x7f.1",
    "0251.0376.0251.0376",
    "2852039166",
];

/// The host in a URL or before a port.
fn bracketed(ip: &str) -> String {
    match ip.contains(':') {
        true => format!("[{ip}]"),
        false => ip.to_owned(),
    }
}

/// The socket errors that a guest may get. The second is for addresses that cannot be connected to.
const SOCKET: [&str; 4] = [
    "PermissionDenied",
    "AccessDenied",
    "InvalidInput",
    "InvalidArgument",
];
const REQUEST: [&str; 1] = ["DestinationIpProhibited"];

fn holds(world: &World, app: &str) {
    let server = Server::with(world, &[], &[&app.replace('-', "_")]);
    for ip in CLOSED.iter().chain(&OTHERS) {
        let host = bracketed(ip);
        for port in [80, API] {
            server.refuses(app, "tcp", &format!("{host}:{port}"), &SOCKET);
            server.refuses(app, "url", &format!("http://{host}:{port}/"), &REQUEST);
        }
        server.refuses(app, "udp", &format!("{host}:{UDP}"), &SOCKET);
        server.refuses(app, "udpto", &format!("{host}:{UDP}"), &SOCKET);
    }
    for host in DISGUISED {
        server.refuses(app, "tcp", &format!("{host}:80"), &SOCKET);
        server.refuses(app, "url", &format!("http://{host}/"), &REQUEST);
    }
    assert_eq!(world.far.connections(), [] as [IpAddr; 0]);
    is_open(world, &server, app);
    told(&server, app);
    server.stop();
}

/// Public addresses are open by the same interfaces. No earlier, refused data arrives there.
fn is_open(world: &World, server: &Server, app: &str) {
    for (sent, ip) in [PUBLIC, PUBLIC_V6].into_iter().enumerate() {
        let host = bracketed(ip);
        server.allows(app, "tcp", &format!("{host}:80"));
        let said = server.ask(app, "url", &format!("http://{host}/"));
        assert_eq!(said, "allowed: status=200 bytes=4\n");
        server.allows(app, "udp", &format!("{host}:{UDP}"));
        wait_until("a datagram arrives", || {
            world.far.datagrams() == 2 * sent + 1
        });
        server.allows(app, "udpto", &format!("{host}:{UDP}"));
        wait_until("a datagram arrives", || {
            world.far.datagrams() == 2 * sent + 2
        });
    }
    let dialled: Vec<IpAddr> = world.far.connections();
    let expected = [PUBLIC, PUBLIC, PUBLIC_V6, PUBLIC_V6];
    assert_eq!(dialled, expected.map(|ip| ip.parse::<IpAddr>().unwrap()));
    // The host follows no redirects. The guest would have to send a second request.
    let said = server.ask(app, "url", &format!("http://{PUBLIC}/away"));
    assert_eq!(said, "allowed: status=302 bytes=4\n");
    server.refuses(app, "url", "http://169.254.169.254/", &REQUEST);
}

/// The app's log has the first refusals with a remedy, but not all of the flood.
fn told(server: &Server, app: &str) {
    let line = server.logs(
        app,
        &["Outbound connection to 10.0.0.1:80 refused: a private address"],
    );
    let remedy = "; the operator opens it with: dyno serve --egress-allow 10.0.0.1/32:80";
    assert!(
        line.contains("dyno[web.1]: ") && line.ends_with(remedy),
        "{line}"
    );
    let log = server.log(app);
    let refusals = log
        .lines()
        .filter(|line| line.contains("Outbound connection to"));
    assert_eq!(refusals.count(), 20, "{log}");
}

#[test]
fn nothing_closed_is_reached() {
    if let Some(world) = World::enter("closed_addresses::nothing_closed_is_reached") {
        holds(&world, "connect-to");
    }
}

#[test]
fn nothing_closed_is_reached_by_wasi_0_3() {
    if let Some(world) = World::enter("closed_addresses::nothing_closed_is_reached_by_wasi_0_3") {
        holds(&world, "connect-to3");
    }
}
