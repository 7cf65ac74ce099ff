//! How many sockets a guest may have. The policy of where they may go is in `egress`.

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{network, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::bindings::sockets::{tcp::TcpSocket, udp::UdpSocket};
use wasmtime_wasi::p2::{SocketError, SocketResult};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

/// Names the guest data behind the interfaces that create sockets.
pub(crate) struct CountedSockets;

impl HasData for CountedSockets {
    type Data<'a> = SocketsView<'a>;
}

/// The store data that those interfaces work on.
pub(crate) struct SocketsView<'a> {
    pub(crate) wasi: WasiSocketsCtxView<'a>,
    pub(crate) max: usize,
}

impl SocketsView<'_> {
    /// A socket stays in the table as long as it, or a stream over it, is open.
    fn room(&mut self) -> SocketResult<()> {
        let sockets = self.wasi.table.iter_mut();
        let open = sockets
            .filter(|entry| entry.is::<TcpSocket>() || entry.is::<UdpSocket>())
            .count();
        if open >= self.max {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        Ok(())
    }
}

impl tcp_create_socket::Host for SocketsView<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.room()?;
        tcp_create_socket::Host::create_tcp_socket(&mut self.wasi, family)
    }
}

impl udp_create_socket::Host for SocketsView<'_> {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        self.room()?;
        udp_create_socket::Host::create_udp_socket(&mut self.wasi, family).await
    }
}

impl network::Host for SocketsView<'_> {
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

impl network::HostNetwork for SocketsView<'_> {
    fn drop(&mut self, network: Resource<network::Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.wasi, network)
    }
}
