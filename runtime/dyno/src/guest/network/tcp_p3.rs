//! `wasi:sockets/types` 0.3: wasmtime-wasi's implementation, except for `$PORT`, which the kernel does not know.
//!
//! Each socket remains a socket of wasmtime-wasi. Of a socket that uses `$PORT`, only the handle and the options are
//! used, and its role is recorded here by the number of the handle. Must not know what is sent over connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, Destination, FutureReader, Linker, Resource, ResourceTable, ResourceType,
    Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p3::bindings::sockets::types::{
    ErrorCode, HostTcpSocket, HostTcpSocketWithStore, IpAddressFamily, IpSocketAddress,
};
use wasmtime_wasi::sockets::{TcpSocket, WasiSockets, WasiSocketsCtxView, WasiSocketsView};

use crate::guest::network::port::{AddressFamily, PipedConnection, PortListener, ServerPort};
use crate::guest::network::sockets::{UncountedSocket, split_error};
use crate::guest::stdio::pipes::{InputPipe, OutputPipe};

/// The interface of the engine's version.
const TYPES: &str = "wasi:sockets/types@0.3.0";

/// The bytes that are copied at a time if the guest does not name a number.
const CHUNK_BYTES: usize = 8 * 1024;

/// The most accepted sockets that a server may hold. It receives one request at a time, so it needs few, and each
/// socket takes a file descriptor of this process.
const ACCEPTED_MAX: usize = 16;

type TcpP3 = Resource<TcpSocket>;
type TcpStore<'a, T> = StoreContextMut<'a, T>;
type TransferResult = FutureReader<Result<(), ErrorCode>>;

/// A server's port, and the sockets that use it.
pub(crate) struct ServedPortP3 {
    port: Arc<ServerPort>,
    /// Sockets by the number of their handle.
    sockets: HashMap<u32, SocketRole>,
}

/// The store data of the functions in this file.
pub(crate) struct ServedPortView<'a> {
    pub(crate) served: Option<&'a mut ServedPortP3>,
    pub(crate) wasi: WasiSocketsCtxView<'a>,
}

/// Finds this data in the data of a store.
type GetServedPort<T> = fn(&mut T) -> ServedPortView<'_>;

/// How a socket uses the port.
enum SocketRole {
    Bound(AddressFamily),
    Listening(AddressFamily),
    Accepted(AddressFamily, PipedConnection, Resource<UncountedSocket>),
}

impl SocketRole {
    fn family(&self) -> AddressFamily {
        match self {
            SocketRole::Bound(family)
            | SocketRole::Listening(family)
            | SocketRole::Accepted(family, ..) => *family,
        }
    }
}

impl ServedPortP3 {
    pub(crate) fn new(port: Arc<ServerPort>) -> ServedPortP3 {
        ServedPortP3 {
            port,
            sockets: HashMap::new(),
        }
    }

    /// Whether another connection may be accepted.
    fn has_room(&self) -> bool {
        let roles = self.sockets.values();
        let accepted = roles.filter(|role| matches!(role, SocketRole::Accepted(..)));
        accepted.count() < ACCEPTED_MAX
    }

    /// Creates a socket for a connection. `None`: the guest or the machine has too many sockets, and the connection
    /// is closed.
    fn accept_connection(
        &mut self,
        wasi: &mut WasiSocketsCtxView<'_>,
        family: AddressFamily,
        connection: PipedConnection,
    ) -> Option<TcpP3> {
        if !self.has_room() {
            return None;
        }
        let asked = match family {
            AddressFamily::V4 => IpAddressFamily::Ipv4,
            AddressFamily::V6 => IpAddressFamily::Ipv6,
        };
        let socket = HostTcpSocket::create(wasi, asked).ok()?;
        let Ok(apart) = wasi.table.push(UncountedSocket) else {
            // The entry was added just before.
            let _ = wasi.table.delete(socket);
            return None;
        };
        let role = SocketRole::Accepted(family, connection, apart);
        self.sockets.insert(socket.rep(), role);
        Some(socket)
    }

    /// Forgets the socket with this handle, which was dropped.
    fn forget_socket(&mut self, rep: u32, table: &mut ResourceTable) -> wasmtime::Result<()> {
        match self.sockets.remove(&rep) {
            Some(SocketRole::Bound(_)) => self.port.release(),
            Some(SocketRole::Accepted(_, _, apart)) => {
                table.delete(apart)?;
            }
            // A listener frees the port itself, when its stream ends.
            Some(SocketRole::Listening(_)) | None => {}
        }
        Ok(())
    }
}

