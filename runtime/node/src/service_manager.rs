//! Tells the service manager how far the server is: the protocol of `sd_notify(3)`.
//!
//! Owns the messages. A manager that does not listen is no reason to stop.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of the manager, if there is one.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Requests are taken from now on.
pub(super) fn ready() {
    say("READY=1\nSTATUS=Serving");
}

/// No new requests are taken, and the last ones are finished.
pub(super) fn stopping() {
    say("STOPPING=1\nSTATUS=Finishing requests");
}

fn say(message: &str) {
    if let Some(socket) = std::env::var_os(SOCKET) {
        let _ = send(&socket, message);
    }
}

/// The socket is a path, or, after an `@`, a name without a file.
fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // A manager that is behind with reading does not hold up the server.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_is_told_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("dyno-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
        for (receiver, socket) in [
            (UnixDatagram::bind(&path), path.clone().into_os_string()),
            (
                UnixDatagram::bind_addr(&abstract_name),
                format!("@{name}").into(),
            ),
        ] {
            let receiver = receiver.expect("a socket");
            send(&socket, "READY=1").expect("sent");
            let mut buffer = [0; 64];
            let read = receiver.recv(&mut buffer).expect("a message");
            assert_eq!(&buffer[..read], b"READY=1");
        }
        assert!(send(folder.path().join("nobody").as_os_str(), "READY=1").is_err());
    }
}
