//! Tests of how responses are read from the wire.

use super::*;

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n\
                       3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";

#[test]
fn a_response_ends_as_its_framing_says() {
    let response_of = |text: &str| response(text.as_bytes()).expect("a response");
    let two = format!("{LENGTH}HTTP/1.1 ");
    let first = response_of(&two).expect("a whole one");
    assert_eq!((first.status, first.wire_bytes), (200, LENGTH.len()));
    assert_eq!((first.body_bytes, first.close), (5, false));
    let chunked = response_of(CHUNKED).expect("a whole one");
    assert_eq!((chunked.status, chunked.wire_bytes), (503, CHUNKED.len()));
    assert_eq!((chunked.body_bytes, chunked.close), (5, true));
    for text in [LENGTH, CHUNKED] {
        for end in 0..text.len() {
            assert_eq!(response_of(&text[..end]), None, "{:?}", &text[..end]);
        }
    }
}

#[test]
fn a_page_has_the_content_and_its_type() {
    let page_of = |text: &str| page(text.as_bytes(), "content-type").expect("a response");
    assert_eq!(page_of(LENGTH), Some((b"hello".to_vec(), "a/b".into())));
    assert_eq!(page_of(CHUNKED), Some((b"abcde".to_vec(), String::new())));
    assert_eq!(page_of(&LENGTH[..40]), None);
}

#[test]
fn malformed_responses_are_errors() {
    for text in [
        "SSH-2.0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ] {
        assert!(response(text.as_bytes()).is_err(), "{text:?}");
    }
}
