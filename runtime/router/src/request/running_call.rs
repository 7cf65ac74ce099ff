//! One call of a dyno, from the request to the head of the response.
//!
//! Owns the set-up of the exchange, the time limit for the first byte, and protocol switches. Must not know how the dyno
//! was chosen.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use exchange::headers::{requested_protocol, set_protocol_switch};
use exchange::{
    AddForwardedHeaders, DynoHandle, DynoRequest, Exchange, InterimSink, Kill, Reply, RequestBody,
    ResponseReader,
};
use grid::protocol::Refusal;
use grid::routing::Claim;
use http::request::Parts as RequestHead;
use http::response::Parts as ResponseHead;
use http::{HeaderValue, Method, Request, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, timeout_at};

use crate::limits::UPLOAD_RATE_MIN;
use crate::request::call_driver::CallDriver;
use crate::request::queue::RoutedApp;
use crate::request::upload::{BROKEN_BODY, BufferedBody};
use crate::response::error_page::RequestFailure;
use crate::response::response_body::BodySource;
use crate::response::tunnel::ProtocolSwitch;
use crate::shared::access_entry::AccessEntry;
use crate::shared::connection_state::ConnectionState;

/// A client's request to switch protocols.
#[derive(Clone)]
pub(crate) struct SwitchRequest {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl SwitchRequest {
    pub(crate) fn from_head(head: &mut RequestHead) -> Option<SwitchRequest> {
        let protocol = requested_protocol(&head.headers)?;
        // HTTP/2 requests have none.
        let client = head.extensions.remove()?;
        Some(SwitchRequest { protocol, client })
    }
}

/// A request that a dyno has. Separate from waiting for the answer, so that the values from which the call was made are
/// dropped before the request waits.
pub(crate) struct RunningCall<D: DynoHandle> {
    driver: CallDriver<D>,
    reader: ResponseReader,
    began: Instant,
    is_server: bool,
}

impl<D: DynoHandle> RunningCall<D> {
    /// Sets up the call. The call begins when [`RunningCall::answer`] is polled.
    pub(crate) fn new(
        app: &Arc<RoutedApp<D>>,
        entry: &mut AccessEntry,
        arrived: Instant,
        claim: Claim<D>,
        head: RequestHead,
        body: BufferedBody,
        switch: Option<&SwitchRequest>,
    ) -> RunningCall<D> {
        let began = entry.begin_service(arrived);
        entry.record_mut().dyno = Some(claim.dyno.key().dyno.clone());
        let is_server = claim.dyno.can_switch_protocols();
        let exchange = Exchange::new(entry.connection.response_memory.clone());
        let reader = ResponseReader::new(exchange.clone());
        let mut reply = Reply::new(exchange.clone(), head.method == Method::HEAD);
        if is_server && let Some(sink) = interim_sink(entry, head.version) {
            reply = reply.with_interim_sink(sink);
        }
        let body = body.into_request_body(&exchange);
        let mut request = dyno_request(head, entry, body);
        if let Some(switch) = switch {
            let mut complete = request.into_request();
            set_protocol_switch(complete.headers_mut(), switch.protocol.clone());
            request = DynoRequest::from(complete);
        }
        let call = claim.dyno.call(request, reply);
        let driver = CallDriver::new(call, app.clone(), claim.epoch, exchange);
        RunningCall {
            driver,
            reader,
            began,
            is_server,
        }
    }

