//! A web app on `wstd` with its default features and Cargo's default profile, as its users write one.

use std::{env, fs, io};

use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/") => Ok(Response::new("hello from wstd\n".into())),
        (&Method::POST, "/echo") => Ok(Response::new(request.into_body())),
        (&Method::GET, "/file") => Ok(Response::new(round_trip("written by wstd\n")?.into())),
        (&Method::GET, path) => match path.strip_prefix("/env/").map(env::var) {
            Some(Ok(value)) => Ok(Response::new(value.into())),
            _ => not_found(),
        },
        _ => not_found(),
    }
}

fn not_found() -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(StatusCode::NOT_FOUND)
        .body("not found\n".into())?)
}

/// Writes a file in `./tmp` and reads it back.
fn round_trip(text: &str) -> io::Result<String> {
    fs::write("./tmp/wstd.txt", text)?;
    fs::read_to_string("/tmp/wstd.txt")
}
