//! Reports the state of a node to the service manager, such as systemd, by the protocol of `sd_notify(3)`.
//!
//! Owns the messages. A service manager that does not listen is no reason to stop.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager of a process, if it has one.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<OsString>,
}

impl ServiceManager {
    /// The manager that listens on a socket: the value of `NOTIFY_SOCKET`, a path, or a name without a file after an
    /// `@`.
    pub fn new(socket: Option<OsString>) -> ServiceManager {
        ServiceManager { socket }
    }

    /// Reports that requests are accepted from now on.
    pub fn notify_ready(&self) {
        self.notify("READY=1\nSTATUS=Serving");
    }

    /// Reports that no new requests are accepted, and that the last requests are being finished.
    pub fn notify_stopping(&self) {
        self.notify("STOPPING=1\nSTATUS=Finishing requests");
    }

    fn notify(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // The node runs in the same way without a manager.
            let _ = send(socket, message);
        }
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // A manager that is slow to read does not delay the server.
    sender.set_nonblocking(true)?;
    sender.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manager_is_notified_by_path_and_by_abstract_name() {
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
