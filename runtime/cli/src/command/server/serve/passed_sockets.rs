//! The sockets that the server listens on: those that whoever started it has passed on, or new ones.
//!
//! A parent that keeps the sockets open, such as systemd with `dyno.socket`, loses no connection between the end of one
//! server and the start of the next: clients wait in the kernel's queue. The protocol is that of `sd_listen_fds(3)`:
//! `LISTEN_FDS` sockets from descriptor 3 on, meant for the process `LISTEN_PID`, with names in `LISTEN_FDNAMES`.
//!
//! Owns which socket is for what, and what is said if there is none. Must not know what is served.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use tokio::net::TcpListener;

use crate::term;

/// The process that the sockets are meant for.
const PID: &str = "LISTEN_PID";
/// The names of the sockets, with colons between them.
const NAMES: &str = "LISTEN_FDNAMES";
/// Names of what the sockets may be for, in the order that those without a name have.
const USES: [&str; 2] = ["http", "api"];
/// Ports below this need a privilege.
const PRIVILEGED_PORTS: u16 = 1024;

/// Sockets that were passed on.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Where apps answer.
    http: Option<std::net::TcpListener>,
    /// Where the API answers.
    api: Option<std::net::TcpListener>,
}

impl Passed {
    /// Takes the sockets of the environment. No other thread may run yet, since this changes the environment.
    pub(super) fn take() -> Result<Passed> {
        // Without a process id they may be meant for a parent of this process.
        let own = std::process::id().to_string();
        if std::env::var(PID).ok().as_deref() != Some(&own) {
            return Ok(Passed::default());
        }
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let mut passed = Passed::default();
        for (index, purpose) in purposes(&names, sockets.len())?.into_iter().enumerate() {
            let what = || format!("cannot use the socket that was passed on as {purpose:?}");
            let socket = sockets.take_tcp_listener(index).with_context(what)?;
            let socket = socket.with_context(what)?;
            let place = match purpose {
                "http" => &mut passed.http,
                _ => &mut passed.api,
            };
            if place.replace(socket).is_some() {
                bail!("two sockets were passed on as {purpose:?}: pass one");
            }
        }
        Ok(passed)
    }

    /// The socket where apps answer.
    pub(super) fn http(&mut self, address: SocketAddr) -> Result<TcpListener> {
        listener(self.http.take(), address, "--listen")
    }

    /// The socket where the API answers.
    pub(super) fn api(&mut self, address: SocketAddr) -> Result<TcpListener> {
        listener(self.api.take(), address, "--api")
    }
}

/// What each socket is for: by its name, or, if none of the names is known, by its place.
fn purposes(names: &str, sockets: usize) -> Result<Vec<&'static str>> {
    let names: Vec<&str> = names.split(':').collect();
    let known = |name: &str| USES.into_iter().find(|purpose| *purpose == name);
    if names.iter().any(|name| known(name).is_some()) {
        let purpose = |index: usize| {
            let name = names.get(index).copied().unwrap_or_default();
            known(name).with_context(|| {
                format!(
                    "a socket was passed on as {name:?}: set FileDescriptorName= to one of {}",
                    USES.join(", ")
                )
            })
        };
        return (0..sockets).map(purpose).collect();
    }
    if sockets > USES.len() {
        bail!(
            "{sockets} sockets were passed on without a name: set FileDescriptorName= to one of {}",
            USES.join(", ")
        );
    }
    Ok(USES.into_iter().take(sockets).collect())
}

/// The socket that was passed on, or a new one.
fn listener(
    passed: Option<std::net::TcpListener>,
    address: SocketAddr,
    flag: &str,
) -> Result<TcpListener> {
    let Some(passed) = passed else {
        return router::bind(address).map_err(|error| refused(error, address, flag));
    };
    let own = passed.local_addr().context("a passed socket is closed")?;
    passed.set_nonblocking(true)?;
    let listener = TcpListener::from_std(passed)?;
    term::note(
        "Socket",
        &format!("{own} was passed on, in place of {flag} {address}"),
    );
    Ok(listener)
}

/// What stands in the way of listening, and what to do about it.
fn refused(error: io::Error, address: SocketAddr, flag: &str) -> anyhow::Error {
    let port = address.port();
    let what = match error.kind() {
        io::ErrorKind::PermissionDenied if port < PRIVILEGED_PORTS => format!(
            "this user may not listen on port {port}. Ports below {PRIVILEGED_PORTS} need a privilege: \
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
    };
    anyhow::Error::new(error).context(what)
}

/// This program's file, as it is to be named in a command.
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
    fn sockets_are_told_apart_by_their_names_or_by_their_order() {
        let of = |names, sockets| purposes(names, sockets).map_err(|error| error.to_string());
        assert_eq!(of("api:http", 2), Ok(vec!["api", "http"]));
        assert_eq!(of("http", 1), Ok(vec!["http"]));
        assert_eq!(of("api", 1), Ok(vec!["api"]));
        // systemd's own name for a socket unit without FileDescriptorName=.
        assert_eq!(of("dyno.socket:dyno.socket", 2), Ok(vec!["http", "api"]));
        assert_eq!(of("", 1), Ok(vec!["http"]));
        assert_eq!(of("", 0), Ok(vec![]));
        let unknown = of("http:metrics", 2).expect_err("unknown");
        assert!(unknown.contains("\"metrics\""), "{unknown}");
        assert!(of("", 3).is_err());
    }

    #[test]
    fn a_port_that_cannot_be_had_says_what_to_do() {
        let said = |kind: io::ErrorKind, address: &str| {
            let address = address.parse().expect("an address");
            refused(kind.into(), address, "--listen").to_string()
        };
        let denied = said(io::ErrorKind::PermissionDenied, "0.0.0.0:80");
        for way in [
            "port 80",
            "setcap cap_net_bind_service=+ep",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "dyno.socket",
            "--listen 0.0.0.0:8080",
        ] {
            assert!(denied.contains(way), "{way}: {denied}");
        }
        let taken = said(io::ErrorKind::AddrInUse, "127.0.0.1:8080");
        assert!(taken.contains("--listen") && taken.contains("127.0.0.1:8080"));
        let foreign = said(io::ErrorKind::AddrNotAvailable, "192.0.2.1:8080");
        assert!(foreign.contains("192.0.2.1") && foreign.contains("--listen"));
    }
}