fn role_of<'a>(view: ServedPortView<'a>, socket: &TcpP3) -> Option<&'a SocketRole> {
    view.served?.sockets.get(&socket.rep())
}

fn borrow(socket: &TcpP3) -> TcpP3 {
    Resource::new_borrow(socket.rep())
}

/// Replaces the engine's functions for sockets that may use `$PORT`.
pub(crate) fn add_to_linker<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    view: GetServedPort<T>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.resource(
        "tcp-socket",
        ResourceType::host::<TcpSocket>(),
        move |mut store: TcpStore<'_, T>, rep| drop_socket(&mut store, view, rep),
    )?;
    types.func_wrap_async(
        "[method]tcp-socket.bind",
        move |mut store: TcpStore<'_, T>, (socket, address): (TcpP3, IpSocketAddress)| {
            Box::new(async move {
                let addr = SocketAddr::from(address);
                match bind_port(view(store.data_mut()), &socket, addr) {
                    Some(bound) => Ok((bound,)),
                    None => {
                        let mut wasi = store.data_mut().sockets();
                        let bound = HostTcpSocket::bind(&mut wasi, socket, address).await;
                        Ok((split_error(bound)?,))
                    }
                }
            })
        },
    )?;
    types.func_wrap_async(
        "[method]tcp-socket.listen",
        move |mut store: TcpStore<'_, T>, (socket,): (TcpP3,)| {
            Box::new(async move {
                if role_of(view(store.data_mut()), &socket).is_some() {
                    return Ok((listen_on_port(&mut store, view, &socket)?,));
                }
                let access = Access::<_, WasiSockets>::new(store.as_context_mut(), T::sockets);
                let listening = WasiSockets::listen(access, socket).await;
                Ok((split_error(listening)?,))
            })
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.send",
        move |store: TcpStore<'_, T>, (socket, data): (TcpP3, StreamReader<u8>)| {
            Ok((send_stream(store, view, socket, data)?,))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.receive",
        move |store: TcpStore<'_, T>, (socket,): (TcpP3,)| {
            Ok((receive_stream(store, view, socket)?,))
        },
    )?;
    add_connect(linker, view)?;
    add_addresses(linker, view)
}

/// Refuses to connect a socket that uses the port.
fn add_connect<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    view: GetServedPort<T>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap_concurrent(
        "[method]tcp-socket.connect",
        move |accessor: &Accessor<T>, (socket, address): (TcpP3, IpSocketAddress)| {
            Box::pin(async move {
                let ours = |mut access: Access<'_, T>| {
                    role_of(view(access.as_context_mut().data_mut()), &socket).is_some()
                };
                if accessor.with(ours) {
                    return Ok((Err(ErrorCode::InvalidState),));
                }
                let wasi = accessor.with_getter::<WasiSockets>(T::sockets);
                Ok((split_error(
                    WasiSockets::connect(&wasi, socket, address).await,
                )?,))
            })
        },
    )
}

fn add_addresses<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    view: GetServedPort<T>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]tcp-socket.get-local-address",
        move |mut store: TcpStore<'_, T>, (socket,): (TcpP3,)| {
            let family = role_of(view(store.data_mut()), &socket).map(SocketRole::family);
            if let (Some(family), Some(served)) = (family, view(store.data_mut()).served) {
                return Ok((Ok(IpSocketAddress::from(served.port.address(family))),));
            }
            let mut wasi = store.data_mut().sockets();
            Ok((split_error(wasi.get_local_address(socket))?,))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.get-remote-address",
        move |mut store: TcpStore<'_, T>, (socket,): (TcpP3,)| {
            if let Some(SocketRole::Accepted(family, ..)) = role_of(view(store.data_mut()), &socket)
            {
                return Ok((Ok(IpSocketAddress::from(family.peer_address())),));
            }
            let mut wasi = store.data_mut().sockets();
            Ok((split_error(wasi.get_remote_address(socket))?,))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.get-is-listening",
        move |mut store: TcpStore<'_, T>, (socket,): (TcpP3,)| {
            if let Some(role) = role_of(view(store.data_mut()), &socket) {
                return Ok((matches!(role, SocketRole::Listening(_)),));
            }
            Ok((store.data_mut().sockets().get_is_listening(socket)?,))
        },
    )
}

