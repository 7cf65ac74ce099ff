//! The component that serves a static site: one request in, one file out.
//!
//! Owns WASI: the site's list of files read once, requests, and files streamed in pieces. [`answer`] decides the
//! answers; it knows no WASI and is tested on any machine.

mod answer;
mod conditions;
mod range;
mod site;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;
use std::time::SystemTime;

use answer::{ResponseContent, SiteAnswer, answer};
use site::Site;
use wstd::http::{Body, Error, Request, Response, StatusCode};

/// The list of the site's files that the builder has made.
const SITE_LIST: &str = "/.dyno/site";
/// Bytes of a file that are in memory at a time.
const PIECE_BYTES: u64 = 64 << 10;

/// The site, read with the first request. `None` if the slug has no readable list of files.
fn site() -> Option<&'static Site> {
    static SITE: OnceLock<Option<Site>> = OnceLock::new();
    let read = || Site::parse(&std::fs::read_to_string(SITE_LIST).ok()?);
    SITE.get_or_init(read).as_ref()
}

/// When this instance answered its first request.
fn served_since() -> SystemTime {
    static SINCE: OnceLock<SystemTime> = OnceLock::new();
    *SINCE.get_or_init(SystemTime::now)
}

fn modified(file: &str) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let answered = match site() {
        Some(site) => answer(site, &request, &modified, served_since()),
        None => SiteAnswer::of_text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the site's list of files is missing\n",
        ),
    };
    Ok(into_response(answered))
}

fn into_response(answered: SiteAnswer) -> Response<Body> {
    let (mut response, content) = answered.into_parts();
    let body = match content {
        ResponseContent::Nothing => Ok(Body::empty()),
        ResponseContent::Text(text) => Ok(Body::from(text)),
        ResponseContent::File { path, from, bytes } => read_file(&path, from, bytes),
    };
    match body {
        Ok(body) => response.map(|()| body),
        // The list names a file that the slug does not hold.
        Err(_) => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().clear();
            response.map(|()| Body::from("not found\n"))
        }
    }
}

/// A part of a file as a body: at once if it is small, else piece by piece.
fn read_file(path: &str, from: u64, bytes: u64) -> io::Result<Body> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    if bytes <= PIECE_BYTES {
        return Ok(Body::from(read_piece(&mut file, bytes)?));
    }
    let pieces = futures_lite::stream::unfold((file, bytes), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = read_piece(&mut file, left.min(PIECE_BYTES));
        // An error ends the stream: the next state has nothing left.
        let left = piece.as_ref().map_or(0, |piece| left - piece.len() as u64);
        Some((piece, (file, left)))
    });
    Ok(Body::from_try_stream(pieces))
}

/// Exactly this many bytes: a file that is shorter than its list says breaks the response off.
fn read_piece(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(bytes as usize);
    file.take(bytes).read_to_end(&mut piece)?;
    if piece.len() as u64 == bytes {
        Ok(piece)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
