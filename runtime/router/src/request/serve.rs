//! The request function.
//!
//! Owns the order of things: check, find the app, read a small body, take a dyno or wait for one, run, answer.
//! Must not know bytes on the wire, framing, or what a dyno is.

use crate::limits::{RETRIES_MAX, UPLOAD_RATE_MIN};
use crate::request::admission;
use crate::request::call_driver::Driver;
use crate::request::client_body::ClientBody;
use crate::request::queue::{App, Claim, Ticket, Turn};
use crate::request::routing_table::Routes;
use crate::request::upload::{self, Taken};
use crate::response::error_page::{self, Refused};
use crate::response::response_body::{Outgoing, Source};
use crate::response::tunnel::{Handover, Switched};
use crate::shared::access_entry::Journal;
use crate::shared::connection_state::Conn;
use crate::shared::stream_state::StreamState;
use exchange::headers;
use exchange::{
    AddForwardedHeaders, CutReader, DynoHandle, DynoRequest, Exchange, InterimSink, Kill, Reply,
    RequestBody, ResponseReader,
};
use grid::protocol::Refusal;
use http::response::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Serves one request: the answer is an app's, or a page that says why not.
///
/// What waits for nothing is done at once: the line of a request whose client has left before the future is polled is in
/// its app's log all the same. The HTTP layer moves the future about, so it is kept small: no level of it holds what
/// another has already, and what is seldom waited for is boxed.
pub(crate) fn serve<D: DynoHandle>(
    routes: &Routes<D>,
    conn: &Arc<Conn>,
    stream: Option<Arc<StreamState>>,
    request: Request<ClientBody>,
) -> impl Future<Output = Result<Response<Outgoing>, Infallible>> + Send + use<D> {
    let (mut head, body) = request.into_parts();
    let refused = conn.refused_head();
    let mut journal = Journal::open(conn.clone(), stream, &head);
    let version = head.version;
    let accept = head.headers.get(header::ACCEPT).cloned();
    let found = match refused {
        Some(reject) => {
            journal.mark_unread();
            Err(reject.into())
        }
        None => found(routes, &mut journal, &mut head),
    };
    async move {
        let result = match found {
            Ok(app) => attempt(&app, &mut journal, &mut head, body).await,
            Err(refused) => Err(refused),
        };
        let (mut head, source) = result.unwrap_or_else(|why| {
            let (head, page) = error_page::refuse(why, accept.as_ref(), &mut journal, version);
            (head, Source::Whole(page, None))
        });
        let id = journal.record().request_id.clone();
        head.headers.insert(headers::REQUEST_ID, id);
        if version == Version::HTTP_10 {
            end_with_connection(&mut head, matches!(source, Source::Live(_)));
        }
        let body = outgoing(source, journal);
        Ok(Response::from_parts(head, body))
    }
}

/// Has the HTTP layer close the connection of an HTTP/1.0 client that wanted to keep it: where the end of the
/// connection is the end of the body, or where the response itself says so.
fn end_with_connection(head: &mut Parts, is_stream: bool) {
    let is_length_unknown = is_stream && !head.headers.contains_key(header::CONTENT_LENGTH);
    if is_length_unknown || head.headers.contains_key(header::CONNECTION) {
        head.version = Version::HTTP_10;
    }
}

/// The app that is asked, unless the request is none.
fn found<D: DynoHandle>(
    routes: &Routes<D>,
    journal: &mut Journal,
    head: &mut http::request::Parts,
) -> Result<Arc<App<D>>, Refused> {
    let absolute = head.version != Version::HTTP_2 && head.uri.authority().is_some();
    admission::admit(head, &journal.conn.hub.limits)?;
    if absolute {
        journal.note_target(head);
    }
    let host = admission::asked_host(&head.headers);
    let app = routes.find(host).ok_or(Refused::NoSuchApp)?;
    if head.version == Version::HTTP_10 {
        admission::name_host(&mut head.headers, &journal.conn.port);
    }
    journal.of(&app.name, &app.tally);
    Ok(app)
}

/// The response's body, with the log line that its end writes.
fn outgoing(source: Source, mut journal: Journal) -> Outgoing {
    if !matches!(source, Source::Whole(..)) {
        journal.detach();
    }
    let stream = journal.stream.clone();
    match source {
        Source::Switched(Some(handover)) => {
            let conn = journal.conn.clone();
            let handover = *handover;
            conn.switch(Switched { handover, journal });
            Outgoing::new(Source::Switched(None), None, stream)
        }
        source => {
            if let Source::Live(reader) = &source {
                reader.set_cut_reader(Arc::new(Stalled(journal.conn.clone(), stream.clone())));
            }
            Outgoing::new(source, Some(journal), stream)
        }
    }
}

/// What ends a client that reads too slowly: its stream, or its connection.
#[derive(Debug)]
struct Stalled(Arc<Conn>, Option<Arc<StreamState>>);

impl CutReader for Stalled {
    fn cut(&self) {
        match &self.1 {
            Some(stream) => stream.stall(),
            None => {
                self.0.mark(&self.0.stalled);
                self.0.wake();
            }
        }
    }
}