/// Drops a socket.
fn drop_socket<T: WasiView>(
    store: &mut TcpStore<'_, T>,
    view: GetServedPort<T>,
    rep: u32,
) -> wasmtime::Result<()> {
    let ServedPortView { served, mut wasi } = view(store.data_mut());
    if let Some(served) = served {
        served.forget_socket(rep, wasi.table)?;
    }
    HostTcpSocket::drop(&mut wasi, Resource::new_own(rep))
}

/// Binds a socket to `$PORT`. `None`: `addr` is another address.
fn bind_port(
    view: ServedPortView<'_>,
    socket: &TcpP3,
    addr: SocketAddr,
) -> Option<Result<(), ErrorCode>> {
    let served = view.served?;
    if !served.port.is_bound_by(addr) {
        return None;
    }
    if served.sockets.contains_key(&socket.rep()) {
        return Some(Err(ErrorCode::InvalidState));
    }
    if !served.port.bind() {
        return Some(Err(ErrorCode::AddressInUse));
    }
    let role = SocketRole::Bound(AddressFamily::of(addr));
    served.sockets.insert(socket.rep(), role);
    Some(Ok(()))
}

fn listen_on_port<T: WasiView + 'static>(
    store: &mut TcpStore<'_, T>,
    view: GetServedPort<T>,
    socket: &TcpP3,
) -> wasmtime::Result<Result<StreamReader<TcpP3>, ErrorCode>> {
    let Some(served) = view(store.data_mut()).served else {
        return Ok(Err(ErrorCode::InvalidState));
    };
    let Some(role @ SocketRole::Bound(_)) = served.sockets.get_mut(&socket.rep()) else {
        return Ok(Err(ErrorCode::InvalidState));
    };
    let family = role.family();
    let Some(listener) = served.port.listen() else {
        return Ok(Err(ErrorCode::InvalidState));
    };
    *role = SocketRole::Listening(family);
    StreamReader::new(
        store,
        AcceptedSockets {
            listener,
            family,
            view,
        },
    )
    .map(Ok)
}

/// The stream of accepted sockets.
struct AcceptedSockets<T: 'static> {
    listener: PortListener,
    family: AddressFamily,
    view: GetServedPort<T>,
}

impl<T: 'static> StreamProducer<T> for AcceptedSockets<T> {
    type Item = TcpP3;
    type Buffer = Option<TcpP3>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, T>,
        mut to: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let unready = match finish {
            true => Poll::Ready(Ok(StreamResult::Cancelled)),
            false => Poll::Pending,
        };
        if to.remaining(&mut store) == Some(0) {
            return match self.listener.poll_ready(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(StreamResult::Completed)),
                Poll::Pending => unready,
            };
        }
        loop {
            let connection = match self.listener.poll_accept(cx) {
                Poll::Ready(Some(connection)) => connection,
                // The dyno is about to end.
                Poll::Ready(None) => return Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Pending => return unready,
            };
            let view = (self.view)(store.data_mut());
            if let Some(socket) = accept_socket(view, self.family, connection) {
                to.set_buffer(Some(socket));
                return Poll::Ready(Ok(StreamResult::Completed));
            }
        }
    }
}

fn accept_socket(
    view: ServedPortView<'_>,
    family: AddressFamily,
    connection: PipedConnection,
) -> Option<TcpP3> {
    let ServedPortView { served, mut wasi } = view;
    served?.accept_connection(&mut wasi, family, connection)
}

fn send_stream<T: WasiView + 'static>(
    mut store: TcpStore<'_, T>,
    view: GetServedPort<T>,
    socket: TcpP3,
    data: StreamReader<u8>,
) -> wasmtime::Result<TransferResult> {
    let Some(SocketRole::Accepted(_, connection, _)) = role_of(view(store.data_mut()), &socket)
    else {
        let access = Access::<_, WasiSockets>::new(store, T::sockets);
        return WasiSockets::send(access, borrow(&socket), data);
    };
    let to = connection.output.clone();
    let (ended, result) = oneshot::channel();
    let ended = Some(ended);
    data.pipe(&mut store, SendStream { to, ended })?;
    FutureReader::new(&mut store, result)
}

