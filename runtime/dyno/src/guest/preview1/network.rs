//! The paths by which a core module opens connections and looks names up: `tcp/ADDRESS:PORT` and `name/HOST`.
//!
//! Owns what becomes of a path; a lookup is read as lines of addresses. Where a module may connect is the gate's rule. Must
//! not know descriptors.
//!
//! Tasks: one for each connection that is being opened, and for each lookup. It ends with the module's descriptor.

use std::io::{self, Cursor};
use std::net::SocketAddr;

use tokio::net::TcpStream;
use wasmtime_wasi::p1::types::Errno;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;

use crate::guest::network::gate::EgressGate;
use crate::guest::network::port::PipedConnection;
use crate::guest::network::resolver::{LookupError, NameResolver};

/// Before the address of a connection.
const TCP: &str = "tcp/";
/// Before a name to look up.
const NAME: &str = "name/";

/// The network as a module can use it.
pub(crate) struct ModuleNetwork {
    gate: EgressGate,
    connections_max: usize,
}

/// A connection that is being opened.
pub(super) type OpeningConnection = AbortOnDropJoinHandle<Result<PipedConnection, Errno>>;

impl ModuleNetwork {
    /// A network in which a module has at most `connections_max` connections and lookups at a time.
    pub(crate) fn new(gate: EgressGate, connections_max: usize) -> ModuleNetwork {
        ModuleNetwork {
            gate,
            connections_max,
        }
    }

    pub(super) fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Begins to open a path.
    pub(super) fn open(&self, path: &str) -> Result<OpeningConnection, Errno> {
        if let Some(address) = path.strip_prefix(TCP) {
            let address = address.parse().map_err(|_| Errno::Inval)?;
            let gate = self.gate.clone();
            return Ok(wasmtime_wasi::runtime::spawn(connect(gate, address)));
        }
        if let Some(name) = path.strip_prefix(NAME) {
            if NameResolver::is_invalid(name) {
                return Err(Errno::Inval);
            }
            let (resolver, name) = (self.gate.resolver.clone(), name.to_owned());
            return Ok(wasmtime_wasi::runtime::spawn(look_up(resolver, name)));
        }
        Err(Errno::Noent)
    }
}

async fn connect(gate: EgressGate, address: SocketAddr) -> Result<PipedConnection, Errno> {
    if !gate.permits_dial(None, address).await {
        return Err(Errno::Acces);
    }
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| classify_error(&error))?;
    // A module writes whole messages, so waiting for more data would only delay them.
    stream.set_nodelay(true).map_err(|_| Errno::Io)?;
    let (from, to) = stream.into_split();
    Ok(PipedConnection::new(from, to))
}

async fn look_up(resolver: NameResolver, name: String) -> Result<PipedConnection, Errno> {
    let found = resolver.resolve(&name).await.map_err(|error| match error {
        LookupError::Invalid => Errno::Inval,
        LookupError::Unknown => Errno::Noent,
        LookupError::Timeout => Errno::Timedout,
        LookupError::Temporary => Errno::Io,
    })?;
    let lines: String = found.iter().map(|address| format!("{address}\n")).collect();
    Ok(PipedConnection::new(
        Cursor::new(lines.into_bytes()),
        tokio::io::sink(),
    ))
}

fn classify_error(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Errno::Connrefused,
        io::ErrorKind::ConnectionReset => Errno::Connreset,
        io::ErrorKind::TimedOut => Errno::Timedout,
        io::ErrorKind::HostUnreachable => Errno::Hostunreach,
        io::ErrorKind::NetworkUnreachable => Errno::Netunreach,
        io::ErrorKind::PermissionDenied => Errno::Acces,
        _ => Errno::Io,
    }
}
