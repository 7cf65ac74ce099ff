//! The sockets of a core module: the listener on `$PORT`, which is open from the start, and the connections that the module
//! accepts or opens.
//!
//! WASI preview 1 has no function that makes a listener, and none that connects: a module opens a path of `network`
//! instead. Sockets have descriptors of their own, above all numbers that wasmtime-wasi gives. No function of a socket
//! waits: only `poll_oneoff` does. Must not know the content of messages.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::p1::types::{Errno, Fd, Fdflags, Fdstat, Filestat, Filetype, Rights, Sdflags};

use crate::guest::limits::handles::RESOURCES_MAX;
use crate::guest::network::port::{PipedConnection, PortListener, ServerPort};
use crate::guest::preview1::network::{ModuleNetwork, OpeningConnection};

/// The descriptor of the network, from which connections are opened by paths. Part of the contract with programs.
pub(super) const NETWORK_FD: u32 = 4_095;
/// The descriptor of the listener on `$PORT`. Part of the contract with programs (see DYNOS.md).
pub(super) const LISTENER_FD: u32 = 4_096;
/// The first descriptor of a connection.
const FIRST_CONNECTION_FD: u32 = LISTENER_FD + 1;
/// The most accepted connections of a module at a time. Calls make one, and another if the first was given up.
const ACCEPTED_MAX: usize = 64;

// Descriptors of wasmtime-wasi are below: it gives the lowest free number, and its table is limited.
const _: () = assert!(RESOURCES_MAX < NETWORK_FD as usize);

/// The operation that a module waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketOperation {
    /// Reading from a connection, or accepting one.
    Read,
    Write,
}

/// The sockets of one module.
pub(super) struct ModuleSockets {
    listener: Option<PortListener>,
    network: ModuleNetwork,
    /// Open connections. The place of a connection gives its descriptor.
    connections: Vec<Option<ModuleConnection>>,
}

/// A connection that a module has open.
struct ModuleConnection {
    origin: ConnectionOrigin,
    state: ModuleConnectionState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionOrigin {
    Accepted,
    /// The module has opened it, or it is a lookup of a name.
    Outgoing,
}

enum ModuleConnectionState {
    Opening(OpeningConnection),
    Open(PipedConnection),
    /// It was not opened. Each operation gives the reason.
    Failed(Errno),
}

impl ModuleConnection {
    /// The connection, if it is open. Pending while it is being opened.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<&PipedConnection, Errno>> {
        if let ModuleConnectionState::Opening(opening) = &mut self.state {
            self.state = match ready!(Pin::new(opening).poll(cx)) {
                Ok(connection) => ModuleConnectionState::Open(connection),
                Err(error) => ModuleConnectionState::Failed(error),
            };
        }
        match &self.state {
            ModuleConnectionState::Open(connection) => Poll::Ready(Ok(connection)),
            ModuleConnectionState::Failed(error) => Poll::Ready(Err(*error)),
            ModuleConnectionState::Opening(_) => Poll::Pending,
        }
    }
}

impl ModuleSockets {
    /// Opens the listener, if the dyno has a port.
    pub(super) fn new(port: Option<&Arc<ServerPort>>, network: ModuleNetwork) -> ModuleSockets {
        let listener = port
            .filter(|port| port.bind())
            .and_then(|port| port.listen());
        ModuleSockets {
            listener,
            network,
            connections: Vec::new(),
        }
    }

    /// Whether a descriptor has a number of a socket, or of the network, open or not.
    pub(super) fn owns(fd: Fd) -> bool {
        u32::from(fd) >= NETWORK_FD
    }

    fn place(&mut self, fd: Fd) -> Result<&mut ModuleConnection, Errno> {
        let number = u32::from(fd);
        if number == NETWORK_FD || (number == LISTENER_FD && self.listener.is_some()) {
            return Err(Errno::Notconn);
        }
        let index = connection_index(fd).ok_or(Errno::Badf)?;
        let place = self.connections.get_mut(index).and_then(Option::as_mut);
        place.ok_or(Errno::Badf)
    }