/// Has an app answer the request, of which `head` is taken.
async fn attempt<D: DynoHandle>(
    app: &Arc<App<D>>,
    journal: &mut Journal,
    head: &mut http::request::Parts,
    body: ClientBody,
) -> Result<(Parts, Source), Refused> {
    let (switch, body, arrived) = if body.is_end_stream() {
        drop(body);
        (Switch::asked(head), Taken::none(), journal.opened)
    } else {
        // Not of an app that will refuse the request anyway.
        app.admit()?;
        let body = Box::pin(upload::read(body, &journal.conn.uploads)).await?;
        (None, body, Instant::now())
    };
    let claim = turn(app, journal, arrived).await?;
    if claim.dyno.can_switch_protocols() {
        return Box::pin(serve_server(
            app, journal, arrived, claim, head, body, switch,
        ))
        .await;
    }
    let begun = Begun::new(app, journal, arrived, claim, take(head), body, None);
    answer_of(app, journal, arrived, begun, None).await
}

/// A server dyno may turn out to be unreachable: then nothing of the request was sent, and another has it.
async fn serve_server<D: DynoHandle>(
    app: &Arc<App<D>>,
    journal: &mut Journal,
    arrived: Instant,
    mut claim: Claim<D>,
    head: &mut http::request::Parts,
    mut body: Taken,
    switch: Option<Switch>,
) -> Result<(Parts, Source), Refused> {
    for _ in 0..RETRIES_MAX {
        let Some(again) = body.copy() else { break };
        let copy = copy(head);
        let begun = Begun::new(app, journal, arrived, claim, copy, body, switch.as_ref());
        match answer_of(app, journal, arrived, begun, switch.clone()).await {
            Err(Refused::Code(code)) if code.is_retryable() => body = again,
            done => return done,
        }
        claim = turn(app, journal, arrived).await?;
    }
    let head = take(head);
    let begun = Begun::new(app, journal, arrived, claim, head, body, switch.as_ref());
    answer_of(app, journal, arrived, begun, switch).await
}

/// A request that is with a dyno. Apart from the waiting for its answer, so that a request which waits holds nothing of
/// what it was made of.
struct Begun<D: DynoHandle> {
    driver: Driver<D>,
    reader: ResponseReader,
    at: Instant,
    /// The dyno is a server.
    serves: bool,
}

impl<D: DynoHandle> Begun<D> {
    fn new(
        app: &Arc<App<D>>,
        journal: &mut Journal,
        arrived: Instant,
        claim: Claim<D>,
        head: http::request::Parts,
        body: Taken,
        switch: Option<&Switch>,
    ) -> Begun<D> {
        let at = journal.begin_service(arrived);
        journal.record().dyno = Some(claim.dyno.key().dyno.clone());
        let serves = claim.dyno.can_switch_protocols();
        let exchange = Exchange::new(journal.conn.buffers.clone());
        let reader = ResponseReader::new(exchange.clone());
        let mut reply = Reply::new(exchange.clone(), head.method == Method::HEAD);
        if serves && let Some(sink) = interim_sink(journal, head.version) {
            reply = reply.with_interim_sink(sink);
        }
        let mut asked = asked(head, journal, body.into_body(&exchange));
        if let Some(switch) = switch {
            let mut request = asked.into_request();
            headers::set_protocol_switch(request.headers_mut(), switch.protocol.clone());
            asked = DynoRequest::from(request);
        }
        let call = claim.dyno.call(asked, reply);
        let driver = Driver::new(call, app.clone(), claim.epoch, exchange);
        Begun {
            driver,
            reader,
            at,
            serves,
        }
    }
}

/// How interim responses reach the client, if it takes them: HTTP/1.0 knows none (RFC 9110, 15.2).
fn interim_sink(journal: &Journal, version: Version) -> Option<Arc<dyn InterimSink>> {
    match &journal.stream {
        Some(stream) => Some(stream.clone()),
        None if version == Version::HTTP_10 => None,
        None => Some(journal.conn.clone()),
    }
}

/// Waits for one dyno's answer.
async fn answer_of<D: DynoHandle>(
    app: &Arc<App<D>>,
    journal: &mut Journal,
    arrived: Instant,
    begun: Begun<D>,
    switch: Option<Switch>,
) -> Result<(Parts, Source), Refused> {
    let Begun {
        driver,
        reader,
        at,
        serves,
    } = begun;
    driver.start(&journal.conn.hub).await;
    // The usual case needs no timer.
    let head = match poll_fn(|cx| Poll::Ready(reader.poll_head(cx))).await {
        Poll::Ready(head) => head,
        Poll::Pending => Box::pin(first_byte(&reader, at, app.due(arrived))).await,
    };
    if serves {
        journal.record().connect = reader.connect_time();
    }
    let head = head.map_err(|refusal| {
        journal.record().cause = reader.cause();
        blame(refusal, &journal.conn)
    })?;
    journal.record().status = head.status.as_u16();
    if head.status == StatusCode::SWITCHING_PROTOCOLS
        && let Some(server) = reader.take_tunnel()
    {
        // A dyno switches only when it was asked to.
        let switch = switch.ok_or(Refusal::BadResponse)?;
        let handover = Handover {
            server,
            client: switch.client,
            reader,
        };
        return Ok((head, Source::Switched(Some(Box::new(handover)))));
    }
    let source = match reader.take_whole() {
        Some((whole, _)) if whole.is_empty() && announces(&head, journal) => Source::Announced,
        Some((whole, share)) => Source::Whole(whole, share),
        None => Source::Live(reader),
    };
    Ok((head, source))
}

