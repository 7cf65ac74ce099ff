//! Conveniences for web apps that run as WASI HTTP components, on top of [`wstd`].
//!
//! An app never needs this crate: it is plain `wasi:http` with the corners rounded off, and an app that uses
//! it runs on any host. It holds no policy of the platform's, and it opens no door that the standard
//! interfaces do not have.
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
//!             let greeting: Greeting = request.query()?; // a bad query becomes a 400 by itself
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
//! | [`serve`] | errors to responses, and a `content-length` where it is known |
//! | [`RequestExt`] | query and form as your own types; what the router says about a request |
//! | [`reply`] | responses in one call |
//! | [`config`] | environment variables as types, with errors that name the variable |
//! | [`folder`] | the two folders that a dyno may write to |
//! | [`Dyno`] | who we are: `web.1` of which app and release |

pub mod config;
pub mod folder;
mod identity;
pub mod reply;
mod request;
mod router;
mod serve;

pub use html_escape::encode_quoted_attribute as escape_attribute;
pub use html_escape::encode_text as escape;
pub use wstd;
pub use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

pub use identity::Dyno;
pub use request::{FORM_BYTES_MAX, RequestExt};
pub use router::Routing;
pub use serve::{Refused, serve};