    /// A connection that is open. Fails with [`Errno::Again`] while it is being opened.
    fn connection(&mut self, fd: Fd) -> Result<&PipedConnection, Errno> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.place(fd)?.poll_open(&mut cx) {
            Poll::Ready(connection) => connection,
            Poll::Pending => Err(Errno::Again),
        }
    }

    /// The place for another connection. Fails with [`Errno::Mfile`] if there are as many as there may be.
    fn find_place(&self, origin: ConnectionOrigin) -> Result<usize, Errno> {
        let max = match origin {
            ConnectionOrigin::Accepted => ACCEPTED_MAX,
            ConnectionOrigin::Outgoing => self.network.connections_max(),
        };
        let open = self.connections.iter().flatten();
        if open.filter(|one| one.origin == origin).count() >= max {
            return Err(Errno::Mfile);
        }
        let free = self.connections.iter().position(Option::is_none);
        Ok(free.unwrap_or(self.connections.len()))
    }

    fn put(&mut self, index: usize, origin: ConnectionOrigin, state: ModuleConnectionState) -> Fd {
        let connection = Some(ModuleConnection { origin, state });
        match self.connections.get_mut(index) {
            Some(place) => *place = connection,
            None => self.connections.push(connection),
        }
        // The index is limited by the numbers of connections.
        Fd::from(FIRST_CONNECTION_FD + index as u32)
    }

    /// Accepts a connection. Fails with [`Errno::Again`] if none is waiting, even if none will come any more because the
    /// dyno is about to end.
    pub(super) fn accept(&mut self, fd: Fd) -> Result<Fd, Errno> {
        if u32::from(fd) != LISTENER_FD {
            return Err(self.place(fd).map_or_else(|error| error, |_| Errno::Inval));
        }
        let index = self.find_place(ConnectionOrigin::Accepted);
        let listener = self.listener.as_mut().ok_or(Errno::Badf)?;
        let index = index?;
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(connection)) = listener.poll_accept(&mut cx) else {
            return Err(Errno::Again);
        };
        let state = ModuleConnectionState::Open(connection);
        Ok(self.put(index, ConnectionOrigin::Accepted, state))
    }

    /// Begins to open a connection, or a lookup. The descriptor can be written, or read, when that is done.
    pub(super) fn open(&mut self, fd: Fd, path: &str) -> Result<Fd, Errno> {
        if u32::from(fd) != NETWORK_FD {
            return Err(Errno::Notdir);
        }
        let index = self.find_place(ConnectionOrigin::Outgoing)?;
        let opening = self.network.open(path)?;
        let state = ModuleConnectionState::Opening(opening);
        Ok(self.put(index, ConnectionOrigin::Outgoing, state))
    }

    /// Reads the bytes that have arrived, at most as many as fit. Zero: the other end is closed.
    pub(super) fn read(&mut self, fd: Fd, to: &mut [u8]) -> Result<usize, Errno> {
        let mut input = self.connection(fd)?.input.clone();
        if to.is_empty() {
            return Ok(0);
        }
        let (mut cx, mut buffer) = (Context::from_waker(Waker::noop()), ReadBuf::new(to));
        match Pin::new(&mut input).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(_)) => Err(Errno::Io),
            Poll::Pending => Err(Errno::Again),
        }
    }

    /// Takes as many of the bytes as there is room for. Without bytes: tells whether the connection was opened.
    pub(super) fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        let mut output = self.connection(fd)?.output.clone();
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut output).poll_write(&mut cx, bytes) {
            Poll::Ready(Ok(len)) => Ok(len),
            Poll::Ready(Err(_)) => Err(Errno::Pipe),
            Poll::Pending => Err(Errno::Again),
        }
    }

    pub(super) fn shut_down(&mut self, fd: Fd, how: Sdflags) -> Result<(), Errno> {
        let connection = self.connection(fd)?;
        if how.contains(Sdflags::RD) {
            connection.input.close();
        }
        if how.contains(Sdflags::WR) {
            connection.output.close();
        }
        Ok(())
    }

    /// Closes a socket. Bytes that a connection has taken are still delivered.
    pub(super) fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        if u32::from(fd) == LISTENER_FD {
            return self.listener.take().map(drop).ok_or(Errno::Badf);
        }
        let place = connection_index(fd).and_then(|index| self.connections.get_mut(index));
        let connection = place.and_then(Option::take).ok_or(Errno::Badf)?;
        if let ModuleConnectionState::Open(connection) = connection.state {
            connection.input.close();
            connection.output.close();
        }
        Ok(())
    }

    /// Describes a socket.
    pub(super) fn describe(&mut self, fd: Fd) -> Result<Fdstat, Errno> {
        let rights = match self.place(fd) {
            Ok(_) => Rights::FD_READ | Rights::FD_WRITE | Rights::SOCK_SHUTDOWN,
            Err(Errno::Notconn) if u32::from(fd) == LISTENER_FD => Rights::SOCK_ACCEPT,
            Err(_) => return Err(Errno::Badf),
        };
        Ok(Fdstat {
            fs_filetype: Filetype::SocketStream,
            fs_flags: Fdflags::NONBLOCK,
            fs_rights_base: rights | Rights::POLL_FD_READWRITE | Rights::FD_FDSTAT_SET_FLAGS,
            fs_rights_inheriting: rights | Rights::POLL_FD_READWRITE,
        })
    }

    /// Describes a socket as a file.
    pub(super) fn describe_file(&mut self, fd: Fd) -> Result<Filestat, Errno> {
        self.describe(fd)?;
        Ok(Filestat {
            dev: 0,
            ino: u32::from(fd).into(),
            filetype: Filetype::SocketStream,
            nlink: 1,
            size: 0,
            atim: 0,
            mtim: 0,
            ctim: 0,
        })
    }

    /// Checks the flags that a module sets: `NONBLOCK` must be set, since a socket never blocks, and no other flag may be.
    pub(super) fn check_flags(&mut self, fd: Fd, flags: Fdflags) -> Result<(), Errno> {
        self.describe(fd)?;
        match flags == Fdflags::NONBLOCK {
            true => Ok(()),
            false => Err(Errno::Notsup),
        }
    }

    /// Ready when the operation does not have to wait, or fails.
    ///
    /// A listener is never ready after the last connection: a server would see the dyno's end as an error of `accept`.
    pub(super) fn poll_operation(
        &mut self,
        fd: Fd,
        operation: SocketOperation,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Errno>> {
        if u32::from(fd) == LISTENER_FD && operation == SocketOperation::Read {
            return self.poll_listener(cx);
        }
        let place = match self.place(fd) {
            Ok(place) => place,
            Err(error) => return Poll::Ready(Err(error)),
        };
        match (ready!(place.poll_open(cx)), operation) {
            (Ok(open), SocketOperation::Read) => open.input.poll_readable(cx).map(Ok),
            (Ok(open), SocketOperation::Write) => open.output.poll_writable(cx).map(Ok),
            // The operation itself gives the error.
            (Err(_), _) => Poll::Ready(Ok(())),
        }
    }

    fn poll_listener(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Errno>> {
        let Some(listener) = &mut self.listener else {
            return Poll::Ready(Err(Errno::Badf));
        };
        match listener.poll_ready(cx) {
            Poll::Ready(()) if listener.has_waiting() => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }
}

/// The place of the connection with this descriptor.
fn connection_index(fd: Fd) -> Option<usize> {
    let index = u32::from(fd).checked_sub(FIRST_CONNECTION_FD)?;
    usize::try_from(index).ok()
}

#[cfg(test)]
mod tests;
