//! Which response heads are valid HTTP and within the bounds.
//!
//! Owns the checks and their reasons. Must not know where the head goes.

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::response::Parts;

use crate::limits::{RESPONSE_HEAD_MAX, RESPONSE_HEADERS_MAX};

/// Bytes of a header line beside name and value: colon, space and line end.
const HEADER_LINE_OVERHEAD: usize = 4;

/// Why a response head was refused; the client gets H17.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// Not the status of a final response: 101, or any other below 200.
    #[error("status {0} is no final response")]
    Status(u16),
    /// More than [`RESPONSE_HEAD_MAX`] bytes.
    #[error("the response's headers have more than {RESPONSE_HEAD_MAX} bytes")]
    TooLarge,
    /// More than [`RESPONSE_HEADERS_MAX`] headers.
    #[error("the response has {0} headers, and at most {RESPONSE_HEADERS_MAX} are passed on")]
    TooMany(usize),
    /// `Content-Length` is not one decimal number.
    #[error("the response's Content-Length is not one number")]
    ContentLength,
    /// The response has a head already.
    #[error("the response has a head already")]
    Twice,
}

impl BadResponse {
    /// The reason, as the app's log shows it.
    pub fn reason(self) -> &'static str {
        match self {
            BadResponse::Status(_) => {
                "the response is not valid HTTP: its status is none of a final response, which is 200 or more"
            }
            BadResponse::TooLarge => {
                "the response is not valid HTTP: its headers have more than 512 KiB"
            }
            BadResponse::TooMany(_) => {
                "the response is not valid HTTP: it has more than 1,000 headers, the most that are passed on"
            }
            BadResponse::ContentLength => {
                "the response is not valid HTTP: its Content-Length is not one number"
            }
            BadResponse::Twice => "the response has a head already",
        }
    }

    /// For the access log's `cause=`.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            BadResponse::Status(_) => "status",
            BadResponse::TooLarge => "headers-too-large",
            BadResponse::TooMany(_) => "too-many-headers",
            BadResponse::ContentLength => "content-length",
            BadResponse::Twice => "second-head",
        }
    }
}

/// Checks a head. Returns the declared length, if there is one.
pub(crate) fn check_head(head: &Parts) -> Result<Option<u64>, BadResponse> {
    if head.status.as_u16() < 200 {
        return Err(BadResponse::Status(head.status.as_u16()));
    }
    if head.headers.len() > RESPONSE_HEADERS_MAX {
        return Err(BadResponse::TooMany(head.headers.len()));
    }
    let size = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_LINE_OVERHEAD
    };
    if head.headers.iter().map(size).sum::<usize>() > RESPONSE_HEAD_MAX {
        return Err(BadResponse::TooLarge);
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    if lengths.any(|other| other != first) {
        return Err(BadResponse::ContentLength);
    }
    let digits = first.to_str().ok().filter(|text| {
        // `parse` alone would accept a sign.
        text.bytes().all(|byte| byte.is_ascii_digit())
    });
    match digits.and_then(|text| text.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(BadResponse::ContentLength),
    }
}
