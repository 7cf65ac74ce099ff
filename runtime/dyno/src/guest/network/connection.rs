//! An open HTTP connection to another server, over which a guest's requests are sent, and the body of such a request.
//!
//! Must not know how a connection is made, nor who may use it.
//!
//! Tasks: one for each request body that hyper dropped before its end; it waits for the guest's next frame.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::client::conn::http1::SendRequest;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::{Error, WasiBody};

/// The server that a connection was made for. The connection is never used for another server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionTarget {
    pub(crate) tls: bool,
    /// A name in lower case, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An open connection, which is closed on drop.
pub(crate) struct ClientConnection {
    pub(crate) sender: SendRequest<OutgoingRequestBody>,
    /// The address that was dialled.
    pub(crate) addr: SocketAddr,
    pub(super) born: Instant,
    driver: JoinHandle<()>,
}

impl ClientConnection {
    pub(crate) fn new(
        sender: SendRequest<OutgoingRequestBody>,
        addr: SocketAddr,
        driver: JoinHandle<()>,
    ) -> ClientConnection {
        ClientConnection {
            sender,
            addr,
            born: Instant::now(),
            driver,
        }
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The body of a guest's request.
///
/// When hyper has sent as many bytes as the request announced, it drops the body. The guest, which is about to end
/// the body, would see this as a broken connection. So the drop starts a task that reads the guest's next frame.
pub(crate) struct OutgoingRequestBody(Option<WasiBody>);

impl OutgoingRequestBody {
    pub(crate) fn of(body: WasiBody) -> OutgoingRequestBody {
        OutgoingRequestBody(Some(body))
    }

    pub(crate) fn empty() -> OutgoingRequestBody {
        OutgoingRequestBody(None)
    }
}

impl Drop for OutgoingRequestBody {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(body.frame().await) });
        }
    }
}

impl Body for OutgoingRequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(body) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none() {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.0.as_ref().map_or_else(none, Body::size_hint)
    }
}
