//! Networks that the operator opens, and addresses that stay closed.

use testkit::wait_until;

use crate::server::{API, Server};
use crate::two_networks::{CLOSED, OWN, World};

const APP: &str = "connect-to";

fn places() -> impl Iterator<Item = String> {
    CLOSED.iter().map(|ip| match ip.contains(':') {
        true => format!("[{ip}]:80"),
        false => format!("{ip}:80"),
    })
}

#[test]
fn an_operator_may_open_everything_but_the_platform() {
    let Some(world) =
        World::enter("operator_openings::an_operator_may_open_everything_but_the_platform")
    else {
        return;
    };
    let everything = ["--egress-allow", "0.0.0.0/0", "--egress-allow", "::/0"];
    let server = Server::with(&world, &everything, &["connect_to"]);
    // This also proves that a server answers at each address.
    for place in places() {
        server.allows(APP, "tcp", &place);
        server.allows(APP, "url", &format!("http://{place}/"));
    }
    for host in ["127.0.0.1", OWN, "localhost"] {
        server.refuses(APP, "tcp", &format!("{host}:{API}"), &["PermissionDenied"]);
        server.refuses(
            APP,
            "url",
            &format!("http://{host}:{API}/healthz"),
            &["Prohibited"],
        );
    }
    server.logs(
        APP,
        &[&format!(
            "127.0.0.1:{API} refused: a port of the platform itself"
        )],
    );
    server.stop();
}

#[test]
fn an_opening_opens_no_more_than_it_says() {
    let Some(world) = World::enter("operator_openings::an_opening_opens_no_more_than_it_says")
    else {
        return;
    };
    let exact = format!("127.0.0.1:{API}");
    let file = world.path("dyno.toml");
    let text = format!("egress-allow = [\"10.0.0.0/8:80\", \"[fd00::1]:80\", \"{exact}\"]\n");
    std::fs::write(&file, text).unwrap();
    let flags = ["--config", file.to_str().unwrap()];
    let server = Server::with(&world, &flags, &["connect_to"]);
    server.allows(APP, "tcp", "10.0.0.1:80");
    server.allows(APP, "url", "http://[fd00::1]/");
    server.allows(APP, "url", &format!("http://{exact}/healthz"));
    for place in places().filter(|place| !place.starts_with("10.") && !place.starts_with("[fd")) {
        server.refuses(APP, "tcp", &place, &["PermissionDenied"]);
    }
    server.refuses(APP, "tcp", "10.0.0.1:81", &["PermissionDenied"]);
    server.refuses(APP, "tcp", &format!("{OWN}:{API}"), &["PermissionDenied"]);
    server.stop();
}

/// An address that the machine gets while the server runs is closed from then on.
#[test]
fn the_machines_own_addresses_are_learnt_as_they_come() {
    let Some(world) =
        World::enter("operator_openings::the_machines_own_addresses_are_learnt_as_they_come")
    else {
        return;
    };
    let server = Server::with(&world, &[], &["connect_to"]);
    world.server_ip("address add 8.9.10.11/32 dev lo");
    wait_until("the address is known", || {
        let said = server.ask(APP, "tcp", "8.9.10.11:80");
        said.contains("PermissionDenied")
    });
    let remedy = "--egress-allow 8.9.10.11/32:80";
    server.logs(
        APP,
        &["an address of the machine that dynos run on", remedy],
    );
    let api = format!("8.9.10.11:{API}");
    server.refuses(APP, "tcp", &api, &["PermissionDenied"]);
    server.refuses(
        APP,
        "url",
        &format!("http://{api}/healthz"),
        &["Prohibited"],
    );
    server.stop();
}
