//! Reads a file that came with the app and renders it as a page.
//!
//! An app sees its own files at `/`, read-only, exactly as they were built. Their text is data: it is
//! escaped before it becomes HTML, like untrusted text.

use std::{fs, io};

use html_escape::encode_text;
use wstd::http::{Body, Error, Request, Response, StatusCode};

/// Fortunes, with a line of `%` between each two.
const FILE: &str = "fortunes.txt";

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match request.uri().path() {
        "/" => answer(StatusCode::OK, "text/html", page(&read()?)),
        "/random" => answer(StatusCode::OK, "text/plain", random(&read()?) + "\n"),
        _ => answer(
            StatusCode::NOT_FOUND,
            "text/plain",
            "Try / or /random\n".to_owned(),
        ),
    }
}

fn answer(status: StatusCode, kind: &str, body: String) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", format!("{kind}; charset=utf-8"))
        .body(body.into())?)
}

fn read() -> io::Result<Vec<String>> {
    let text = fs::read_to_string(FILE)?;
    let fortunes = text.split("\n%\n").map(|fortune| fortune.trim().to_owned());
    Ok(fortunes.filter(|fortune| !fortune.is_empty()).collect())
}

fn random(fortunes: &[String]) -> String {
    let mut bytes = [0; 8];
    wstd::rand::get_random_bytes(&mut bytes);
    let number = u64::from_le_bytes(bytes) % fortunes.len().max(1) as u64;
    fortunes.get(number as usize).cloned().unwrap_or_default()
}

fn page(fortunes: &[String]) -> String {
    let items: String = fortunes
        .iter()
        .map(|fortune| format!("  <li>{}</li>\n", encode_text(fortune)))
        .collect();
    include_str!("page.html").replace("{items}", &items)
}
