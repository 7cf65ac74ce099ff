//! An axum app on `$PORT`: `/` says hello, `/echo` returns the body, `/wait` answers after `?ms=` (50), and a
//! background task counts (`/count`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::{get, post};
use axum::serve::Listener;

/// Connections are accepted by the standard library, because Tokio's listener does not work on WASI 0.2.
struct Accepting(std::net::TcpListener);

impl Listener for Accepting {
    type Io = tokio::net::TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, from)) = self.0.accept()
                && stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = tokio::net::TcpStream::from_std(stream)
            {
                return (stream, from);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let app = Router::new()
        .route("/", get(|| async { "hello from axum\n" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/wait", get(wait))
        .route("/count", get(counted))
        .with_state(count);
    let port = std::env::var("PORT").expect("a server is told its port");
    let port = port.parse().expect("a number");
    let listener = std::net::TcpListener::bind(("0.0.0.0", port))?;
    listener.set_nonblocking(true)?;
    axum::serve(Accepting(listener), app).await
}

async fn wait(uri: Uri) -> &'static str {
    let asked = uri.query().and_then(|query| query.strip_prefix("ms="));
    let millis = asked.and_then(|millis| millis.parse().ok()).unwrap_or(50);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    "waited\n"
}

async fn counted(State(count): State<Arc<AtomicU32>>) -> String {
    count.load(Ordering::Relaxed).to_string()
}
