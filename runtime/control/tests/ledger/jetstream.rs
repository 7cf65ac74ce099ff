//! Tests of the JetStream ledger beyond the common suite: what is refused, and why.

use crate::places::{InJetStream, all, entry, stream_login};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, HeaderMap};
use control::ledger::{
    AppendError, CopyCheckError, EntryId, JetStreamLedger, JetStreamOpenError, Ledger,
    MissingStream, ReadError, Seq,
};
use control::seal::SealKey;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::servers::{NATS_SYSTEM_USER, NATS_USER, NatsServer, NatsVersion, PASSWORD};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

type ChangeSetting = fn(&mut Config);

async fn connect(place: &InJetStream) -> Context {
    let login = ConnectOptions::with_user_and_password(NATS_USER.into(), PASSWORD.into());
    let client = login.connect(place.server.url()).await;
    jetstream::new(client.expect("connects"))
}

async fn fill(ledger: &JetStreamLedger, entries: u64) -> Seq {
    let mut last = *ledger.watch().borrow();
    for _ in 0..entries {
        let appended = Ledger::append(ledger, last, &entry("me")).await;
        last = appended.expect("appends");
    }
    last
}

/// All texts of an error, from the outermost to the innermost.
fn texts(error: &dyn Error) -> String {
    let inner = error.source().map(texts).unwrap_or_default();
    format!("{error}: {inner}")
}

#[tokio::test]
async fn streams_of_other_settings_are_refused_with_a_remedy() {
    let place = InJetStream::start(NatsVersion::Newest);
    drop(place.ledger().await);
    let context = connect(&place).await;
    let stream = context.get_stream("LEDGER").await.expect("made");
    let own = stream.cached_info().config.clone();
    let changes: [(&str, &str, ChangeSetting); 7] = [
        ("deny_delete", "nats stream edit", |config| {
            config.deny_delete = false
        }),
        ("deny_purge", "nats stream edit", |config| {
            config.deny_purge = false
        }),
        ("allow_direct", "nats stream edit", |config| {
            config.allow_direct = true
        }),
        ("discard", "nats stream edit", |config| {
            config.discard = DiscardPolicy::Old
        }),
        ("subjects", "nats stream edit", |config| {
            config.subjects.push("other".into())
        }),
        ("max_bytes", "nats stream edit", |config| {
            config.max_bytes = 1 << 20
        }),
        ("storage", "dyno grid restore", |config| {
            config.storage = StorageType::Memory
        }),
    ];
    for (setting, remedy, change) in changes {
        let place = InJetStream::start(NatsVersion::Newest);
        let mut config = own.clone();
        change(&mut config);
        let created = connect(&place).await.create_stream(config).await;
        created.expect(setting);
        let refused = place.open_with(|_| {}).await.expect_err(setting);
        let JetStreamOpenError::Setting(found) = &refused else {
            panic!("{setting}: {refused:?}");
        };
        assert_eq!(found.setting, setting);
        assert!(texts(&refused).contains(remedy), "{refused}");
    }
    let replicas = place.open_with(|options| options.replicas = 3).await;
    let refused = texts(&replicas.expect_err("it has one"));
    let expected = "num_replicas = 1, but a ledger needs 3";
    assert!(refused.contains(expected), "{refused}");
}

#[tokio::test]
async fn a_missing_stream_is_created_only_where_that_is_asked_for() {
    let place = InJetStream::start(NatsVersion::Oldest);
    let refuse = || place.open_with(|options| options.missing_stream = MissingStream::Refuse);
    let refused = refuse().await.expect_err("there is none");
    assert!(
        matches!(refused, JetStreamOpenError::NoStream),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("dyno grid init"));
    drop(place.ledger().await);
    refuse().await.expect("now there is one");
}

#[tokio::test]
async fn an_engine_without_jetstream_is_refused() {
    let place = InJetStream::with(NatsServer::start_without_jetstream(NatsVersion::Newest));
    let refused = place.open_with(|_| {}).await.expect_err("it has none");
    assert!(
        matches!(refused, JetStreamOpenError::NoJetStream),
        "{refused:?}"
    );
    let place = InJetStream::start(NatsVersion::Newest);
    let login = Some(stream_login(NATS_SYSTEM_USER));
    let refused = place.open_with(|options| options.login = login).await;
    let refused = refused.expect_err("the system account has none");
    assert!(
        matches!(refused, JetStreamOpenError::NoJetStream),
        "{refused:?}"
    );
}

