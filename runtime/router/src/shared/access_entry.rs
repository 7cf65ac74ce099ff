//! The log line of a request while the request is under way.
//!
//! Owns when a line is written, once, whatever becomes of the request: when this value is dropped, which is when
//! the last byte was handed on or the client is gone. Must not know how a line is written.

use crate::connection::http1::unread_method;
use crate::log::access_log::Record;
use crate::log::request_id;
use crate::log::statistics::Tally;
use crate::request::forwarded::{self, ForwardedClient};
use crate::shared::connection_state::Conn;
use crate::shared::stream_state::StreamState;
use bytes::Bytes;
use exchange::headers;
use grid::name::AppName;
use grid::protocol::Refusal;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, header};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// For so long the two clocks are taken to go alike.
const CLOCKS_AGREE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) conn: Arc<Conn>,
    record: Box<Record>,
    /// The port that the client connected to, unless it is the connection's own.
    pub(crate) port: Option<HeaderValue>,
    /// When the head was read, by the wall clock.
    pub(crate) came: SystemTime,
    /// The same by the clock that never jumps.
    pub(crate) opened: Instant,
    /// The stream of an HTTP/2 request.
    pub(crate) stream: Option<Arc<StreamState>>,
    /// Set while it waits for a dyno.
    waiting: Option<Instant>,
    began: Option<Instant>,
    /// Neither has it waited, nor has a dyno had it.
    fresh: bool,
    /// The outcome is known.
    settled: bool,
    /// The app's counters, once the app is known.
    tally: Option<Arc<Tally>>,
}

impl Journal {
    /// Opens the line of a request, with its id.
    pub(crate) fn open(conn: Arc<Conn>, stream: Option<Arc<StreamState>>, head: &Parts) -> Self {
        let number = conn.begin();
        let own = head.headers.get(headers::REQUEST_ID);
        let request_id = match own.filter(|id| request_id::is_sane(id)) {
            Some(id) => id.clone(),
            None => conn.hub.ids.make(conn.id, number),
        };
        let authority = || HeaderValue::from_str(head.uri.authority()?.as_str()).ok();
        let host = head.headers.get(header::HOST);
        let client = client_of(&conn, head);
        let (came, opened) = (SystemTime::now(), Instant::now());
        let record = Record {
            at: came,
            app: None,
            code: None,
            cause: None,
            method: head.method.clone(),
            path: head.uri.path_and_query().cloned(),
            host: host.cloned().or_else(authority),
            request_id,
            fwd: client.addresses,
            dyno: None,
            queue: 0,
            wait: Duration::ZERO,
            connect: Duration::ZERO,
            service: Duration::ZERO,
            status: 0,
            bytes: 0,
            version: head.version,
            tls: client.tls,
        };
        Journal {
            conn,
            record: Box::new(record),
            port: client.port,
            stream,
            came,
            opened,
            waiting: None,
            began: None,
            fresh: true,
            settled: false,
            tally: None,
        }
    }

    /// Keeps nothing of what the connection read: a response that goes on would keep that memory for as long.
    pub(crate) fn detach(&mut self) {
        let own = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes());
        let record = &mut *self.record;
        if let Ok(id) = own(&record.request_id) {
            record.request_id = id;
        }
        record.host = record.host.as_ref().and_then(|host| own(host).ok());
        record.path = record.path.as_ref().and_then(|path| {
            let path = Bytes::copy_from_slice(path.as_str().as_bytes());
            PathAndQuery::from_maybe_shared(path).ok()
        });
    }

    /// The request stands for one whose head was not read.
    pub(crate) fn mark_unread(&mut self) {
        let record = self.record();
        record.method = unread_method();
        (record.host, record.path) = (None, None);
        self.conn.hub.counters.malformed.fetch_add(1, Relaxed);
    }

    /// Takes host and path of a target in absolute form, which win over `Host` (RFC 9112, 3.2.2).
    pub(crate) fn note_target(&mut self, head: &Parts) {
        let record = self.record();
        record.host = head.headers.get(header::HOST).cloned();
        record.path = head.uri.path_and_query().cloned();
    }

    /// The app is known.
    pub(crate) fn of(&mut self, app: &AppName, tally: &Arc<Tally>) {
        self.record().app = Some(app.clone());
        self.tally = Some(tally.clone());
    }

    pub(crate) fn record(&mut self) -> &mut Record {
        &mut self.record
    }

    pub(crate) fn recorded(&self) -> &Record {
        &self.record
    }

    /// The request waits, since then.
    pub(crate) fn begin_wait(&mut self, since: Instant) {
        self.waiting = Some(since);
        self.fresh = false;
    }

    /// It waits no more.
    pub(crate) fn end_wait(&mut self) {
        if let Some(since) = self.waiting.take() {
            self.record().wait = since.elapsed();
        }
    }

    /// A dyno has the request from now on, which is returned. One that `arrived` and found a dyno at once saves a look at
    /// the clock.
    pub(crate) fn begin_service(&mut self, arrived: Instant) -> Instant {
        let first = std::mem::take(&mut self.fresh);
        let began = if first { arrived } else { Instant::now() };
        self.began = Some(began);
        began
    }

    /// The request ends with this code, and this status in the log.
    pub(crate) fn refuse(&mut self, code: Refusal, status: u16) {
        let record = self.record();
        record.code = Some(code);
        record.status = status;
        self.settled = true;
    }

    /// The request is answered as the record says.
    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// What ended a request that nobody ended on purpose.
    fn interruption(&self) -> Refusal {
        if std::thread::panicking() {
            Refusal::Platform
        } else if self.conn.hub.is_forced() {
            Refusal::ForcedClose
        } else if self.conn.stalled.load(SeqCst) {
            Refusal::ClientIdle
        } else {
            Refusal::ClientInterrupted
        }
    }
}

/// The client of a request: the peer, unless a trusted proxy says more.
fn client_of(conn: &Conn, head: &Parts) -> ForwardedClient {
    let own = ForwardedClient {
        addresses: conn.client.clone(),
        tls: conn.tls,
        port: None,
    };
    match conn.trusted {
        true => forwarded::read_trusted(&head.headers, own),
        false => own,
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.settled {
            let code = self.interruption();
            self.refuse(code, code.status());
        }
        self.end_wait();
        let now = Instant::now();
        self.conn.end(now);
        let took = now - self.opened;
        // Shortly after, one clock tells the other; in a longer time the wall clock may have been set, or the machine have
        // slept.
        self.record.at = match took < CLOCKS_AGREE {
            true => self.came + took,
            false => SystemTime::now(),
        };
        self.record.service = self.began.map_or(Duration::ZERO, |began| now - began);
        if let Some(tally) = &self.tally {
            tally.count(self.record.status);
        }
        self.conn.hub.write(&self.record);
    }
}