fn receive_stream<T: WasiView + 'static>(
    mut store: TcpStore<'_, T>,
    view: GetServedPort<T>,
    socket: TcpP3,
) -> wasmtime::Result<(StreamReader<u8>, TransferResult)> {
    let Some(SocketRole::Accepted(_, connection, _)) = role_of(view(store.data_mut()), &socket)
    else {
        let access = Access::<_, WasiSockets>::new(store, T::sockets);
        return WasiSockets::receive(access, borrow(&socket));
    };
    let from = connection.input.clone();
    let stream = StreamReader::new(&mut store, ReceiveStream(from))?;
    let fine = async { wasmtime::error::Ok(Ok(())) };
    Ok((stream, FutureReader::new(&mut store, fine)?))
}

/// The bytes that the guest receives.
struct ReceiveStream(InputPipe);

impl<D> StreamProducer<D> for ReceiveStream {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        to: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let asks = to.remaining(store.as_context_mut()) == Some(0);
        let mut to = to.as_direct(store, CHUNK_BYTES);
        let mut none = [];
        let mut buffer = ReadBuf::new(if asks { &mut none } else { to.remaining() });
        match Pin::new(&mut self.0).poll_read(cx, &mut buffer) {
            Poll::Ready(_) if asks => Poll::Ready(Ok(StreamResult::Completed)),
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                let len = buffer.filled().len();
                to.mark_written(len);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(_) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The bytes that the guest sends. The end of the guest's stream closes this direction of the connection.
struct SendStream {
    to: OutputPipe,
    ended: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl<D> StreamConsumer<D> for SendStream {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        if source.remaining().is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match Pin::new(&mut self.to).poll_write(cx, source.remaining()) {
            Poll::Ready(Ok(len)) => {
                source.mark_read(len);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(_)) => {
                self.end(Err(ErrorCode::ConnectionBroken));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl SendStream {
    fn end(&mut self, how: Result<(), ErrorCode>) {
        if let Some(ended) = self.ended.take() {
            // The guest may have dropped its end of the result.
            let _ = ended.send(how);
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.to.close();
        self.end(Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use wasmtime_wasi::WasiCtx;

    use super::*;
    use crate::guest::network::port::PortNumbers;
    use crate::guest::network::sockets::count_sockets;

    fn context() -> WasiCtx {
        WasiCtx::builder().allow_tcp(true).build()
    }

    fn served() -> ServedPortP3 {
        ServedPortP3::new(Arc::<PortNumbers>::default().take_port())
    }

    fn accept(served: &mut ServedPortP3, wasi: &mut WasiSocketsCtxView<'_>) -> Option<TcpP3> {
        let connection = PipedConnection {
            input: InputPipe::new(None),
            output: OutputPipe::new(Box::new(tokio::io::sink())),
        };
        served.accept_connection(wasi, AddressFamily::V4, connection)
    }

    #[test]
    fn accepted_sockets_have_a_limit_of_their_own() {
        let (mut context, mut table) = (context(), ResourceTable::new());
        let mut wasi = WasiSocketsCtxView {
            ctx: context.sockets(),
            table: &mut table,
        };
        let mut served = served();
        let held: Vec<TcpP3> = std::iter::from_fn(|| accept(&mut served, &mut wasi)).collect();
        assert_eq!(held.len(), ACCEPTED_MAX);
        assert_eq!(count_sockets(wasi.table), 0, "none of them leads outside");

        let outbound = HostTcpSocket::create(&mut wasi, IpAddressFamily::Ipv4);
        assert!(outbound.is_ok());
        assert_eq!(count_sockets(wasi.table), 1);

        for socket in held {
            let rep = socket.rep();
            assert!(accept(&mut served, &mut wasi).is_none());
            assert!(served.forget_socket(rep, wasi.table).is_ok());
            assert!(HostTcpSocket::drop(&mut wasi, socket).is_ok());
            assert!(accept(&mut served, &mut wasi).is_some());
        }
        assert_eq!(count_sockets(wasi.table), 1);
    }

    #[test]
    fn a_failed_accept_leaves_no_resources() {
        let (mut context, mut table) = (context(), ResourceTable::new());
        // The table has room for one resource: accepting needs more.
        table.set_max_capacity(1);
        let mut wasi = WasiSocketsCtxView {
            ctx: context.sockets(),
            table: &mut table,
        };
        let mut served = served();
        assert!(accept(&mut served, &mut wasi).is_none());
        assert!(wasi.table.is_empty());
        assert!(served.sockets.is_empty());
    }
}
