//! The end of a response's body from a server dyno (RFC 9112, 6.3).
//!
//! Owns what is passed on of `Transfer-Encoding` and `Content-Length`, and whether the connection can carry another
//! response. The HTTP library reads the body, and refuses lengths that are invalid or contradict each other. Must not
//! know connections, nor who gets the response.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version, response};

/// Whether the connection is used again after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionReuse {
    /// It may carry the next request.
    Yes,
    /// Bytes after the response may belong to the response, so the connection is closed.
    No,
    /// The body ends with the connection.
    Ends,
}

/// The response has a transfer coding other than `chunked`, the only one that the request allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownCoding;

/// Brings the framing of a response to `method` into one form: at most one `Content-Length`, and no
/// `Transfer-Encoding`, which applies to the connection to the server only.
pub(crate) fn normalize_framing(
    method: &Method,
    head: &mut response::Parts,
) -> Result<ConnectionReuse, UnknownCoding> {
    // The HTTP library would use HTTP/1.0 for all later requests on this connection.
    let mut reuse = match head.version {
        Version::HTTP_10 => ConnectionReuse::No,
        _ => ConnectionReuse::Yes,
    };
    let coded = head.headers.contains_key(header::TRANSFER_ENCODING);
    if !has_body(method, head.status) {
        head.headers.remove(header::TRANSFER_ENCODING);
        // A length beside a coding has no meaning, here too.
        if coded {
            head.headers.remove(header::CONTENT_LENGTH);
        }
    } else if coded {
        let codings = codings(&head.headers);
        let chunked = is_chunked(&codings)?;
        head.headers.remove(header::TRANSFER_ENCODING);
        // The coding counts. A response with both may be an attempt to split a response.
        if head.headers.remove(header::CONTENT_LENGTH).is_some() {
            reuse = ConnectionReuse::No;
        }
        if !chunked {
            reuse = ConnectionReuse::Ends;
        }
    } else if !head.headers.contains_key(header::CONTENT_LENGTH) {
        reuse = ConnectionReuse::Ends;
    }
    join_lengths(&mut head.headers);
    Ok(reuse)
}

fn has_body(method: &Method, status: StatusCode) -> bool {
    let bodyless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    *method != Method::HEAD && !status.is_informational() && !bodyless
}

/// The transfer codings in lower case, in their order.
fn codings(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let codings = codings.map(|coding| coding.trim_ascii().to_ascii_lowercase());
    codings.filter(|coding| !coding.is_empty()).collect()
}

/// `chunked`, or `identity`, which RFC 2616 already removed: then the body ends with the connection.
fn is_chunked(codings: &[Vec<u8>]) -> Result<bool, UnknownCoding> {
    match codings {
        [] => Ok(false),
        [one] if one == b"identity" => Ok(false),
        [one] if one == b"chunked" => Ok(true),
        _ => Err(UnknownCoding),
    }
}

/// Joins equal lengths, in several lines or in a list, into one header.
fn join_lengths(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut lengths = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    let Some(first) = lengths.next() else {
        return;
    };
    let mut others = 0;
    if !lengths.inspect(|_| others += 1).all(|other| other == first) || others == 0 {
        return;
    }
    if let Ok(length) = HeaderValue::from_bytes(first) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(
        method: &Method,
        status: u16,
        version: Version,
        lines: &[(&'static str, &'static str)],
    ) -> Result<(ConnectionReuse, Option<String>), UnknownCoding> {
        let mut builder = http::Response::builder().status(status).version(version);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let (mut head, ()) = builder.body(()).expect("a head").into_parts();
        let reuse = normalize_framing(method, &mut head)?;
        assert!(!head.headers.contains_key(header::TRANSFER_ENCODING));
        assert!(head.headers.get_all(header::CONTENT_LENGTH).iter().count() <= 1);
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.map(|length| length.to_str().expect("text").to_owned());
        Ok((reuse, length))
    }

    #[test]
    fn response_framing_follows_rfc9112_6_3() {
        let (te, cl) = ("transfer-encoding", "content-length");
        for (lines, expected) in [
            (vec![], Ok((ConnectionReuse::Ends, None))),
            (vec![(cl, "5")], Ok((ConnectionReuse::Yes, Some("5")))),
            (
                vec![(cl, "5"), (cl, "5")],
                Ok((ConnectionReuse::Yes, Some("5"))),
            ),
            (vec![(cl, "5, 5")], Ok((ConnectionReuse::Yes, Some("5")))),
            (vec![(te, "chunked")], Ok((ConnectionReuse::Yes, None))),
            (vec![(te, "Chunked ")], Ok((ConnectionReuse::Yes, None))),
            (
                vec![(te, "chunked"), (cl, "5")],
                Ok((ConnectionReuse::No, None)),
            ),
            (
                vec![(te, "identity"), (cl, "5")],
                Ok((ConnectionReuse::Ends, None)),
            ),
            (vec![(te, "gzip")], Err(UnknownCoding)),
            (vec![(te, "gzip, chunked")], Err(UnknownCoding)),
            (vec![(te, "gzip"), (te, "chunked")], Err(UnknownCoding)),
            (vec![(te, "chunked, gzip")], Err(UnknownCoding)),
            (vec![(te, "chunked, chunked")], Err(UnknownCoding)),
            (vec![(te, "xchunked")], Err(UnknownCoding)),
        ] {
            let expected = expected.map(|(reuse, length)| (reuse, length.map(str::to_owned)));
            let got = normalized(&Method::GET, 200, Version::HTTP_11, &lines);
            assert_eq!(got, expected, "{lines:?}");
        }
    }

    #[test]
    fn a_response_without_content_keeps_its_content_length() {
        let length = Ok((ConnectionReuse::Yes, Some("5".to_owned())));
        for (method, status) in [(Method::HEAD, 200), (Method::GET, 304), (Method::GET, 204)] {
            let lines = [("content-length", "5")];
            let got = normalized(&method, status, Version::HTTP_11, &lines);
            assert_eq!(got, length, "{method} {status}");
            let coded = [("transfer-encoding", "gzip, chunked")];
            let got = normalized(&method, status, Version::HTTP_11, &coded);
            assert_eq!(got, Ok((ConnectionReuse::Yes, None)), "{method} {status}");
        }
    }

    #[test]
    fn the_connection_of_an_http_1_0_server_is_not_reused() {
        let got = normalized(
            &Method::GET,
            200,
            Version::HTTP_10,
            &[("content-length", "5")],
        );
        assert_eq!(got, Ok((ConnectionReuse::No, Some("5".to_owned()))));
    }
}
