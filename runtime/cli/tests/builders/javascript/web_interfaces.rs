//! Web interfaces in JavaScript apps: forms and files, clones of messages, lengths, cryptography, `fetch`. One app has
//! all routes; the expected values are those of the RFCs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use testkit::{DynoProcess, HttpReply};

use crate::app_folder::App;

const PACKAGE: &str = r#"{"name":"web","private":true,"type":"module","main":"index.js","dependencies":{"jose":"6.2.18"}}"#;

fn start() -> DynoProcess {
    App::new(&[
        ("package.json", PACKAGE),
        ("index.js", include_str!("../apps/web.js")),
    ])
    .run(&[])
}

#[track_caller]
fn parse(reply: &HttpReply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_slice(&reply.body).unwrap()
}

/// RFC 7578: a text, a file of any bytes with a name outside of ASCII, an empty file, two files of one name.
#[test]
fn uploaded_files_keep_their_bytes_name_and_type() {
    let local = start();
    let mut body = Vec::new();
    let mut part = |head: &str, content: &[u8]| {
        let head = format!("--cut\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    };
    part("name=\"text\"", "grüße".as_bytes());
    part(
        "name=\"f\"; filename=\"ünï \\\"1\\\".bin\"\r\nContent-Type: x/y",
        b"\x00\xff\r\n--cu\r\n--\r\nabc\r\n",
    );
    part(
        "name=\"empty\"; filename=\"\"\r\nContent-Type: application/octet-stream",
        b"",
    );
    part("name=\"f\"; filename=a.txt", b"8 bytes!");
    body.extend(b"--cut--\r\n");
    let upload = |kind: &str, body: &[u8]| {
        let kind = format!("Content-Type: {kind}");
        local.request("POST", "/upload", &[&kind], body)
    };
    let form = parse(&upload("multipart/form-data; boundary=\"cut\"", &body));
    assert_eq!(
        form,
        json!([
            ["text", "grüße"],
            [
                "f",
                "ünï \"1\".bin",
                "x/y",
                19,
                "00ff0d0a2d2d63750d0a2d2d0d0a6162630d0a"
            ],
            ["empty", "", "application/octet-stream", 0, ""],
            [
                "f",
                "a.txt",
                "application/octet-stream",
                8,
                "3820627974657321"
            ],
        ])
    );
    let form = parse(&upload(
        "application/x-www-form-urlencoded",
        b"a=1&b=%C3%A9+x&a=2",
    ));
    assert_eq!(form, json!([["a", "1"], ["b", "é x"], ["a", "2"]]));
    assert_eq!(
        upload("multipart/form-data; boundary=other", &body).status,
        500
    );
    let large: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 253) as u8).collect();
    let echo = local.request("POST", "/blob", &["Content-Type: x/y"], &large);
    assert!(echo.body == large && echo.header("content-type") == Some("x/y"));
    let twice = local.request("POST", "/twice", &[], b"body");
    assert_eq!(parse(&twice), json!(["body", "body"]));
    assert_eq!(
        parse(&local.get("/form")),
        json!({"isForm": true, "size": 443, "list": [
            ["text", "grüße\r\nzwei"],
            ["file", "ü\"1.bin", "a/b", 5, "00ff0d0a78"],
            ["blob", "empty", "application/octet-stream", 0, ""],
        ]})
    );
    assert!(local.stop().success());
}

/// The Fetch Standard's Body and Response; RFC 9110 8.6: no length but the true one, and any at all without content.
#[test]
fn messages_can_be_cloned_and_have_their_true_length() {
    let local = start();
    let copies = parse(&local.get("/copies"));
    assert_eq!(
        copies,
        json!({
            "copy": [203, "b", "one two"],
            "second": "TypeError",
            "bytes": [195, 169],
            "pieces": 3,
            "file": [4, "n", "x/y", "00ffc3a9"],
            "blob": "00ff",
            "blobType": "x/y",
            "json": {"a": 1},
            "redirect": [302, "http://x/y"],
            "status": "RangeError",
        })
    );
    for (path, text) in [("/longer", "a much longer body"), ("/shorter", "short")] {
        let reply = local.get(path);
        assert_eq!(
            (reply.text().as_str(), reply.complete),
            (text, true),
            "{reply:?}"
        );
    }
    let head = local.request("HEAD", "/announce", &[], b"");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("1234"))
    );
    let cookies = local.get("/cookies");
    let set = cookies
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let set: Vec<&str> = set.map(|(_, value)| value.as_str()).collect();
    assert_eq!(set, ["a=1; Path=/", "b=2"]);
    assert!(local.stop().success());
}

