//! A connection after it has switched protocols: bytes both ways, between the client and a server dyno.
//!
//! Owns the time limit for a silent tunnel, the end of a tunnel, and its log line. Must not know the protocol in the
//! tunnel. A tunnel runs in the connection's own task, and holds the dyno until it ends.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use exchange::{ResponseReader, Tunnel};
use grid::protocol::Refusal;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::limits::{HANGUP_GRACE, SILENCE_TIMEOUT};
use crate::shared::access_entry::AccessEntry;

/// Bytes that are carried at a time, in each direction.
const CHUNK_BYTES: usize = 16 * 1024;

/// The two sides of a connection that switches protocols.
#[derive(Debug)]
pub(crate) struct ProtocolSwitch {
    pub(crate) dyno: Box<dyn Tunnel>,
    pub(crate) client: OnUpgrade,
    pub(crate) reader: ResponseReader,
}

/// Why a tunnel ended.
enum TunnelEnd {
    /// One side closed it.
    Closed,
    /// Neither side sent anything for too long.
    Silent,
    /// The router stops.
    Forced,
}

/// When the last byte went either way.
struct LastActivity {
    began: Instant,
    millis_after: AtomicU64,
}

impl LastActivity {
    fn new() -> LastActivity {
        LastActivity {
            began: Instant::now(),
            millis_after: AtomicU64::new(0),
        }
    }

    fn set_now(&self) {
        let elapsed = self.began.elapsed().as_millis();
        self.millis_after
            .store(u64::try_from(elapsed).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns when nothing has gone either way for too long.
    async fn wait_for_silence(&self) {
        loop {
            let last = Duration::from_millis(self.millis_after.load(Relaxed));
            let deadline = self.began + last + SILENCE_TIMEOUT;
            if Instant::now() >= deadline {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// Carries bytes until one side closes, both are silent for too long, or the router stops. Then writes `entry`.
pub(crate) async fn run_tunnel(switch: ProtocolSwitch, mut entry: AccessEntry) {
    let ProtocolSwitch {
        dyno,
        client,
        reader,
    } = switch;
    let Ok(client) = client.await else {
        // The client left before it had the answer: the unsettled entry says so.
        return reader.end_tunnel();
    };
    let bytes = AtomicU64::new(0);
    let router = entry.connection.router.clone();
    let end = {
        let tunnel = carry_both_ways(TokioIo::new(client), dyno, &bytes);
        let mut tunnel = pin!(tunnel);
        tokio::select! {
            end = &mut tunnel => end,
            () = router.wait_until_forced() => TunnelEnd::Forced,
        }
    };
    // The dyno's side was dropped with `tunnel`: what the guest does now is work after its response.
    reader.end_tunnel();
    let status = entry.record().status;
    entry.record_mut().bytes = bytes.load(Relaxed);
    match end {
        TunnelEnd::Closed => entry.settle(),
        TunnelEnd::Silent => entry.settle_refused(Refusal::IdleConnection, status),
        TunnelEnd::Forced => entry.settle_refused(Refusal::ForcedClose, status),
    }
}

/// Carries bytes both ways; `bytes` counts those to the client.
async fn carry_both_ways(
    client: impl AsyncRead + AsyncWrite,
    dyno: Box<dyn Tunnel>,
    bytes: &AtomicU64,
) -> TunnelEnd {
    let activity = LastActivity::new();
    let uploaded = AtomicU64::new(0);
    let (from_client, to_client) = tokio::io::split(client);
    let (from_dyno, to_dyno) = tokio::io::split(dyno);
    let mut up = pin!(carry(from_client, to_dyno, &activity, &uploaded));
    let mut down = pin!(carry(from_dyno, to_client, &activity, bytes));
    // After one side has closed, the other has a moment for its last bytes.
    tokio::select! {
        _ = &mut up => drop(timeout(HANGUP_GRACE, &mut down).await),
        _ = &mut down => drop(timeout(HANGUP_GRACE, &mut up).await),
        () = activity.wait_for_silence() => return TunnelEnd::Silent,
    }
    TunnelEnd::Closed
}

/// Carries bytes one way, until `from` ends.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    activity: &LastActivity,
    bytes: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let len = from.read(&mut chunk).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        activity.set_now();
        to.write_all(&chunk[..len]).await?;
        to.flush().await?;
        bytes.fetch_add(len as u64, Relaxed);
        activity.set_now();
    }
}
