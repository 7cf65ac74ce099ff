//! The access-log entry of a request that is under way.
//!
//! Owns when the entry is written: once, when this value is dropped, whatever happened to the request. That is when the
//! last byte was handed on, or the client is gone. Must not know how a log line is written.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use exchange::headers::REQUEST_ID;
use grid::name::AppName;
use grid::protocol::Refusal;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, header};
use tokio::time::Instant;

use crate::log::access_log::{AccessRecord, unread_method};
use crate::log::request_id::is_valid_request_id;
use crate::log::statistics::StatusCounters;
use crate::shared::connection_state::{ClientOrigin, ConnectionState};
use crate::shared::stream_state::StreamState;

/// For this long, the wall clock and the monotonic clock are taken to run alike.
const CLOCKS_AGREE: Duration = Duration::from_secs(1);

/// A request from its head to its last byte, for the access log.
#[derive(Debug)]
pub(crate) struct AccessEntry {
    pub(crate) connection: Arc<ConnectionState>,
    record: Box<AccessRecord>,
    /// The port that the client connected to, unless it is the connection's own.
    pub(crate) port: Option<HeaderValue>,
    /// When the head was read, by the wall clock.
    pub(crate) arrived_at: SystemTime,
    /// When the head was read, by the monotonic clock.
    pub(crate) arrived: Instant,
    /// The stream of an HTTP/2 request.
    pub(crate) stream: Option<Arc<StreamState>>,
    /// Set while the request waits for a dyno.
    waiting_since: Option<Instant>,
    /// When a dyno got the request.
    service_began: Option<Instant>,
    /// The request has neither waited nor been with a dyno.
    is_fresh: bool,
    /// The outcome is known.
    is_settled: bool,
    /// The app's counters, once the app is known.
    app_counters: Option<Arc<StatusCounters>>,
}

impl AccessEntry {
    /// Opens the entry of a request, and gives the request its id.
    pub(crate) fn open(
        connection: Arc<ConnectionState>,
        stream: Option<Arc<StreamState>>,
        head: &Parts,
        origin: ClientOrigin,
    ) -> Self {
        let number = connection.begin_request();
        let client_id = head.headers.get(REQUEST_ID);
        let request_id = match client_id.filter(|id| is_valid_request_id(id)) {
            Some(id) => id.clone(),
            None => {
                let ids = &connection.router.request_ids;
                ids.create(connection.number, number)
            }
        };
        let authority = || HeaderValue::from_str(head.uri.authority()?.as_str()).ok();
        let host = head.headers.get(header::HOST);
        let (arrived_at, arrived) = (SystemTime::now(), Instant::now());
        let record = AccessRecord {
            at: arrived_at,
            app: None,
            code: None,
            cause: None,
            method: head.method.clone(),
            path: head.uri.path_and_query().cloned(),
            host: host.cloned().or_else(authority),
            request_id,
            fwd: origin.addresses,
            dyno: None,
            queue: 0,
            wait: Duration::ZERO,
            connect: Duration::ZERO,
            service: Duration::ZERO,
            status: 0,
            bytes: 0,
            version: head.version,
            tls: origin.tls,
        };
        AccessEntry {
            connection,
            record: Box::new(record),
            port: origin.port,
            stream,
            arrived_at,
            arrived,
            waiting_since: None,
            service_began: None,
            is_fresh: true,
            is_settled: false,
            app_counters: None,
        }
    }

    /// Copies what shares memory with the connection's read buffer: a long response would keep that memory for as long.
    pub(crate) fn detach_from_read_buffer(&mut self) {
        let copied = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes());
        let record = &mut *self.record;
        if let Ok(id) = copied(&record.request_id) {
            record.request_id = id;
        }
        record.host = record.host.as_ref().and_then(|host| copied(host).ok());
        record.path = record.path.as_ref().and_then(|path| {
            let path = Bytes::copy_from_slice(path.as_str().as_bytes());
            PathAndQuery::from_maybe_shared(path).ok()
        });
    }

    /// Marks the request as one that stands for a head which could not be read.
    pub(crate) fn mark_unread(&mut self) {
        let record = self.record_mut();
        record.method = unread_method();
        (record.host, record.path) = (None, None);
        let counters = &self.connection.router.counters;
        counters.malformed.fetch_add(1, Relaxed);
    }

    /// Takes host and path of a target in absolute form, which wins over `Host` (RFC 9112, 3.2.2).
    pub(crate) fn set_target(&mut self, head: &Parts) {
        let record = self.record_mut();
        record.host = head.headers.get(header::HOST).cloned();
        record.path = head.uri.path_and_query().cloned();
    }

    pub(crate) fn set_app(&mut self, app: &AppName, counters: &Arc<StatusCounters>) {
        self.record_mut().app = Some(app.clone());
        self.app_counters = Some(counters.clone());
    }

    pub(crate) fn record(&self) -> &AccessRecord {
        &self.record
    }

    pub(crate) fn record_mut(&mut self) -> &mut AccessRecord {
        &mut self.record
    }

    /// The request waits for a dyno, since `since`.
    pub(crate) fn begin_wait(&mut self, since: Instant) {
        self.waiting_since = Some(since);
        self.is_fresh = false;
    }

    /// The request does not wait any more.
    pub(crate) fn end_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.record_mut().wait = since.elapsed();
        }
    }

    /// A dyno has the request from now on. Returns now; a request that `arrived` and found a dyno at once does not read
    /// the clock again.
    pub(crate) fn begin_service(&mut self, arrived: Instant) -> Instant {
        let is_first = std::mem::take(&mut self.is_fresh);
        let began = if is_first { arrived } else { Instant::now() };
        self.service_began = Some(began);
        began
    }

    /// The request ends with this code, and this status in the log.
    pub(crate) fn settle_refused(&mut self, code: Refusal, status: u16) {
        let record = self.record_mut();
        record.code = Some(code);
        record.status = status;
        self.is_settled = true;
    }

    /// The request is answered as the record says.
    pub(crate) fn settle(&mut self) {
        self.is_settled = true;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Why a request ended whose outcome nobody settled.
    fn interruption(&self) -> Refusal {
        if std::thread::panicking() {
            Refusal::Platform
        } else if self.connection.router.is_forced() {
            Refusal::ForcedClose
        } else if self.connection.is_stalled() {
            Refusal::ClientIdle
        } else {
            Refusal::ClientInterrupted
        }
    }
}

impl Drop for AccessEntry {
    fn drop(&mut self) {
        if !self.is_settled {
            let code = self.interruption();
            self.settle_refused(code, code.status());
        }
        self.end_wait();
        let now = Instant::now();
        self.connection.end_request(now);
        let elapsed = now - self.arrived;
        // Over a short time, one clock gives the other. Over a longer time the wall clock may have been set, or the
        // machine may have slept.
        self.record.at = match elapsed < CLOCKS_AGREE {
            true => self.arrived_at + elapsed,
            false => SystemTime::now(),
        };
        self.record.service = self
            .service_began
            .map_or(Duration::ZERO, |began| now - began);
        if let Some(counters) = &self.app_counters {
            counters.count(self.record.status);
        }
        self.connection.router.log_request(&self.record);
    }
}
