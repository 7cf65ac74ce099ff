//! Two counters, one in memory and one in a file, and the name of the dyno that holds them.
//!
//! A dyno serves one request at a time, so neither counter needs a lock. Both belong to one dyno: with
//! `web=2` there are two of each, and a restart begins at zero. Keep state that must last, or that dynos
//! must share, in a database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, io};

use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// `./tmp` is writable, private to the dyno and empty when it boots.
const FILE: &str = "./tmp/count";

static IN_MEMORY: AtomicU64 = AtomicU64::new(0);

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => show(),
        (&Method::POST, "/") => add(),
        _ => Ok(Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body("Try GET or POST on /\n".into())?),
    }
}

fn show() -> Result<Response<Body>, Error> {
    let dyno = env::var("DYNO").unwrap_or_else(|_| "this process".to_owned());
    let memory = IN_MEMORY.load(Ordering::Relaxed);
    let file = in_file()?;
    Ok(Response::new(
        format!("{dyno}: {memory} in memory, {file} in {FILE}\n").into(),
    ))
}

fn add() -> Result<Response<Body>, Error> {
    IN_MEMORY.fetch_add(1, Ordering::Relaxed);
    fs::write(FILE, (in_file()? + 1).to_string())?;
    show()
}

/// The count in the file; zero if there is no file yet.
fn in_file() -> io::Result<u64> {
    match fs::read_to_string(FILE) {
        Ok(text) => text.trim().parse().map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