#[test]
fn web_crypto_passes_known_answer_and_round_trip_tests() {
    let local = start();
    let known = parse(&local.get("/known"));
    for (name, begin) in [
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "sha256",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "hmac",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "pbkdf2",
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
        (
            "hkdf",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "gcm",
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4",
        ),
    ] {
        assert_eq!(known[name], begin, "{name}");
    }
    let trips = parse(&local.get("/trips"));
    for name in ["AES-GCM", "AES-CBC", "AES-CTR", "ECDH"] {
        assert_eq!(trips[name], true, "{name}");
    }
    for name in ["ECDSAP-256", "ECDSAP-384", "Ed25519"] {
        assert_eq!(trips[name], json!([true, false]), "{name}");
    }
    assert_eq!(trips["refused"], "NotSupportedError");
    let keys = include_bytes!("../apps/rsa.json");
    let kind = ["Content-Type: application/json"];
    let tokens = parse(&local.request("POST", "/tokens", &kind, keys));
    for alg in ["HS256", "ES256", "RS256", "PS256"] {
        let wanted = json!(["ada", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"]);
        assert_eq!(tokens[alg], wanted, "{alg}");
    }
    // RFC 8017 8.2: the signature is deterministic. The expected value was made by another implementation.
    assert_eq!(tokens["token"], include_str!("../apps/rsa.jwt").trim());
    assert!(local.stop().success());
}

#[test]
fn globals_equal_those_of_other_runtimes_with_fetch_handlers() {
    let local = start();
    let globals = parse(&local.get("/globals"));
    assert_eq!(
        globals,
        json!({
            "normalize": [2, true, "fi", 3],
            "pattern": "7",
            "letters": [true, false, true],
            "canParse": [true, false, "http://x/a"],
            "clone": "1970-01-01T00:00:00.000Z",
            "encodings": ["é", "é"],
            "heard": {"a": [1]},
            "aborted": "AbortError",
            "timeout": [true, "TimeoutError", true],
            "text": "grüße",
            "events": 1,
            "meta": [true, null, true],
            "locale": ["1,234,567.891", "$1,234.50", "1/1/1970, 12:00:00 AM"],
            "navigator": "dyno",
        })
    );
    assert!(local.stop().success());
}

/// A server that redirects `/` to `/zipped` (a gzip text), and answers other paths with a plain text.
fn upstream() -> SocketAddr {
    /// "zipped text", as gzip makes it.
    const ZIPPED: &[u8] = include_bytes!("../apps/zipped.gz");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (head, body): (String, &[u8]) = match path {
                "/" => ("302 Found\r\nLocation: /zipped".to_owned(), b""),
                "/zipped" => ("200 OK\r\nContent-Encoding: gzip".to_owned(), ZIPPED),
                _ => ("200 OK\r\nX-Kept: yes".to_owned(), b"plain text"),
            };
            let head = format!(
                "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    address
}

/// Fetch 4.4 and 4.6: redirects are followed, content codings are decoded, and copied responses have correct headers.
#[test]
fn fetched_responses_can_be_read_and_passed_on() {
    let local = start();
    let address = upstream();
    let text = parse(&local.get(&format!("/fetch?text&url=http://{address}/")));
    let url = format!("http://{address}/zipped");
    assert_eq!(text, json!([200, url, true, "zipped text"]));
    let passed = local.get(&format!("/fetch?url={url}"));
    assert_eq!(
        (passed.text().as_str(), passed.complete),
        ("zipped text", true)
    );
    assert_eq!(passed.header("content-encoding"), None, "{passed:?}");
    let plain = local.get(&format!("/fetch?url=http://{address}/plain"));
    assert_eq!(
        (
            plain.text().as_str(),
            plain.header("x-kept"),
            plain.header("content-length")
        ),
        ("plain text", Some("yes"), Some("10"))
    );
    assert!(local.stop().success());
}