    /// Runs the call, and waits for the head of its response.
    pub(crate) async fn answer(
        self,
        app: &Arc<RoutedApp<D>>,
        entry: &mut AccessEntry,
        arrived: Instant,
        switch: Option<SwitchRequest>,
    ) -> Result<(ResponseHead, BodySource), RequestFailure> {
        let RunningCall {
            driver,
            reader,
            began,
            is_server,
        } = self;
        driver.start(&entry.connection.router).await;
        // In the usual case the head is here already, and no timer is needed.
        let head = match poll_fn(|cx| Poll::Ready(reader.poll_head(cx))).await {
            Poll::Ready(head) => head,
            Poll::Pending => {
                Box::pin(wait_for_head(&reader, began, app.first_byte_due(arrived))).await
            }
        };
        if is_server {
            entry.record_mut().connect = reader.connect_time();
        }
        let head = head.map_err(|refusal| {
            entry.record_mut().cause = reader.cause();
            request_failure(refusal, &entry.connection)
        })?;
        entry.record_mut().status = head.status.as_u16();
        if head.status == StatusCode::SWITCHING_PROTOCOLS
            && let Some(dyno) = reader.take_tunnel()
        {
            // A dyno may switch only if the client asked for it.
            let client = switch.ok_or(Refusal::BadResponse)?.client;
            let switch = ProtocolSwitch {
                dyno,
                client,
                reader,
            };
            return Ok((head, BodySource::Switched(Box::new(switch))));
        }
        let source = match reader.take_whole() {
            Some((bytes, _)) if bytes.is_empty() && announces_length(&head, entry) => {
                BodySource::Announced
            }
            Some((bytes, share)) => BodySource::Whole(bytes, share),
            None => BodySource::Live(reader),
        };
        Ok((head, source))
    }
}

/// The request as a dyno gets it.
fn dyno_request(mut head: RequestHead, entry: &AccessEntry, body: RequestBody) -> DynoRequest {
    let (connection, record) = (&entry.connection, entry.record());
    let forwarded_headers = AddForwardedHeaders {
        addresses: record.fwd.clone(),
        from_trusted_proxy: connection.from_trusted_proxy,
        port: entry.port.as_ref().unwrap_or(&connection.port).clone(),
        tls: record.tls,
        version: head.version,
        request_id: record.request_id.clone(),
        arrived: entry.arrived_at,
        queue_wait: record.wait,
        queue_depth: record.queue,
    };
    head.extensions.clear();
    DynoRequest {
        request: Request::from_parts(head, body),
        forwarded_headers: Some(forwarded_headers),
    }
}

/// The sink for interim responses, if the client can take them: HTTP/1.0 has none (RFC 9110, 15.2).
fn interim_sink(entry: &AccessEntry, version: Version) -> Option<Arc<dyn InterimSink>> {
    match &entry.stream {
        Some(stream) => Some(stream.clone()),
        None if version == Version::HTTP_10 => None,
        None => Some(entry.connection.clone()),
    }
}

/// Whether a 304 over HTTP/1 announces the length of the response that the client has already (RFC 9110, 15.4.5). The
/// HTTP/1 layer keeps a length without a body for a `HEAD` only; over HTTP/2 it is kept in any case.
fn announces_length(head: &ResponseHead, entry: &AccessEntry) -> bool {
    head.status == StatusCode::NOT_MODIFIED
        && head.headers.contains_key(header::CONTENT_LENGTH)
        && entry.record().version != Version::HTTP_2
}

/// Waits for the head of the response until it is due, and for longer while an upload makes progress.
async fn wait_for_head(
    exchange: &Arc<Exchange>,
    began: Instant,
    (mut due, timeout): (Instant, Duration),
) -> Result<ResponseHead, Refusal> {
    loop {
        if let Ok(head) = timeout_at(due, poll_fn(|cx| exchange.poll_head(cx))).await {
            return head;
        }
        let upload = exchange.upload();
        if !upload.is_open || !upload.guest_waits {
            exchange.abort(Refusal::RequestTimeout, Kill::Timeout);
            return Err(Refusal::RequestTimeout);
        }
        // The guest cannot answer a request that it has not got: either the client is too slow, or there is time.
        if upload.received_bytes / began.elapsed().as_secs().max(1) < UPLOAD_RATE_MIN {
            exchange.fail(Refusal::ClientIdle);
            return Err(Refusal::ClientIdle);
        }
        due = Instant::now() + timeout;
    }
}

/// The failure that the client sees. A request body that breaks off is a hang-up, unless its framing broke the rules.
fn request_failure(refusal: Refusal, connection: &ConnectionState) -> RequestFailure {
    if refusal == Refusal::ClientInterrupted && connection.body_violation().is_some() {
        return BROKEN_BODY.into();
    }
    refusal.into()
}