/// Whether a 304 over HTTP/1 says how long the response would be that the client has already (RFC 9110, 15.4.5). The
/// HTTP/1 layer leaves a length alone for a `HEAD` only; over HTTP/2 it passes in any case.
fn announces(head: &Parts, journal: &Journal) -> bool {
    head.status == StatusCode::NOT_MODIFIED
        && head.headers.contains_key(header::CONTENT_LENGTH)
        && journal.recorded().version != Version::HTTP_2
}

/// A client's wish to switch protocols.
#[derive(Clone)]
struct Switch {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Switch {
    fn asked(head: &mut http::request::Parts) -> Option<Switch> {
        let protocol = headers::requested_protocol(&head.headers)?;
        // HTTP/2 has none.
        let client = head.extensions.remove()?;
        Some(Switch { protocol, client })
    }
}

/// The head, of which nothing is left behind.
fn take(head: &mut http::request::Parts) -> http::request::Parts {
    let (nothing, ()) = Request::new(()).into_parts();
    std::mem::replace(head, nothing)
}

/// The head for another dyno.
fn copy(head: &http::request::Parts) -> http::request::Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = head.method.clone();
    copy.uri = head.uri.clone();
    copy.version = head.version;
    copy.headers = head.headers.clone();
    copy
}

/// Takes a free dyno, or waits for one.
async fn turn<D: DynoHandle>(
    app: &Arc<App<D>>,
    journal: &mut Journal,
    arrived: Instant,
) -> Result<Claim<D>, Refusal> {
    let ticket = match app.take() {
        Turn::Now(claim) => return Ok(claim),
        Turn::Refused(refusal) => return Err(refusal),
        Turn::Wait(ticket) => ticket,
    };
    journal.record().queue = ticket.depth;
    journal.begin_wait(arrived);
    let grant = Box::pin(wait(app, ticket, arrived)).await;
    journal.end_wait();
    grant
}

async fn wait<D: DynoHandle>(
    app: &App<D>,
    mut ticket: Ticket<D>,
    arrived: Instant,
) -> Result<Claim<D>, Refusal> {
    loop {
        let patience = app.patience(arrived);
        let now = Instant::now();
        if now >= patience.due {
            return Err(patience.refusal);
        }
        // Looked at again now and then: the app may have come up, or gone down, in the meantime.
        let look = patience.due.min(now + patience.window);
        if let Ok(grant) = timeout_at(look, ticket.granted()).await {
            return grant;
        }
    }
}

/// The request, and what its app is told besides.
fn asked(mut head: http::request::Parts, journal: &Journal, body: RequestBody) -> DynoRequest {
    let (conn, record) = (&journal.conn, journal.recorded());
    let forwarded_headers = AddForwardedHeaders {
        addresses: record.fwd.clone(),
        from_trusted_proxy: conn.trusted,
        port: journal.port.as_ref().unwrap_or(&conn.port).clone(),
        tls: record.tls,
        version: head.version,
        request_id: record.request_id.clone(),
        arrived: journal.came,
        queue_wait: record.wait,
        queue_depth: record.queue,
    };
    head.extensions.clear();
    DynoRequest {
        request: Request::from_parts(head, body),
        forwarded_headers: Some(forwarded_headers),
    }
}

/// Waits for the head of the response, until it is due, and for longer if an upload has the time.
async fn first_byte(
    exchange: &Arc<Exchange>,
    began: Instant,
    (mut due, window): (Instant, Duration),
) -> Result<Parts, Refusal> {
    loop {
        if let Ok(head) = timeout_at(due, poll_fn(|cx| exchange.poll_head(cx))).await {
            return head;
        }
        let upload = exchange.upload();
        if !upload.is_open || !upload.guest_waits {
            exchange.abort(Refusal::RequestTimeout, Kill::Timeout);
            return Err(Refusal::RequestTimeout);
        }
        // The guest cannot answer what it has not got: either the client is too slow, or there is time.
        if upload.received_bytes / began.elapsed().as_secs().max(1) < UPLOAD_RATE_MIN {
            exchange.fail(Refusal::ClientIdle);
            return Err(Refusal::ClientIdle);
        }
        due = Instant::now() + window;
    }
}

/// A body that breaks off is a hang-up, unless it broke the rules.
fn blame(refusal: Refusal, conn: &Conn) -> Refused {
    if refusal == Refusal::ClientInterrupted && conn.violation().is_some() {
        return upload::BROKEN.into();
    }
    refusal.into()
}
