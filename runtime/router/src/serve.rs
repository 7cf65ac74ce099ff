//! The request function.
//!
//! Owns the order of things: check, find the app, read a small body, take a dyno or wait for one, run, answer.
//! Must not know bytes on the wire, framing, or what a dyno is.

use crate::answer::{self, Refused};
use crate::body::RequestBody;
use crate::client;
use crate::conn::Conn;
use crate::drive::Driver;
use crate::exchange::Exchange;
use crate::headers::{self, Told};
use crate::journal::Journal;
use crate::limits::UPLOAD_RATE_MIN;
use crate::outgoing::{Lead, Outgoing, Source};
use crate::reply::Reply;
use crate::seam::{Dyno, Kill};
use crate::streams::Pace;
use crate::table::Routes;
use crate::upload;
use crate::wait::{App, Claim, Ticket, Turn};
use grid::routing::Refusal;
use http::response::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Serves one request: the answer is an app's, or a page that says why not.
pub(crate) async fn serve<D: Dyno>(
    routes: &Routes<D>,
    conn: Arc<Conn>,
    pace: Option<Arc<Pace>>,
    request: Request<Incoming>,
) -> Response<Outgoing> {
    let (mut head, body) = request.into_parts();
    let mut journal = Journal::open(conn, &head);
    let asked = (
        head.version,
        head.headers.get(http::header::ACCEPT).cloned(),
    );
    let result = match client::admit(&mut head, &journal.conn.hub.limits) {
        Ok(()) => attempt(routes, &mut journal, head, body).await,
        Err(reject) => Err(reject.into()),
    };
    let (mut head, source) = result.unwrap_or_else(|why| {
        let (head, page) = answer::refuse(why, asked.1.as_ref(), &mut journal, asked.0);
        (head, Source::Whole(page, None))
    });
    let id = journal.record().request_id.clone();
    head.headers.insert(headers::REQUEST_ID, id);
    Response::from_parts(head, Outgoing::new(source, journal, pace))
}

/// Has an app answer the request.
async fn attempt<D: Dyno>(
    routes: &Routes<D>,
    journal: &mut Journal,
    head: http::request::Parts,
    body: Incoming,
) -> Result<(Parts, Source), Refused> {
    let host = client::asked_host(&head.headers);
    let app = routes.find(host).ok_or(Refused::NoSuchApp)?;
    journal.of(&app.name, &app.tally);
    let body = received(&app, body).await?;

    let arrived = Instant::now();
    let claim = turn(&app, journal, arrived).await?;
    let began = Instant::now();
    journal.begin_service(began);
    journal.record().dyno = Some(claim.dyno.key().dyno.clone());

    let exchange = Arc::new(Exchange::new(journal.conn.buffers.clone()));
    let lead = Lead(exchange.clone());
    let reply = Reply::new(exchange.clone(), head.method == Method::HEAD);
    let request = guest_request(head, journal, body.into_body(&exchange));
    let call = claim.dyno.call(request, reply);
    let driver = Driver::new(call, app.clone(), claim.epoch, exchange);
    driver.start(&journal.conn.hub).await;

    let head = first_byte(&lead.0, began, || app.due(arrived)).await;
    let head = head.map_err(|refusal| blame(refusal, &journal.conn))?;
    journal.record().status = head.status.as_u16();
    let source = match lead.0.take_whole() {
        Some((whole, share)) => Source::Whole(whole, share),
        None => Source::Live(lead),
    };
    Ok((head, source))
}

/// Reads the body, or its first part, unless the app will refuse the request anyway.
async fn received<D: Dyno>(app: &App<D>, body: Incoming) -> Result<upload::Taken, Refused> {
    if !body.is_end_stream() {
        app.admit()?;
    }
    upload::read(body).await
}

/// Takes a free dyno, or waits for one.
async fn turn<D: Dyno>(
    app: &Arc<App<D>>,
    journal: &mut Journal,
    arrived: Instant,
) -> Result<Claim<D>, Refusal> {
    match app.take() {
        Turn::Now(claim) => Ok(claim),
        Turn::Refused(refusal) => Err(refusal),
        Turn::Wait(ticket) => {
            journal.record().queue = ticket.depth;
            journal.begin_wait(arrived);
            let grant = wait(app, ticket, arrived).await;
            journal.end_wait();
            grant
        }
    }
}

async fn wait<D: Dyno>(
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

/// The request as the guest sees it.
fn guest_request(
    mut head: http::request::Parts,
    journal: &Journal,
    body: RequestBody,
) -> Request<RequestBody> {
    let came = journal.came;
    let (conn, record) = (&journal.conn, journal.recorded());
    let told = Told {
        client: &conn.client,
        port: &conn.port,
        tls: conn.tls,
        version: head.version,
        request_id: &record.request_id,
        arrived: came,
        wait: record.wait,
        depth: record.queue,
    };
    headers::inbound(&mut head.headers, &told);
    head.extensions.clear();
    Request::from_parts(head, body)
}

/// Waits for the head of the response, until it is `due`, and for longer if an upload has the time.
async fn first_byte(
    exchange: &Arc<Exchange>,
    began: Instant,
    due: impl FnOnce() -> (Instant, Duration),
) -> Result<Parts, Refusal> {
    // The usual case needs no timer.
    if let Poll::Ready(head) = poll_fn(|cx| Poll::Ready(exchange.poll_head(cx))).await {
        return head;
    }
    let (mut due, window) = due();
    loop {
        if let Ok(head) = timeout_at(due, poll_fn(|cx| exchange.poll_head(cx))).await {
            return head;
        }
        let upload = exchange.upload();
        if !upload.open || !upload.waiting {
            exchange.abort(Refusal::RequestTimeout, Kill::Timeout);
            return Err(Refusal::RequestTimeout);
        }
        // The guest cannot answer what it has not got: either the client is too slow, or there is time.
        if upload.bytes / began.elapsed().as_secs().max(1) < UPLOAD_RATE_MIN {
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
