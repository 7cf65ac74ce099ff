//! The query, the form and the router's headers of a request, as your own types. Forms have a size limit.

use serde::de::DeserializeOwned;
use wstd::http::body::HttpBody;
use wstd::http::{Body, BodyExt, Error, Request, StatusCode};

use crate::refused::Refused;
use crate::router::Routing;

/// Largest form that [`RequestExt::form`] reads, in bytes. Stream larger bodies instead.
pub const FORM_BYTES_MAX: usize = 1024 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// Convenient methods of a request.
pub trait RequestExt {
    /// The query string as a `T`. Keys that `T` does not name are ignored; repeated keys fill a `Vec`.
    ///
    /// # Errors
    /// If a value is missing or of the wrong type: a [`Refused`] with status 400, which [`crate::serve`] answers with.
    fn query<T: DeserializeOwned>(&self) -> Result<T, Error>;

    /// The body of a posted HTML form as a `T`, read to its end.
    ///
    /// # Errors
    /// If the body is not a form (415), is longer than [`FORM_BYTES_MAX`] (413), does not fit `T` (400), or breaks off.
    fn form<T: DeserializeOwned>(self) -> impl Future<Output = Result<T, Error>>;

    /// What the router says about this request in its headers.
    fn routing(&self) -> Routing;
}

impl RequestExt for Request<Body> {
    fn query<T: DeserializeOwned>(&self) -> Result<T, Error> {
        parse(self.uri().query().unwrap_or_default().as_bytes())
    }

    async fn form<T: DeserializeOwned>(self) -> Result<T, Error> {
        let kind = self.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !is_form(kind) {
            let what = format!("Expected {FORM}.");
            return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what).into());
        }
        parse(&read(self.into_body().into_boxed_body()).await?)
    }

    fn routing(&self) -> Routing {
        Routing::read(self.headers())
    }
}

fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(FORM)
}

fn parse<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, Error> {
    serde_html_form::from_bytes(encoded)
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string()).into())
}

/// Reads a whole body, up to the limit.
async fn read<B>(mut body: B) -> Result<Vec<u8>, Error>
where
    B: HttpBody<Error = Error> + Unpin,
    B::Data: AsRef<[u8]>,
{
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if bytes.len() + data.as_ref().len() > FORM_BYTES_MAX {
            let what = format!("A form may have {FORM_BYTES_MAX} bytes.");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, what).into());
        }
        bytes.extend_from_slice(data.as_ref());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
