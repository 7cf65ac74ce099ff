//! A form, a greeting and a guest book in `./tmp`: most of the crate in one small app.
//!
//! `cargo build --release --example greeting --target wasm32-wasip2` makes the component.

use std::fs;

use dyno_sdk::{Body, Dyno, Error, Method, Request, RequestExt, Response};
use dyno_sdk::{config, escape, folder, reply};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Visitor {
    name: String,
}

#[derive(Serialize)]
struct Status {
    dyno: String,
    app: Option<String>,
    visitors: usize,
}

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    dyno_sdk::serve(request, app).await
}

async fn app(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => reply::html(page()?),
        (&Method::POST, "/") => {
            let visitor: Visitor = request.form().await?;
            let line = visitor.name.replace(['\r', '\n'], " ");
            fs::write(folder::tmp("visitors"), visitors() + &line + "\n")?;
            reply::redirect("/")
        }
        (&Method::GET, "/status") => {
            let dyno = Dyno::current();
            reply::json(&Status {
                dyno: dyno.to_string(),
                app: dyno.app,
                visitors: visitors().lines().count(),
            })
        }
        _ => reply::not_found(),
    }
}

fn page() -> Result<String, Error> {
    let greeting: String = config::or("GREETING", "Hello".to_owned())?;
    let names: String = visitors()
        .lines()
        .map(|name| format!("<li>{}</li>", escape(name)))
        .collect();
    Ok(format!(
        "<!doctype html><title>Guest book</title><h1>{} from {}</h1><ul>{names}</ul>\
         <form method=post><input name=name><button>Sign</button></form>\n",
        escape(&greeting),
        Dyno::current(),
    ))
}

fn visitors() -> String {
    fs::read_to_string(folder::tmp("visitors")).unwrap_or_default()
}