/// Greets each client as a server of this version does, and takes every login.
async fn greet_as(version: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("nats://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a client");
        let info = format!(
            "INFO {{\"server_id\":\"A\",\"server_name\":\"old\",\"version\":\"{version}\",\"proto\":1,\
             \"headers\":true,\"max_payload\":1048576,\"jetstream\":true}}\r\n"
        );
        client.write_all(info.as_bytes()).await.expect("it listens");
        let mut buffer = [0; 4_096];
        while let Ok(1..) = client.read(&mut buffer).await {
            client.write_all(b"PONG\r\n").await.expect("it listens");
        }
    });
    url
}

#[tokio::test]
async fn an_old_engine_is_refused_with_its_version() {
    let place = InJetStream::start(NatsVersion::Oldest);
    for version in ["2.9.10", "2.11.15", "unknown"] {
        let url = greet_as(version).await;
        let refused = place.open_with(|options| options.urls = vec![url]).await;
        let refused = refused.expect_err(version);
        assert!(
            matches!(refused, JetStreamOpenError::Version { .. }),
            "{refused:?}"
        );
        let told = refused.to_string();
        assert!(
            told.contains(version) && told.contains("2.12.0 or newer"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn an_engine_that_takes_only_small_messages_is_refused() {
    let server = NatsServer::start_with(NatsVersion::Newest, "max_payload: 100000");
    let refused = InJetStream::with(server).open_with(|_| {}).await;
    let refused = refused.expect_err("entries are larger");
    let told = refused.to_string();
    assert!(
        told.contains("max_payload") && told.contains("100000"),
        "{told}"
    );
}

#[tokio::test]
async fn a_wrong_login_and_an_absent_server_are_told() {
    let mut place = InJetStream::start(NatsVersion::Newest);
    let login = Some(stream_login("nobody"));
    let refused = place.open_with(|options| options.login = login).await;
    let refused = texts(&refused.expect_err("there is no such user"));
    assert!(refused.contains("authorization violation"), "{refused}");
    place.server.kill();
    let refused = place.open_with(|_| {}).await.expect_err("it is gone");
    assert!(
        matches!(refused, JetStreamOpenError::Connect { .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains(&place.server.url()));
    assert!(!format!("{refused:?}{:?}", place.options()).contains(PASSWORD));
}

#[tokio::test]
async fn a_system_login_reveals_servers_that_do_not_sync_each_write() {
    let login = Some(stream_login(NATS_SYSTEM_USER));
    for version in [NatsVersion::Oldest, NatsVersion::Newest] {
        let place = InJetStream::start(version);
        let opened = place
            .open_with(|options| options.system_login = login.clone())
            .await;
        opened.expect("it syncs");
        let ordinary = Some(stream_login(NATS_USER));
        let refused = place
            .open_with(|options| options.system_login = ordinary)
            .await;
        let refused = refused.expect_err("no system account");
        assert!(
            matches!(refused, JetStreamOpenError::SystemLogin(_)),
            "{refused:?}"
        );

        let place = InJetStream::with(NatsServer::start_unsynced(version));
        let refused = place
            .open_with(|options| options.system_login = login.clone())
            .await;
        let refused = refused.expect_err("it does not sync");
        assert!(
            matches!(refused, JetStreamOpenError::NotSynced { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("sync_interval: always"));
        place.open_with(|_| {}).await.expect("nobody could tell");
    }
}

#[tokio::test]
async fn another_key_opens_no_entry() {
    let place = InJetStream::start(NatsVersion::Newest);
    fill(&place.ledger().await, 2).await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = SealKey::load_or_create(&folder.path().join("key")).expect("made");
    let ledger = JetStreamLedger::open(&place.options(), &key)
        .await
        .expect("opens");
    let refused = Ledger::read(&ledger, Seq::START, 10).await;
    assert!(
        matches!(refused, Err(ReadError::Sealed { at: Seq(1) })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn messages_that_no_ledger_wrote_are_detected() {
    let place = InJetStream::start(NatsVersion::Newest);
    let ledger = place.ledger().await;
    fill(&ledger, 2).await;
    let context = connect(&place).await;
    let stored = context.get_stream("LEDGER").await.expect("there");
    let first = stored.get_raw_message(1).await.expect("there");
    // The first entry again, at another place.
    let mut headers = HeaderMap::new();
    headers.insert(
        "Dyno-Entry-Id",
        first
            .headers
            .get("Dyno-Entry-Id")
            .expect("has one")
            .as_str(),
    );
    let again = context
        .publish_with_headers("dyno.ledger", headers, first.payload)
        .await;
    again.expect("sent").await.expect("stored");
    let refused = Ledger::read(&ledger, Seq::START, 10).await;
    assert!(
        matches!(refused, Err(ReadError::Sealed { at: Seq(3) })),
        "{refused:?}"
    );
    let foreign = context.publish("dyno.ledger", "hello".into()).await;
    foreign.expect("sent").await.expect("stored");
    let refused = Ledger::read(&ledger, Seq(3), 10).await;
    assert!(
        matches!(refused, Err(ReadError::Sealed { at: Seq(4) })),
        "{refused:?}"
    );
    assert_eq!(
        Ledger::read(&ledger, Seq::START, 2)
            .await
            .expect("sound")
            .len(),
        2
    );
}

#[tokio::test]
async fn entries_cannot_be_removed_and_their_content_is_not_in_any_file() {
    let mut place = InJetStream::start(NatsVersion::Newest);
    let ledger = place.ledger().await;
    Ledger::append(&ledger, Seq(0), &entry("correct horse battery"))
        .await
        .expect("appends");
    let context = connect(&place).await;
    let stream = context.get_stream("LEDGER").await.expect("there");
    assert!(stream.delete_message(1).await.is_err());
    assert!(stream.purge().await.is_err());
    assert_eq!(all(&ledger).await.len(), 1);
    place.server.kill();
    let found = |text: &str| {
        let grep = Command::new("grep")
            .args(["-raq", text])
            .arg(place.server.store())
            .status();
        grep.expect("runs").success()
    };
    assert!(!found("correct horse battery"));
    assert!(!found("MaintenanceSet"));
    // Proves that the search works: the id is in the file.
    assert!(found("Dyno-Entry-Id"));
}

#[tokio::test]
async fn a_dropped_ledger_closes_its_connection() {
    let place = InJetStream::start(NatsVersion::Newest);
    let ledger = place.ledger().await;
    assert_eq!(place.server.connection_count(), 1);
    fill(&ledger, 1).await;
    drop(ledger);
    let closed = async {
        while place.server.connection_count() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let closed = timeout(testkit::PATIENCE, closed).await;
    closed.expect("in time");
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("runs").success());
}

/// A ledger that was open when its stream lost entries neither reads nor writes it.
async fn refuses_a_shorter_stream(ledger: &JetStreamLedger) {
    let read = async {
        loop {
            match Ledger::read(ledger, Seq::START, 100).await {
                Err(error) if texts(&error).contains("10 entries, but 12 were there") => return,
                Err(ReadError::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
                other => panic!("{other:?}"),
            }
        }
    };
    let read = timeout(testkit::PATIENCE, read).await;
    read.expect("the client connects again");
    let appended = Ledger::append(ledger, Seq(12), &entry("me")).await;
    let refused = matches!(appended, Err(AppendError::Unavailable(_)));
    assert!(refused, "{appended:?}");
}

/// A server that is restored from an older copy of its files, as after a loss of its disk.
#[tokio::test]
async fn a_stream_that_has_lost_entries_is_refused() {
    let mut place = InJetStream::start(NatsVersion::Newest);
    let backup = tempfile::tempdir().expect("a folder");
    let backup = backup.path().join("store");
    let ledger = place.ledger().await;
    fill(&ledger, 10).await;
    drop(ledger);
    place.server.kill();
    copy_folder(&place.server.store(), &backup);
    place.server.restart();
    let ledger = place.ledger().await;
    fill(&ledger, 2).await;
    let copy_id = all(&ledger).await[11].1.id;
    let check = ledger.check_against_copy(Seq(12), copy_id).await;
    check.expect("the copy is the same");
    ledger
        .check_against_copy(Seq::START, copy_id)
        .await
        .expect("an empty copy");
    let before = ledger;
    place.server.kill();
    copy_folder(&backup, &place.server.store());
    place.server.restart();
    refuses_a_shorter_stream(&before).await;

    let ledger = place.ledger().await;
    let refused = ledger.check_against_copy(Seq(12), copy_id).await;
    let refused = refused.expect_err("two are lost");
    let (stream, copy) = (Seq(10), Seq(12));
    let expected = matches!(refused, CopyCheckError::Shorter { stream: a, copy: b } if (a, b) == (stream, copy));
    assert!(expected, "{refused:?}");
    let told = refused.to_string();
    assert!(
        told.contains("has 10 entries, but this node's copy has 12"),
        "{told}"
    );
    assert!(told.contains("dyno grid restore"), "{told}");
    fill(&ledger, 5).await;
    let refused = ledger.check_against_copy(Seq(12), copy_id).await;
    let expected = matches!(refused, Err(CopyCheckError::Differs { at: Seq(12) }));
    assert!(expected, "{refused:?}");
    let refused = ledger.check_against_copy(Seq(1), EntryId::random()).await;
    assert!(
        matches!(refused, Err(CopyCheckError::Differs { at: Seq(1) })),
        "{refused:?}"
    );
}
