//! The number of sockets that a guest may have. `egress` is the policy of where they may connect.

use std::any::Any;

use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{network, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::bindings::sockets::{tcp::TcpSocket, udp::UdpSocket};
use wasmtime_wasi::p2::{SocketError, SocketResult};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

/// Names of WASI 0.3, kept apart from those of 0.2.
mod p3 {
    pub(super) use wasmtime_wasi::p3::bindings::sockets::types::{
        ErrorCode, HostTcpSocket, HostUdpSocket, IpAddressFamily,
    };
    pub(super) use wasmtime_wasi::p3::sockets::SocketError;
    pub(super) use wasmtime_wasi::sockets::{TcpSocket, UdpSocket};
}

/// The interface of the engine's version.
const P3_TYPES: &str = "wasi:sockets/types@0.3.0";

/// Tells the engine which store data the interfaces that create sockets use.
pub(crate) struct CountedSockets;

impl HasData for CountedSockets {
    type Data<'a> = CountedSocketsView<'a>;
}

/// The store data of the interfaces that create sockets.
pub(crate) struct CountedSocketsView<'a> {
    pub(crate) wasi: WasiSocketsCtxView<'a>,
    pub(crate) max: usize,
}

impl CountedSocketsView<'_> {
    /// Whether the guest may have another socket. A socket stays in the table while it, or a stream over it, is open.
    fn has_room(&mut self) -> bool {
        count_sockets(self.wasi.table) < self.max
    }

    fn check_room_p2(&mut self) -> SocketResult<()> {
        match self.has_room() {
            true => Ok(()),
            false => Err(ErrorCode::NewSocketLimit.into()),
        }
    }
}

/// An entry of the table beside a socket that leads nowhere outside, and so is not counted. The code that adds it
/// limits the number.
pub(crate) struct UncountedSocket;

/// Counts the sockets in a guest's table. Walks through all of the guest's handles.
pub(crate) fn count_sockets(table: &mut ResourceTable) -> usize {
    let (mut sockets, mut apart) = (0_usize, 0);
    for entry in table.iter_mut() {
        let entry: &(dyn Any + Send) = entry;
        sockets += usize::from(is_socket(entry));
        apart += usize::from(entry.is::<UncountedSocket>());
    }
    sockets.saturating_sub(apart)
}

fn is_socket(entry: &(dyn Any + Send)) -> bool {
    entry.is::<TcpSocket>()
        || entry.is::<UdpSocket>()
        || entry.is::<p3::TcpSocket>()
        || entry.is::<p3::UdpSocket>()
}

/// Counts the sockets of WASI 0.3 too, in the two functions that create one.
pub(crate) fn add_p3_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> CountedSocketsView<'_>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(P3_TYPES)?;
    types.func_wrap(
        "[static]tcp-socket.create",
        move |mut store: StoreContextMut<'_, T>, (family,): (p3::IpAddressFamily,)| {
            let mut view = view(store.data_mut());
            let socket = match view.has_room() {
                true => p3::HostTcpSocket::create(&mut view.wasi, family),
                false => Err(too_many_sockets()),
            };
            Ok((split_error(socket)?,))
        },
    )?;
    types.func_wrap_async(
        "[static]udp-socket.create",
        move |mut store: StoreContextMut<'_, T>, (family,): (p3::IpAddressFamily,)| {
            Box::new(async move {
                let mut view = view(store.data_mut());
                let socket = match view.has_room() {
                    true => p3::HostUdpSocket::create(&mut view.wasi, family).await,
                    false => Err(too_many_sockets()),
                };
                Ok((split_error(socket)?,))
            })
        },
    )
}

fn too_many_sockets() -> p3::SocketError {
    let why = "this dyno has as many sockets open as it may have";
    p3::ErrorCode::Other(Some(why.to_owned())).into()
}

/// Separates the errors that the guest receives from those that end the guest.
pub(crate) fn split_error<T>(
    result: Result<T, p3::SocketError>,
) -> wasmtime::Result<Result<T, p3::ErrorCode>> {
    match result {
        Ok(socket) => Ok(Ok(socket)),
        Err(error) => error.downcast().map(Err),
    }
}

impl tcp_create_socket::Host for CountedSocketsView<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.check_room_p2()?;
        tcp_create_socket::Host::create_tcp_socket(&mut self.wasi, family)
    }
}

impl udp_create_socket::Host for CountedSocketsView<'_> {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        self.check_room_p2()?;
        udp_create_socket::Host::create_udp_socket(&mut self.wasi, family).await
    }
}

impl network::Host for CountedSocketsView<'_> {
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

impl network::HostNetwork for CountedSocketsView<'_> {
    fn drop(&mut self, network: Resource<network::Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.wasi, network)
    }
}
