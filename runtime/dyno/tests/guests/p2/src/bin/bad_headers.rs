//! Tries header names and values that no response may have, and reports each result: `NAME: taken` or
//! `NAME: refused ERROR`. With `?send=1`, the response has all accepted headers. None may reach a client unchanged.

use guests_p2::raw;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

const CASES: &[(&str, &str, &[u8])] = &[
    ("name_empty", "", b"v"),
    ("name_space", "a b", b"v"),
    ("name_colon", "a:b", b"v"),
    ("name_crlf", "a\r\nevil", b"v"),
    ("name_nul", "a\0", b"v"),
    ("name_unicode", "caf\u{e9}", b"v"),
    ("name_pseudo", ":status", b"200"),
    ("value_crlf", "x-value", b"a\r\nset-cookie: evil=1"),
    ("value_lf", "x-value", b"a\nset-cookie: evil=1"),
    ("value_cr", "x-value", b"a\rb"),
    ("value_nul", "x-value", b"a\0b"),
    ("value_escape", "x-value", b"\x1b[31m"),
    ("value_high", "x-high", b"\xff\xfe"),
    ("connection", "connection", b"close"),
    ("keep_alive", "keep-alive", b"timeout=5"),
    ("transfer_encoding", "transfer-encoding", b"chunked"),
    ("upgrade", "upgrade", b"h2c"),
    ("te", "te", b"trailers"),
    ("proxy_connection", "proxy-connection", b"close"),
    ("proxy_authenticate", "proxy-authenticate", b"Basic"),
    ("host", "host", b"evil.example"),
    (
        "http2_settings",
        "http2-settings",
        b"AAMAAABkAARAAAAAAAIAAAAA",
    ),
    ("length_word", "content-length", b"many"),
    ("length_negative", "content-length", b"-1"),
    ("length_list", "content-length", b"5, 6"),
];

guests_p2::guest!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let fields = Fields::new();
    let report: String = CASES
        .iter()
        .map(|(case, name, value)| match fields.append(name, value) {
            Ok(()) => format!("{case}: taken\n"),
            Err(error) => format!("{case}: refused {error:?}\n"),
        })
        .collect();
    if raw::number(&request, "send", 0) == 0 {
        return raw::reply(out, 200, &report);
    }
    let response = OutgoingResponse::new(fields);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let _ = OutgoingBody::finish(body, None);
}
