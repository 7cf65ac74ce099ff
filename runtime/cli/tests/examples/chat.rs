//! `chat`: a server on `$PORT`, a WebSocket for each person, Redis between the dynos.

use std::net::TcpStream;

use serde_json::Value;
use testkit::http::connect;
use testkit::servers::Redis;
use testkit::{ExampleApp, ServerRig};
use tungstenite::client::client;
use tungstenite::http::StatusCode;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::site::{Site, environment, local, settings, word};

/// A chat client in the room.
struct Person(WebSocket<TcpStream>);

impl Person {
    fn comes(site: &Site, name: &str) -> Person {
        let url = format!("ws://{}:{}/talk?name={name}", site.host, site.port);
        let (socket, answer) = client(url, connect(site.port).unwrap()).unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        Person(socket)
    }

    fn says(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// The next line, as `name: text`.
    fn hears(&mut self) -> String {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let line: Value = serde_json::from_str(&text).unwrap();
                let part = |name: &str| line[name].as_str().unwrap().to_owned();
                return format!("{}: {}", part("name"), part("text"));
            }
        }
    }

    fn leaves(mut self) {
        self.0.close(None).unwrap();
        loop {
            match self.0.read() {
                Ok(_) => {}
                Err(Error::ConnectionClosed) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Clients join, send messages and leave.
fn talks(site: &Site) {
    let page = site.page("/");
    assert!(page.contains("<h1>Chat</h1>"), "{page}");
    let mut ada = Person::comes(site, "Ada");
    let mut bob = Person::comes(site, "Bob");
    ada.says("  is anybody here? ");
    assert_eq!(ada.hears(), "Ada: is anybody here?");
    assert_eq!(bob.hears(), "Ada: is anybody here?");
    bob.says("I am <b>");
    assert_eq!(ada.hears(), "Bob: I am <b>");
    assert_eq!(bob.hears(), "Bob: I am <b>");
    bob.leaves();
    // A client that joins later sees earlier messages.
    let mut cleo = Person::comes(site, "Cleo");
    assert_eq!(cleo.hears(), "Ada: is anybody here?");
    assert_eq!(cleo.hears(), "Bob: I am <b>");
    cleo.says("hello");
    assert_eq!(cleo.hears(), "Cleo: hello");
    assert_eq!(ada.hears(), "Cleo: hello");
    cleo.leaves();
    ada.leaves();
    let url = format!("ws://{}:{}/talk?name=", site.host, site.port);
    match client(url, connect(site.port).unwrap()) {
        Err(HandshakeError::Failure(Error::Http(refused))) => assert_eq!(refused.status(), 400),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chat_runs_on_this_machine() {
    let redis = Redis::start();
    let example = ExampleApp::copy_from_repository("chat");
    environment(&example, &format!("REDIS_URL={}\n", redis.url()));
    let local = local(&example, &["web=4"]);
    drop(example);
    talks(&Site::local(&local));
    assert!(local.stop().success());
}

#[test]
fn chat_runs_deployed() {
    let redis = Redis::start();
    let example = ExampleApp::copy_from_repository("chat");
    let rig = ServerRig::new();
    let text = format!("[services.redis]\nurl = \"{}\"\n", redis.url());
    let settings = settings(&rig, &text);
    let server = rig.start_with_flags(&["--config", word(&settings)]);
    server.run(&["apps", "create", "chat"]).success();
    server
        .run(&["addons", "create", "redis", "-a", "chat"])
        .success();
    server
        .run(&["deploy", word(&example.folder), "-a", "chat"])
        .success();
    drop(example);
    let site = Site::deployed(&server, "chat");
    talks(&site);
    let upgraded = ["dyno[router]", "status=101", "path=\"/talk?name=Ada\""];
    server.wait_for_log("chat", &upgraded);
    assert!(server.stop().success());
    rig.home().assert_no_process();
}
