//! Advice for a server that cannot listen on an address.

use std::io;
use std::net::SocketAddr;

use node::SocketPurpose;

/// Ports below this need a privilege.
const PRIVILEGED_PORTS_END: u16 = 1024;

/// The flag that sets the address of a socket.
pub(super) fn flag(purpose: SocketPurpose) -> &'static str {
    match purpose {
        SocketPurpose::Apps => "--listen",
        SocketPurpose::Api => "--api",
    }
}

/// The reason why listening failed, and the remedy.
pub(super) fn advice(error: &io::Error, address: SocketAddr, flag: &str) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::PermissionDenied if port < PRIVILEGED_PORTS_END => format!(
            "this user may not listen on port {port}. Ports below {PRIVILEGED_PORTS_END} need a privilege: \
             give it to the program with `sudo setcap cap_net_bind_service=+ep {program}`, or to the service with \
             AmbientCapabilities=CAP_NET_BIND_SERVICE, or have systemd pass the socket on (dyno.socket); or choose \
             another port, such as {flag} {other}",
            program = program(),
            other = SocketAddr::new(address.ip(), 8000 + port % 1000),
        ),
        io::ErrorKind::AddrInUse => format!(
            "another program listens on {address}, perhaps another `dyno serve`: stop it, or choose another port \
             with {flag}"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no address {}: choose one of its own with {flag}, or 0.0.0.0:{port} for all of them",
            address.ip()
        ),
        _ => format!("cannot listen on {address}: choose another address with {flag}"),
    }
}

/// The path of this program's file, for a command.
fn program() -> String {
    let own = std::env::current_exe().ok();
    own.map_or_else(
        || "/path/to/dyno".to_owned(),
        |own| own.display().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listen_error_has_an_advice() {
        let advice = |kind: io::ErrorKind, address: &str| {
            let address = address.parse().expect("an address");
            advice(&kind.into(), address, "--listen")
        };
        let denied = advice(io::ErrorKind::PermissionDenied, "0.0.0.0:80");
        for way in [
            "port 80",
            "setcap cap_net_bind_service=+ep",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "dyno.socket",
            "--listen 0.0.0.0:8080",
        ] {
            assert!(denied.contains(way), "{way}: {denied}");
        }
        let taken = advice(io::ErrorKind::AddrInUse, "127.0.0.1:8080");
        assert!(taken.contains("--listen") && taken.contains("127.0.0.1:8080"));
        let foreign = advice(io::ErrorKind::AddrNotAvailable, "192.0.2.1:8080");
        assert!(foreign.contains("192.0.2.1") && foreign.contains("--listen"));
    }
}
