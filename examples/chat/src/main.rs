//! A chat room: a server that listens on `$PORT`.
//!
//! The platform gives a dyno one request at a time, and a WebSocket is one long request. So this program serves one
//! connection after the other, and gets the lines of people in other dynos through Redis.

mod room;
mod talk;

use std::convert::Infallible;
use std::net::TcpListener;
use std::{env, io};

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio_util::task::TaskTracker;

fn main() -> io::Result<()> {
    let port: u16 = env::var("PORT")
        .map_err(|_| io::Error::other("PORT is not set"))?
        .parse()
        .map_err(|_| io::Error::other("PORT is not a port"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("listening on port {port}");
    let Err(error) = serve(&runtime, &listener);
    Err(error)
}

/// One connection after the other, each to its end.
fn serve(runtime: &tokio::runtime::Runtime, listener: &TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        // A WebSocket continues after its HTTP connection has ended.
        let talks = TaskTracker::new();
        runtime.block_on(async {
            let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream)?);
            let app = TowerToHyperService::new(app(talks.clone()));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(stream, app);
            if let Err(error) = connection.with_upgrades().await {
                eprintln!("connection: {error}");
            }
            talks.close();
            talks.wait().await;
            io::Result::Ok(())
        })?;
    }
}

fn app(talks: TaskTracker) -> Router {
    Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/talk", get(talk::upgrade))
        .with_state(talks)
}
