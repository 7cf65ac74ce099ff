//! Sockets that the parent process has passed on, for the server to listen on.
//!
//! A parent that keeps the sockets open, such as systemd with `dyno.socket`, loses no connection between the end of one
//! server and the start of the next: clients wait in the kernel's queue. The protocol is that of `sd_listen_fds(3)`:
//! `LISTEN_FDS` sockets from descriptor 3 on, meant for the process `LISTEN_PID`, with names in `LISTEN_FDNAMES`.
//!
//! Owns which socket is for what. Must not know what is served.

use std::net::TcpListener;

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use node::NodeConfig;

use super::listen_advice::flag;
use crate::terminal;
use node::SocketPurpose;

/// The process that the sockets are meant for.
const PID: &str = "LISTEN_PID";
/// The names of the sockets, with colons between them.
const NAMES: &str = "LISTEN_FDNAMES";
/// Names of the sockets, in the order in which sockets without a name are taken.
const SOCKET_NAMES: [&str; 2] = ["http", "api"];

/// The sockets that were passed on.
#[derive(Debug, Default)]
pub(super) struct PassedSockets {
    /// The socket for requests to apps.
    http: Option<TcpListener>,
    /// The socket for requests to the API.
    api: Option<TcpListener>,
}

impl PassedSockets {
    /// Takes the sockets that the environment names. No other thread may run yet, since this changes the environment.
    pub(super) fn take() -> Result<PassedSockets> {
        // Without a process id they may be meant for a parent of this process.
        let own = std::process::id().to_string();
        if std::env::var(PID).ok().as_deref() != Some(&own) {
            return Ok(PassedSockets::default());
        }
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let mut passed = PassedSockets::default();
        for (index, name) in assign_names(&names, sockets.len())?.into_iter().enumerate() {
            let unusable = || format!("cannot use the socket that was passed on as {name:?}");
            let socket = sockets.take_tcp_listener(index).with_context(unusable)?;
            let socket = socket.with_context(unusable)?;
            let place = match name {
                "http" => &mut passed.http,
                _ => &mut passed.api,
            };
            if place.replace(socket).is_some() {
                bail!("two sockets were passed on as {name:?}: pass one");
            }
        }
        Ok(passed)
    }

    /// Makes the server listen on these sockets, in place of its addresses.
    pub(super) fn hand_to(self, config: &mut NodeConfig) {
        if let Some(socket) = self.http {
            note_replaced(&socket, SocketPurpose::Apps, config.listen_address());
            config.listen_on(socket);
        }
        if let Some(socket) = self.api {
            note_replaced(&socket, SocketPurpose::Api, config.api_address());
            config.listen_for_api_on(socket);
        }
    }
}

fn note_replaced(
    socket: &TcpListener,
    purpose: SocketPurpose,
    address: Option<std::net::SocketAddr>,
) {
    if let (Ok(own), Some(address)) = (socket.local_addr(), address) {
        let flag = flag(purpose);
        let text = format!("{own} was passed on, in place of {flag} {address}");
        terminal::print_note("Socket", &text);
    }
}

/// The name of each socket: its own, or, if no name is known, by its place.
fn assign_names(names: &str, sockets: usize) -> Result<Vec<&'static str>> {
    let names: Vec<&str> = names.split(':').collect();
    let known = |name: &str| SOCKET_NAMES.into_iter().find(|known| *known == name);
    if names.iter().any(|name| known(name).is_some()) {
        let name_of = |index: usize| {
            let name = names.get(index).copied().unwrap_or_default();
            known(name).with_context(|| {
                format!(
                    "a socket was passed on as {name:?}: set FileDescriptorName= to one of {}",
                    SOCKET_NAMES.join(", ")
                )
            })
        };
        return (0..sockets).map(name_of).collect();
    }
    if sockets > SOCKET_NAMES.len() {
        bail!(
            "{sockets} sockets were passed on without a name: set FileDescriptorName= to one of {}",
            SOCKET_NAMES.join(", ")
        );
    }
    Ok(SOCKET_NAMES.into_iter().take(sockets).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_assigned_by_name_or_by_order() {
        let assign = |names, sockets| assign_names(names, sockets).map_err(|e| e.to_string());
        assert_eq!(assign("api:http", 2), Ok(vec!["api", "http"]));
        assert_eq!(assign("http", 1), Ok(vec!["http"]));
        assert_eq!(assign("api", 1), Ok(vec!["api"]));
        // systemd's own name for a socket unit without FileDescriptorName=.
        let unnamed = assign("dyno.socket:dyno.socket", 2);
        assert_eq!(unnamed, Ok(vec!["http", "api"]));
        assert_eq!(assign("", 1), Ok(vec!["http"]));
        assert_eq!(assign("", 0), Ok(vec![]));
        let unknown = assign("http:metrics", 2).expect_err("unknown");
        assert!(unknown.contains("\"metrics\""), "{unknown}");
        assert!(assign("", 3).is_err());
    }
}
