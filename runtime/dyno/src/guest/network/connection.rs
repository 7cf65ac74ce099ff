//! An open connection to another server, over which a guest's requests are sent, and the body of such a request.
//!
//! Must not know how a connection is made, nor who may use it.
//!
//! Task: one for a request's body that was sent before the guest had ended it; ends with the guest's next word.

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

/// Whom a connection was made for: never used for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionTarget {
    pub(crate) tls: bool,
    /// A name in lower case, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An open connection; closed when this is dropped.
pub(crate) struct ClientConnection {
    pub(crate) sender: SendRequest<OutgoingRequestBody>,
    /// What was dialled.
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

/// A guest's body for a request.
///
/// When all of it was sent that was to be sent, the client drops it, which the guest, just about to say that there
/// is no more, would take for a broken connection. So what the guest says next is still heard.
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
