//! A WASI 0.3 service on `wasip3` with the usual `http` types, as its users write one: a library, not a program.

use std::{env, fs, io};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{IncomingRequestBody, http_from_wasi_request, http_into_wasi_response};

type Body = Either<Full<Bytes>, IncomingRequestBody>;

struct Service;

wasip3::http::service::export!(Service);

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let request = http_from_wasi_request(request)?;
        http_into_wasi_response(serve(request))
    }
}

fn serve(request: Request<IncomingRequestBody>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/") => text("hello from WASI 0.3\n".to_owned()),
        (&Method::POST, "/echo") => Response::new(Either::Right(request.into_body())),
        (&Method::GET, "/file") => match round_trip("written by WASI 0.3\n") {
            Ok(back) => text(back),
            Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        (&Method::GET, path) => match path.strip_prefix("/env/").map(env::var) {
            Some(Ok(value)) => text(value),
            _ => failed(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        },
        _ => failed(StatusCode::NOT_FOUND, "not found\n".to_owned()),
    }
}

fn text(body: String) -> Response<Body> {
    Response::new(Either::Left(Full::from(body)))
}

fn failed(status: StatusCode, why: String) -> Response<Body> {
    let mut response = text(why);
    *response.status_mut() = status;
    response
}

/// Writes a file in `./tmp` and reads it back.
fn round_trip(text: &str) -> io::Result<String> {
    fs::write("./tmp/p3.txt", text)?;
    fs::read_to_string("/tmp/p3.txt")
}
