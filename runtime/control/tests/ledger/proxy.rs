//! A TCP proxy that loses or delays what goes through it.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Pause between two attempts of a test.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// What happens to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyMode {
    /// All bytes pass.
    Pass,
    /// What the server sends gets lost.
    DropAnswers,
    /// What the client sends gets lost.
    DropRequests,
    /// What the client sends waits until the mode is [`ProxyMode::Pass`].
    HoldRequests,
}

pub(crate) struct Proxy {
    port: u16,
    mode: watch::Sender<ProxyMode>,
    cuts: Arc<watch::Sender<u64>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy for a port of this machine.
    pub(crate) async fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (mode, modes) = watch::channel(ProxyMode::Pass);
        let cuts = Arc::new(watch::channel(0).0);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, to, modes, Arc::clone(&cuts)));
        Proxy {
            port,
            mode,
            cuts,
            _accepting: accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set_mode(&self, mode: ProxyMode) {
        self.mode.send_replace(mode);
    }

    /// Closes all connections. Later ones are not affected.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }
}

async fn accept(
    listener: TcpListener,
    to: u16,
    modes: watch::Receiver<ProxyMode>,
    cuts: Arc<watch::Sender<u64>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let modes = modes.clone();
        let mut cuts = cuts.subscribe();
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = pass_requests(from_client, to_server, modes.clone()) => {}
                () = pass_answers(from_server, to_client, modes) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn pass_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<ProxyMode>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let held = modes.wait_for(|mode| *mode != ProxyMode::HoldRequests);
        let Ok(mode) = held.await.map(|mode| *mode) else {
            return;
        };
        if mode != ProxyMode::DropRequests && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    modes: watch::Receiver<ProxyMode>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mode = *modes.borrow();
        if mode != ProxyMode::DropAnswers && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
