//! Streaming bodies, in and out: only one chunk of an upload is in memory at a time.
//!
//! `POST /upper` returns a text in capitals while it is still arriving. `POST /sha256` reads a body to its
//! end and answers with its length and digest. `GET /` is a page that sends a file to it.

use sha2::{Digest, Sha256};
use wstd::http::body::util::BodyExt;
use wstd::http::body::{Bytes, Frame};
use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok(Response::builder()
            .header("content-type", "text/html; charset=utf-8")
            .body(include_str!("page.html").into())?),
        (&Method::POST, "/upper") => upper(request.into_body()),
        (&Method::POST, "/sha256") => sha256(request.into_body()).await,
        _ => Ok(Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body("Try GET /, POST /upper or POST /sha256\n".into())?),
    }
}

/// A body that changes each chunk as it passes.
fn upper(body: Body) -> Result<Response<Body>, Error> {
    let capitals = |chunk: Bytes| Bytes::from(chunk.to_ascii_uppercase());
    let passing = body
        .into_boxed_body()
        .map_frame(move |frame: Frame<Bytes>| frame.map_data(capitals));
    Ok(Response::builder()
        .header("content-type", "text/plain; charset=utf-8")
        .body(Body::from_http_body(passing))?)
}

/// A loop that handles each chunk as it arrives.
async fn sha256(body: Body) -> Result<Response<Body>, Error> {
    let (mut body, mut digest, mut bytes) = (body.into_boxed_body(), Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        if let Some(chunk) = frame?.data_ref() {
            digest.update(chunk);
            bytes += chunk.len();
        }
    }
    let digest = digest.finalize();
    Ok(Response::new(format!("{digest:x} {bytes} bytes\n").into()))
}
