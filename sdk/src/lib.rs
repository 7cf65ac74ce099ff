//! Conveniences for web apps that run as WASI HTTP components, on top of [`wstd`].
//!
//! No app needs this crate: it makes plain `wasi:http` more convenient, and an app that uses it runs on any host.
//! It contains no rules of the platform, and uses only standard interfaces.
//!
//! ```no_run
//! use dyno_sdk::{Body, Dyno, Error, Request, RequestExt, Response, escape, reply};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Greeting {
//!     #[serde(default)]
//!     name: String,
//! }
//!
//! #[wstd::http_server]
//! async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
//!     dyno_sdk::serve(request, app).await
//! }
//!
//! async fn app(request: Request<Body>) -> Result<Response<Body>, Error> {
//!     match request.uri().path() {
//!         "/" => {
//!             let greeting: Greeting = request.query()?; // a bad query is answered with 400
//!             let dyno = Dyno::current();
//!             reply::html(format!("<h1>Hello {} from {dyno}</h1>", escape(&greeting.name)))
//!         }
//!         _ => reply::not_found(),
//!     }
//! }
//! ```
//!
//! The attribute `#[wstd::http_server]` names the crate `wstd`, so an app lists both in its `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! dyno-sdk = { path = "…/sdk" }
//! wstd = "0.6"
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`serve`] | turns errors into responses, and adds a `content-length` where it is known |
//! | [`RequestExt`] | the query and the form as your own types; the router's headers |
//! | [`reply`] | responses in one call |
//! | [`config`] | environment variables as types, with errors that name the variable |
//! | [`folder`] | the two folders that a dyno may write to |
//! | [`Dyno`] | the name of this dyno (`web.1`), its app and its release |

pub mod config;
pub mod folder;
mod identity;
mod refused;
pub mod reply;
mod request;
mod router;
mod serve;

pub use html_escape::encode_quoted_attribute as escape_attribute;
pub use html_escape::encode_text as escape;
pub use wstd;
pub use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

pub use identity::Dyno;
pub use refused::Refused;
pub use request::{FORM_BYTES_MAX, RequestExt};
pub use router::Routing;
pub use serve::serve;
