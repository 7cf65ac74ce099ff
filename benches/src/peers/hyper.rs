//! Plain hyper, with nothing around it: what the sockets, HTTP and the work itself cost.
//!
//! Runs in a process of its own: this program, called with a hidden subcommand.

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::PAGES;
use crate::args::HyperPeerArgs;
use crate::work::work;

/// The name of the hidden subcommand.
const SUBCOMMAND: &str = "__peer-hyper";
/// Longest body that is given back, in bytes.
const ECHO_BYTES_MAX: usize = 1024 * 1024;
/// Longest wait, in milliseconds.
const SLEEP_MILLIS_MAX: f64 = 60_000.0;

/// The command that serves the pages of a folder on `port`.
pub(super) fn command(port: u16, pages: &Path) -> Result<Command> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new(program);
    command
        .arg(SUBCOMMAND)
        .args(["--port", &port.to_string()])
        .arg("--pages")
        .arg(pages);
    Ok(command)
}

/// Serves until it is killed, on as many threads as it was given.
pub(crate) fn serve(args: &HyperPeerArgs) -> Result<()> {
    let [hello, body] = PAGES.map(|page| {
        let path = args.pages.join(page);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    });
    let pages = HyperPages {
        hello: hello?.into(),
        body: body?.into(),
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
            // The handle is not kept: the tasks end with the process, which is killed.
            tokio::spawn(connection(stream, pages.clone()));
        }
    })
}

#[derive(Clone)]
struct HyperPages {
    hello: Bytes,
    body: Bytes,
}

async fn connection(stream: TcpStream, pages: HyperPages) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer_request(request, pages.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away is no news.
    let _ = served.await;
}

async fn answer_request(
    request: Request<Incoming>,
    pages: HyperPages,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let content = match request.uri().path() {
        "/" => Some(pages.hello),
        "/body" => Some(pages.body),
        "/echo" => read_echo_body(request.into_body()).await,
        "/cpu" => number::<u32>(&query).map(|rounds| work(rounds).to_string().into()),
        "/sleep" => match number::<f64>(&query) {
            Some(millis) => Some(sleep(millis).await),
            None => None,
        },
        _ => None,
    };
    let status = match content {
        Some(_) => StatusCode::OK,
        None => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Full::new(content.unwrap_or_default()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

async fn read_echo_body(body: Incoming) -> Option<Bytes> {
    let whole = Limited::new(body, ECHO_BYTES_MAX).collect().await;
    whole.ok().map(http_body_util::Collected::to_bytes)
}

async fn sleep(millis: f64) -> Bytes {
    let seconds = millis.clamp(0.0, SLEEP_MILLIS_MAX) / 1e3;
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    Bytes::from_static(b"slept\n")
}

/// The value of the only pair of a query.
fn number<T: std::str::FromStr>(query: &str) -> Option<T> {
    query.split_once('=')?.1.parse().ok()
}
