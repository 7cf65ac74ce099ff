//! The web process: accepts jobs, and shows their results. The workers do the jobs.

use std::cell::RefCell;

use http_body_util::{BodyExt, Limited};
use jobs::factors::NUMBER_MAX;
use jobs::page::page;
use jobs::queue::Queue;
use redis::RedisResult;
use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// Most bytes of a form.
const FORM_BYTES_MAX: usize = 1024;

thread_local! {
    /// Kept between requests. A dyno serves one request at a time.
    static QUEUE: RefCell<Option<Queue>> = const { RefCell::new(None) };
}

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => show(StatusCode::OK, None),
        (&Method::POST, "/") => {
            let body = request.into_body().into_boxed_body();
            let Ok(body) = Limited::new(body, FORM_BYTES_MAX).collect().await else {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "That is too long.\n");
            };
            add(&body.to_bytes())
        }
        (_, "/") => text(StatusCode::METHOD_NOT_ALLOWED, "Try GET or POST.\n"),
        _ => text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
    }
}

fn add(form: &[u8]) -> Result<Response<Body>, Error> {
    let mut fields = form_urlencoded::parse(form);
    let number = fields.find(|(key, _)| key == "number");
    let number = number.and_then(|(_, value)| value.trim().parse().ok());
    let Some(number) = number.filter(|number| *number <= NUMBER_MAX) else {
        let why = format!("Please give a whole number from 0 to {NUMBER_MAX}.");
        return show(StatusCode::UNPROCESSABLE_ENTITY, Some(&why));
    };
    match ask(|queue| queue.add(number)) {
        Ok(Some(_)) => Ok(Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header("location", "/")
            .body(Body::empty())?),
        Ok(None) => show(
            StatusCode::SERVICE_UNAVAILABLE,
            Some("Too many jobs wait already."),
        ),
        Err(why) => away(&why),
    }
}

fn show(status: StatusCode, problem: Option<&str>) -> Result<Response<Body>, Error> {
    match ask(Queue::recent) {
        Ok(jobs) => Ok(Response::builder()
            .status(status)
            .header("content-type", "text/html; charset=utf-8")
            .body(page(&jobs, problem).into())?),
        Err(why) => away(&why),
    }
}

/// Runs a command in Redis. If the connection broke since the last request, it is tried once more on a new one.
fn ask<T>(work: impl Fn(&mut Queue) -> RedisResult<T>) -> Result<T, String> {
    QUEUE.with_borrow_mut(|kept| {
        if let Some(mut queue) = kept.take()
            && let Ok(done) = work(&mut queue)
        {
            *kept = Some(queue);
            return Ok(done);
        }
        let mut queue = Queue::connect()?;
        let done = work(&mut queue).map_err(|error| format!("Redis: {error}"))?;
        *kept = Some(queue);
        Ok(done)
    })
}

fn away(why: &str) -> Result<Response<Body>, Error> {
    eprintln!("{why}");
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "The queue cannot be reached right now. Please try again in a moment.\n",
    )
}

fn text(status: StatusCode, text: &'static str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(text.into())?)
}
