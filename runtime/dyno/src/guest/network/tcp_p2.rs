//! `wasi:sockets/tcp` 0.2: wasmtime-wasi's implementation, except for `$PORT`, which the kernel does not know.
//!
//! A socket bound to `$PORT` remains an unused socket of wasmtime-wasi whose handle is recorded here. An accepted
//! connection is an entry of this module, under the same type of handle. Must not know what is sent over connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, HostTcpSocket as Inner, ShutdownType};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, SocketError, SocketResult, subscribe,
};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

use crate::guest::network::port::{AddressFamily, PipedConnection, PortListener, ServerPort};

/// Tells the engine which store data the TCP interface uses.
pub(crate) struct GuestTcp;

impl HasData for GuestTcp {
    type Data<'a> = GuestTcpView<'a>;
}

/// The store data of the TCP interface.
pub(crate) struct GuestTcpView<'a> {
    pub(crate) wasi: WasiSocketsCtxView<'a>,
    pub(crate) served: Option<&'a mut ServedPort>,
}

/// A server's port, and the sockets that use it.
pub(crate) struct ServedPort {
    port: Arc<ServerPort>,
    /// Sockets by the number of their handle.
    bound: HashMap<u32, BoundSocket>,
}

/// A socket that is bound to the port.
struct BoundSocket {
    family: AddressFamily,
    listener: Option<Resource<PortListener>>,
}

/// An accepted connection, as an entry of the guest's table.
pub(crate) struct AcceptedSocket {
    pub(crate) connection: PipedConnection,
    pub(crate) family: AddressFamily,
    pub(crate) local: SocketAddr,
}

#[wasmtime_wasi::async_trait]
impl wasmtime_wasi::p2::Pollable for AcceptedSocket {
    async fn ready(&mut self) {}
}

impl ServedPort {
    pub(crate) fn new(port: Arc<ServerPort>) -> ServedPort {
        ServedPort {
            port,
            bound: HashMap::new(),
        }
    }
}

impl Drop for ServedPort {
    fn drop(&mut self) {
        self.port.close();
    }
}

type TcpP2 = Resource<TcpSocket>;

impl GuestTcpView<'_> {
    fn bound_socket(&mut self, socket: &TcpP2) -> Option<&mut BoundSocket> {
        self.served.as_mut()?.bound.get_mut(&socket.rep())
    }

    /// The accepted connection to `$PORT` behind this handle, if there is one.
    fn accepted_socket(&self, socket: &TcpP2) -> Option<&AcceptedSocket> {
        self.served.as_ref()?;
        let entry = Resource::new_borrow(socket.rep());
        self.wasi.table.get::<AcceptedSocket>(&entry).ok()
    }

    fn uses_port(&self, socket: &TcpP2) -> bool {
        let served = self.served.as_ref();
        served.is_some_and(|served| served.bound.contains_key(&socket.rep()))
            || self.accepted_socket(socket).is_some()
    }
}

/// Options of a socket. They have no effect on a connection in memory.
macro_rules! options {
    ($($get:ident, $set:ident: $ty:ty = $default:expr;)*) => {
        $(fn $get(&mut self, socket: TcpP2) -> SocketResult<$ty> {
            if self.uses_port(&socket) {
                return Ok($default);
            }
            self.wasi.$get(socket)
        }

        fn $set(&mut self, socket: TcpP2, value: $ty) -> SocketResult<()> {
            if self.uses_port(&socket) {
                return Ok(());
            }
            self.wasi.$set(socket, value)
        })*
    };
}

impl tcp::Host for GuestTcpView<'_> {}

