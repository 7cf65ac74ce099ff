//! A TCP proxy between two nodes, which breaks connections or lets them hang.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// When a connection breaks by itself.
#[derive(Clone, Copy)]
pub(crate) enum Breaks {
    Never,
    /// After a number of bytes that differs from connection to connection, up to this many.
    AfterBytes(u64),
}

#[derive(Default)]
struct ProxyState {
    frozen: AtomicBool,
    thawed: Notify,
    connection_count: AtomicU64,
}

/// Ends with the value.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<ProxyState>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr, breaks: Breaks) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(ProxyState::default());
        let mut task = JoinSet::new();
        task.spawn(accept(listener, target, breaks, Arc::clone(&state)));
        Proxy {
            address,
            state,
            _task: task,
        }
    }

    /// Passes nothing on, and breaks nothing.
    pub(crate) fn freeze(&self) {
        self.state.frozen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn thaw(&self) {
        self.state.frozen.store(false, Ordering::SeqCst);
        self.state.thawed.notify_waiters();
    }

    pub(crate) fn connection_count(&self) -> u64 {
        self.state.connection_count.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, breaks: Breaks, state: Arc<ProxyState>) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.expect("accepts");
        let count = state.connection_count.fetch_add(1, Ordering::SeqCst);
        let budget = match breaks {
            Breaks::Never => u64::MAX,
            // A step through the range that no short period repeats.
            Breaks::AfterBytes(most) => 500 + (count * 7919) % most,
        };
        let budget = Arc::new(AtomicU64::new(budget));
        connections.spawn(forward(near, target, budget, Arc::clone(&state)));
    }
}

async fn forward(
    near: TcpStream,
    target: SocketAddr,
    budget: Arc<AtomicU64>,
    state: Arc<ProxyState>,
) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = copy(near_read, far_write, &budget, &state) => {}
        () = copy(far_read, near_write, &budget, &state) => {}
    }
}

/// Copies until the connection's bytes are used up: the last piece is cut off anywhere.
async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    budget: &AtomicU64,
    state: &ProxyState,
) {
    let mut buffer = [0; 1500];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        loop {
            let thawed = state.thawed.notified();
            if !state.frozen.load(Ordering::SeqCst) {
                break;
            }
            thawed.await;
        }
        let left = budget.load(Ordering::SeqCst);
        let passed = usize::try_from(left).unwrap_or(usize::MAX).min(count);
        budget.fetch_sub(passed as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..passed]).await.is_err() || passed < count {
            return;
        }
    }
}
