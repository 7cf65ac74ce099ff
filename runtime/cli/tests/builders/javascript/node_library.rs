//! The parts of Node.js's library, checked by a program that uses them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::app_folder::App;

/// A server that answers each request with what was sent, for as long as the test runs. Returns its URL.
fn start_echo_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer_with_request(stream.unwrap()));
        }
    });
    url
}

/// Answers with the method, the path, the header `x-asked` and the body of a request.
fn answer_with_request(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let value_of = |name: &str| {
        let named = head.iter().filter_map(|line| line.split_once(": "));
        let mut named = named.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.to_owned())
    };
    let length = value_of("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let target = head[0].trim_end_matches(" HTTP/1.1");
    let asked = value_of("x-asked").unwrap_or_default();
    let answer = format!("{target} {asked} {}", String::from_utf8_lossy(&body));
    let mut stream = stream;
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 201 Created\r\nx-answered: yes\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
    )
    .unwrap();
}

#[test]
fn the_library_behaves_as_in_node() {
    let settings = format!("BACKEND={}\n", start_echo_server());
    let local = App::new(&[
        (
            "package.json",
            r#"{"name":"x","private":true,"type":"module","main":"src/library.js"}"#,
        ),
        ("src/library.js", include_str!("node/library.js")),
        ("src/data.json", r#"{"key":"value"}"#),
        ("data/words.txt", "grüße\n"),
        (".env", &settings),
    ])
    .run(&[]);
    assert_eq!(local.get("/").text(), "{}");
    // What one request wrote to `./tmp` is there for the next one.
    assert_eq!(local.get("/").text(), "{}");
    assert!(local.stop().success());
}
