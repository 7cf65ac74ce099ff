//! A connection after it has switched protocols: bytes both ways, between the client and a server dyno.
//!
//! Owns the clock of a silent tunnel, its end, and its log line. Must not know what is spoken in it. It runs in the
//! connection's own task, and holds the dyno until it ends.

use crate::limits::{HANGUP_GRACE, SILENCE_TIMEOUT};
use crate::shared::access_entry::Journal;
use crate::shared::connection_state::Conn;
use exchange::{ResponseReader, Tunnel};
use grid::protocol::Refusal;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};

/// Bytes that are carried at a time, in each direction.
const CHUNK_BYTES: usize = 16 * 1024;

/// What is handed over with an answer that switches protocols.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) server: Box<dyn Tunnel>,
    pub(crate) client: OnUpgrade,
    pub(crate) reader: ResponseReader,
}

/// The same, with the log line of the request.
#[derive(Debug)]
pub(crate) struct Switched {
    pub(crate) handover: Handover,
    pub(crate) journal: Journal,
}

/// How a tunnel came to its end.
enum End {
    /// One side closed it.
    Closed,
    /// Nobody said anything for too long.
    Silent,
    /// The router stops.
    Forced,
}

/// When the last byte went either way.
struct Pulse {
    began: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    fn new() -> Pulse {
        Pulse {
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }

    fn beat(&self) {
        let passed = self.began.elapsed().as_millis();
        self.last_ms
            .store(u64::try_from(passed).unwrap_or(u64::MAX), Relaxed);
    }

    /// Ready when nothing has gone either way for too long.
    async fn stops(&self) {
        loop {
            let last = Duration::from_millis(self.last_ms.load(Relaxed));
            let due = self.began + last + SILENCE_TIMEOUT;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}

impl Switched {
    /// Carries bytes until one side closes, both are silent for too long, or the router stops.
    pub(crate) async fn run(self, conn: &Conn) {
        let Handover {
            server,
            client,
            reader,
        } = self.handover;
        let mut journal = self.journal;
        let Ok(client) = client.await else {
            // The client left before it had the answer: what the line says without a word.
            return reader.end_tunnel();
        };
        let bytes = AtomicU64::new(0);
        let end = {
            let tunnel = between(TokioIo::new(client), server, &bytes);
            let mut tunnel = pin!(tunnel);
            tokio::select! {
                end = &mut tunnel => end,
                () = conn.hub.forced() => End::Forced,
            }
        };
        // The server's side is gone with that; whatever the guest still does is afterwork.
        reader.end_tunnel();
        let status = journal.recorded().status;
        journal.record().bytes = bytes.load(Relaxed);
        match end {
            End::Closed => journal.settle(),
            End::Silent => journal.refuse(Refusal::IdleConnection, status),
            End::Forced => journal.refuse(Refusal::ForcedClose, status),
        }
    }
}

/// Carries bytes both ways; `bytes` counts those to the client.
async fn between(
    client: impl AsyncRead + AsyncWrite,
    server: Box<dyn Tunnel>,
    bytes: &AtomicU64,
) -> End {
    let pulse = Pulse::new();
    let uploaded = AtomicU64::new(0);
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let mut up = pin!(carry(from_client, to_server, &pulse, &uploaded));
    let mut down = pin!(carry(from_server, to_client, &pulse, bytes));
    // After one side's end the other has a moment for its last words.
    tokio::select! {
        _ = &mut up => drop(timeout(HANGUP_GRACE, &mut down).await),
        _ = &mut down => drop(timeout(HANGUP_GRACE, &mut up).await),
        () = pulse.stops() => return End::Silent,
    }
    End::Closed
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pulse: &Pulse,
    bytes: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let len = from.read(&mut chunk).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        pulse.beat();
        to.write_all(&chunk[..len]).await?;
        to.flush().await?;
        bytes.fetch_add(len as u64, Relaxed);
        pulse.beat();
    }
}
