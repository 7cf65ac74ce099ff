//! A proxy to a database server that kills the platform in the middle of a conversation.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// The process to kill, and the number of chunks until then.
#[derive(Default)]
struct Fuse {
    pid: Option<u32>,
    pieces_left: usize,
}

impl Fuse {
    /// Counts one chunk. At the last one, kills the process before any further data reaches it.
    fn burn(&mut self) {
        let Some(pid) = self.pid else { return };
        if self.pieces_left > 0 {
            self.pieces_left -= 1;
            return;
        }
        let killed = Command::new("kill")
            .args(["-s", "KILL", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
        self.pid = None;
    }
}

/// Listens on a port and forwards all data in both directions.
pub(crate) struct Proxy {
    port: u16,
    fuse: Arc<Mutex<Fuse>>,
}

impl Proxy {
    /// Starts a proxy to a port of this machine. Its threads end with the test process.
    pub(crate) fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            fuse: Arc::default(),
        };
        let fuse = Arc::clone(&proxy.fuse);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                pass(&client, &server, &fuse);
                pass(&server, &client, &fuse);
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills a process after a number of further chunks; the last chunk still reaches the server.
    pub(crate) fn kill_after(&self, pieces: usize, pid: u32) {
        *self.fuse.lock().unwrap() = Fuse {
            pid: Some(pid),
            pieces_left: pieces,
        };
    }

    /// Disarms the proxy. Returns whether the process was killed.
    pub(crate) fn disarm(&self) -> bool {
        self.fuse.lock().unwrap().pid.take().is_none()
    }
}

fn pass(from: &TcpStream, to: &TcpStream, fuse: &Arc<Mutex<Fuse>>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let fuse = Arc::clone(fuse);
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                break;
            }
            fuse.lock().unwrap().burn();
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
