//! The body of a response to a guest's request, and the connection that it is read from.
//!
//! Owns when the connection is free again. Must not know where it goes then.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use wasmtime_wasi_http::Error;

use crate::guest::http::outgoing::permit::RequestPermit;
use crate::guest::network::connection::{ClientConnection, ConnectionTarget};
use crate::guest::network::park::park;
use crate::guest::network::shared::AppNetwork;

/// The connection that a response is read from. Closed on drop.
pub(super) struct ConnectionLease {
    app: Weak<AppNetwork>,
    target: ConnectionTarget,
    connection: ClientConnection,
    permit: RequestPermit,
}

impl ConnectionLease {
    pub(super) fn new(
        app: &Arc<AppNetwork>,
        target: ConnectionTarget,
        connection: ClientConnection,
        permit: RequestPermit,
    ) -> ConnectionLease {
        ConnectionLease {
            app: Arc::downgrade(app),
            target,
            connection,
            permit,
        }
    }

    /// Returns the connection to the app and the permit to the dyno: the response has ended.
    fn give_back(self) {
        drop(self.permit);
        park(&self.app, self.target, self.connection);
    }
}

/// A response's body that fails when no byte arrives for some time.
pub(super) struct FetchedBody {
    body: Incoming,
    between: Duration,
    waiting: Option<Pin<Box<tokio::time::Sleep>>>,
    lease: Option<ConnectionLease>,
}

impl FetchedBody {
    pub(super) fn new(body: Incoming, between: Duration, lease: ConnectionLease) -> FetchedBody {
        let mut this = FetchedBody {
            body,
            between,
            waiting: None,
            lease: Some(lease),
        };
        this.return_lease_at_end(false);
        this
    }

    fn return_lease_at_end(&mut self, ended: bool) {
        if (ended || self.body.is_end_stream())
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for FetchedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = None;
            match &frame {
                Some(Err(_)) => this.lease = None,
                frame => this.return_lease_at_end(frame.is_none()),
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let between = this.between;
        let waiting = this
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        ready!(waiting.as_mut().poll(cx));
        this.lease = None;
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
