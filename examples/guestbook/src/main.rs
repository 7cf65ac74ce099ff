//! The web process: shows the entries, and accepts new ones.
//!
//! The page comes from memcached if it is there, else from PostgreSQL. A new entry is written to PostgreSQL, and the page in
//! memcached is deleted. Both connections stay open between requests: this program lives as long as its dyno.

use std::cell::RefCell;

use guestbook::cache::Cache;
use guestbook::database::{Database, Error as DatabaseError};
use guestbook::page::{Form, page};
use http_body_util::{BodyExt, Limited};
use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// Most bytes of a form.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// The name of the page in the cache. A new version of the page needs a new name.
const PAGE_KEY: &str = "page:2";

struct Services {
    database: Database,
    cache: Cache,
}

thread_local! {
    static SERVICES: RefCell<Option<Services>> = const { RefCell::new(None) };
}

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => answer(with(show)),
        (&Method::POST, "/") => {
            let body = request.into_body().into_boxed_body();
            let Ok(body) = Limited::new(body, FORM_BYTES_MAX).collect().await else {
                return html(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "That is too long.".to_owned(),
                );
            };
            let form = Form::read(&body.to_bytes());
            answer(with(|services| write(services, &form)))
        }
        (_, "/") => Ok(Response::builder()
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .header("allow", "GET, POST")
            .body(Body::empty())?),
        _ => html(StatusCode::NOT_FOUND, "There is nothing here.".to_owned()),
    }
}

type Answer = Result<Response<Body>, Error>;

fn with(
    work: impl FnOnce(&mut Services) -> Result<Answer, DatabaseError>,
) -> Result<Answer, DatabaseError> {
    SERVICES.with_borrow_mut(|services| {
        let services = match services {
            Some(services) => services,
            None => services.insert(Services {
                database: Database::new()
                    .map_err(|error| DatabaseError::Away(error.to_string()))?,
                cache: Cache::new(),
            }),
        };
        work(services)
    })
}

fn answer(outcome: Result<Answer, DatabaseError>) -> Answer {
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        let text = "The guest book cannot be read right now. Please try again in a moment.";
        html(StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
    })
}

fn show(services: &mut Services) -> Result<Answer, DatabaseError> {
    if let Some(page) = services.cache.get(PAGE_KEY) {
        return Ok(shown(page, "hit"));
    }
    let page = page(&services.database.newest()?, &Form::default());
    services.cache.set(PAGE_KEY, &page);
    Ok(shown(page, "miss"))
}

fn write(services: &mut Services, form: &Form) -> Result<Answer, DatabaseError> {
    if form.problem.is_some() {
        let page = page(&services.database.newest()?, form);
        return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, page));
    }
    services.database.add(&form.name, &form.message)?;
    services.cache.delete(PAGE_KEY);
    let back = Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header("location", "/");
    Ok(back.body(Body::empty()).map_err(Error::from))
}

fn shown(page: String, cache: &str) -> Answer {
    Ok(Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .header("x-cache", cache)
        .body(page.into())?)
}

fn html(status: StatusCode, text: String) -> Answer {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/html; charset=utf-8")
        .body(text.into())?)
}