impl Inner for GuestTcpView<'_> {
    options! {
        keep_alive_enabled, set_keep_alive_enabled: bool = false;
        keep_alive_idle_time, set_keep_alive_idle_time: u64 = 7_200_000_000_000;
        keep_alive_interval, set_keep_alive_interval: u64 = 75_000_000_000;
        keep_alive_count, set_keep_alive_count: u32 = 9;
        hop_limit, set_hop_limit: u8 = 64;
        receive_buffer_size, set_receive_buffer_size: u64 = 65_536;
        send_buffer_size, set_send_buffer_size: u64 = 65_536;
    }

    async fn start_bind(
        &mut self,
        socket: TcpP2,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        let addr = SocketAddr::from(address);
        let Some(served) = self
            .served
            .as_mut()
            .filter(|served| served.port.is_bound_by(addr))
        else {
            return self.wasi.start_bind(socket, network, address).await;
        };
        if served.bound.contains_key(&socket.rep()) {
            return Err(ErrorCode::InvalidState.into());
        }
        if !served.port.bind() {
            return Err(ErrorCode::AddressInUse.into());
        }
        let (family, listener) = (AddressFamily::of(addr), None);
        served
            .bound
            .insert(socket.rep(), BoundSocket { family, listener });
        Ok(())
    }

    fn finish_bind(&mut self, socket: TcpP2) -> SocketResult<()> {
        match self.bound_socket(&socket) {
            Some(_) => Ok(()),
            None => self.wasi.finish_bind(socket),
        }
    }

    fn start_connect(
        &mut self,
        socket: TcpP2,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        if self.uses_port(&socket) {
            return Err(ErrorCode::InvalidState.into());
        }
        self.wasi.start_connect(socket, network, address)
    }

    fn finish_connect(
        &mut self,
        socket: TcpP2,
    ) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        if self.uses_port(&socket) {
            return Err(ErrorCode::NotInProgress.into());
        }
        self.wasi.finish_connect(socket)
    }

    async fn start_listen(&mut self, socket: TcpP2) -> SocketResult<()> {
        let port = match &self.served {
            Some(served) if served.bound.contains_key(&socket.rep()) => Arc::clone(&served.port),
            _ => return self.wasi.start_listen(socket).await,
        };
        let listener = port.listen().ok_or(ErrorCode::InvalidState)?;
        let listener = self.wasi.table.push(listener)?;
        if let Some(bound) = self.bound_socket(&socket) {
            bound.listener = Some(listener);
        }
        Ok(())
    }

    fn finish_listen(&mut self, socket: TcpP2) -> SocketResult<()> {
        match self.bound_socket(&socket) {
            Some(BoundSocket {
                listener: Some(_), ..
            }) => Ok(()),
            Some(_) => Err(ErrorCode::NotInProgress.into()),
            None => self.wasi.finish_listen(socket),
        }
    }

    fn accept(
        &mut self,
        socket: TcpP2,
    ) -> SocketResult<(TcpP2, Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let Some(BoundSocket { family, listener }) = self.bound_socket(&socket) else {
            return self.wasi.accept(socket);
        };
        let family = *family;
        let listener = listener.as_ref().ok_or(ErrorCode::InvalidState)?.rep();
        let listener = Resource::<PortListener>::new_borrow(listener);
        let table = &mut *self.wasi.table;
        let listener = table.get_mut(&listener)?;
        let local = listener.address(family);
        let mut cx = Context::from_waker(Waker::noop());
        let connection = match listener.poll_accept(&mut cx) {
            // This also applies when the dyno is about to end.
            Poll::Pending | Poll::Ready(None) => return Err(ErrorCode::WouldBlock.into()),
            Poll::Ready(Some(connection)) => connection,
        };
        let input: DynInputStream = Box::new(connection.input.clone());
        let output: DynOutputStream = Box::new(connection.output.clone());
        let accepted = table.push(AcceptedSocket {
            connection,
            family,
            local,
        })?;
        let input = table.push_child(input, &accepted)?;
        let output = table.push_child(output, &accepted)?;
        Ok((Resource::new_own(accepted.rep()), input, output))
    }

    fn local_address(&mut self, socket: TcpP2) -> SocketResult<IpSocketAddress> {
        if let Some(accepted) = self.accepted_socket(&socket) {
            return Ok(accepted.local.into());
        }
        if let Some(served) = &self.served
            && let Some(bound) = served.bound.get(&socket.rep())
        {
            return Ok(served.port.address(bound.family).into());
        }
        self.wasi.local_address(socket)
    }

    fn remote_address(&mut self, socket: TcpP2) -> SocketResult<IpSocketAddress> {
        match self.accepted_socket(&socket) {
            Some(accepted) => Ok(accepted.family.peer_address().into()),
            None => self.wasi.remote_address(socket),
        }
    }

    fn is_listening(&mut self, socket: TcpP2) -> wasmtime::Result<bool> {
        if self.accepted_socket(&socket).is_some() {
            return Ok(false);
        }
        match self.bound_socket(&socket) {
            Some(bound) => Ok(bound.listener.is_some()),
            None => self.wasi.is_listening(socket),
        }
    }

    fn address_family(&mut self, socket: TcpP2) -> wasmtime::Result<IpAddressFamily> {
        match self
            .accepted_socket(&socket)
            .map(|accepted| accepted.family)
        {
            Some(AddressFamily::V4) => Ok(IpAddressFamily::Ipv4),
            Some(AddressFamily::V6) => Ok(IpAddressFamily::Ipv6),
            None => self.wasi.address_family(socket),
        }
    }

    fn set_listen_backlog_size(&mut self, socket: TcpP2, value: u64) -> SocketResult<()> {
        if self.uses_port(&socket) {
            return Ok(());
        }
        self.wasi.set_listen_backlog_size(socket, value)
    }

    fn subscribe(&mut self, socket: TcpP2) -> wasmtime::Result<Resource<DynPollable>> {
        if self.accepted_socket(&socket).is_some() {
            return subscribe(
                self.wasi.table,
                Resource::<AcceptedSocket>::new_borrow(socket.rep()),
            );
        }
        let listener = self
            .bound_socket(&socket)
            .and_then(|bound| bound.listener.as_ref());
        let listener =
            listener.map(|listener| Resource::<PortListener>::new_borrow(listener.rep()));
        match listener {
            Some(listener) => subscribe(self.wasi.table, listener),
            // A socket that is only bound: the engine's own socket is ready at once.
            None => self.wasi.subscribe(socket),
        }
    }

    fn shutdown(&mut self, socket: TcpP2, how: ShutdownType) -> SocketResult<()> {
        let Some(accepted) = self.accepted_socket(&socket) else {
            return self.wasi.shutdown(socket, how);
        };
        let PipedConnection { input, output } = &accepted.connection;
        if matches!(how, ShutdownType::Receive | ShutdownType::Both) {
            input.close();
        }
        if matches!(how, ShutdownType::Send | ShutdownType::Both) {
            output.close();
        }
        Ok(())
    }

    fn drop(&mut self, socket: TcpP2) -> wasmtime::Result<()> {
        if self.accepted_socket(&socket).is_some() {
            let accepted = Resource::<AcceptedSocket>::new_own(socket.rep());
            self.wasi.table.delete(accepted)?;
            return Ok(());
        }
        let rep = socket.rep();
        if let Some(served) = self.served.as_mut()
            && let Some(bound) = served.bound.remove(&rep)
        {
            match bound.listener {
                Some(listener) => drop(self.wasi.table.delete(listener)?),
                None => served.port.release(),
            }
        }
        Inner::drop(&mut self.wasi, socket)
    }
}

impl network::Host for GuestTcpView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        network::Host::convert_error_code(&mut self.wasi, error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        network::Host::network_error_code(&mut self.wasi, error)
    }
}

impl network::HostNetwork for GuestTcpView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.wasi, network)
    }
}
