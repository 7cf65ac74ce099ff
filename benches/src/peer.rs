//! The peer: one page served by plain hyper, with nothing around it. What the sockets and HTTP cost.
//!
//! Runs in a process of its own: this program, called with a hidden subcommand.

use std::convert::Infallible;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, body::Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::args::PeerHyper;

/// The name of the hidden subcommand.
const SUBCOMMAND: &str = "__peer-hyper";

/// The command that serves `body` on `port`.
pub(crate) fn command(port: u16, body: &Path, content_type: &str) -> Result<std::process::Command> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = std::process::Command::new(program);
    command
        .arg(SUBCOMMAND)
        .args(["--port", &port.to_string()])
        .arg("--body")
        .arg(body)
        .args(["--content-type", content_type]);
    Ok(command)
}

/// Serves until it is killed, on as many threads as the machine has cores.
pub(crate) fn serve(args: &PeerHyper) -> Result<()> {
    let body = std::fs::read(&args.body)
        .with_context(|| format!("cannot read {}", args.body.display()))?;
    let page = Page {
        body: body.into(),
        content_type: HeaderValue::from_str(&args.content_type)
            .context("the content type is no header value")?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", args.port))
            .await
            .with_context(|| format!("cannot listen on port {}", args.port))?;
        loop {
            let (stream, _) = listener.accept().await.context("cannot accept")?;
            // Not kept: they end with the process, which is killed.
            tokio::spawn(connection(stream, page.clone()));
        }
    })
}

#[derive(Clone)]
struct Page {
    body: Bytes,
    content_type: HeaderValue,
}

async fn connection(stream: TcpStream, page: Page) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|_: hyper::Request<Incoming>| {
        let mut response = Response::new(Full::new(page.body.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, page.content_type.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away is no news.
    let _ = served.await;
}
