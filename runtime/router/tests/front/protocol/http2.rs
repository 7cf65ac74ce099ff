//! HTTP/2 with prior knowledge.

use std::time::Duration;

use bytes::Bytes;
use exchange::{Kill, Reply};
use grid::protocol::Refusal;
use h2::client::SendRequest;
use http::{Request, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::world::{End, World, app, connect, echo, eventually, head, say, send};

pub(crate) async fn client<S>(io: S) -> SendRequest<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn get(path: &str) -> Request<()> {
    let uri = format!("http://hello.localhost{path}");
    Request::get(uri).version(Version::HTTP_2).body(()).unwrap()
}

async fn body(mut stream: h2::RecvStream) -> Result<String, h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        let _ = stream.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    Ok(String::from_utf8(all).unwrap())
}

async fn ask(client: &mut SendRequest<Bytes>, request: Request<()>) -> (u16, String) {
    let (response, _) = client.send_request(request, true).unwrap();
    let (head, stream) = response.await.unwrap().into_parts();
    (head.status.as_u16(), body(stream).await.unwrap())
}

#[tokio::test]
async fn requests_are_answered_and_logged() {
    let world = World::new(1, |request: Request<_>, reply, _| async move {
        let headers = request.headers();
        let text = format!(
            "{} {} {}",
            request.uri(),
            headers["host"].to_str().unwrap(),
            headers["via"].to_str().unwrap()
        );
        say(reply, 200, &text)
    });
    let server = world.listen().await;
    let mut client = client(connect(&server).await).await;
    for _ in 0..20 {
        let (status, text) = ask(&mut client, get("/a?b")).await;
        assert_eq!(
            (status, text.as_str()),
            (200, "/a?b hello.localhost 2.0 dyno")
        );
    }
    let line = &world.lines(20).await[0];
    assert!(
        line.contains("path=\"/a?b\" host=hello.localhost"),
        "{line}"
    );
    assert!(line.contains("protocol=http2 tls=false"));
}

#[tokio::test]
async fn many_streams_share_one_dyno_and_one_connection() {
    let world = World::new(1, |request, reply, _| echo(request, reply));
    let server = world.listen().await;
    let client = client(connect(&server).await).await;
    let mut all = tokio::task::JoinSet::new();
    for n in 0..90_usize {
        let mut client = client.clone();
        all.spawn(async move {
            let request = Request::post("http://hello.localhost/").body(()).unwrap();
            let (response, mut send) = client.send_request(request, false).unwrap();
            let text = Bytes::from(format!("{n}").repeat(1000));
            send.send_data(text.clone(), true).unwrap();
            let stream = response.await.unwrap().into_body();
            assert_eq!(body(stream).await.unwrap(), text);
        });
    }
    while let Some(one) = all.join_next().await {
        one.unwrap();
    }
    world.recorded(90).await;
}

#[tokio::test]
async fn host_header_and_authority_must_agree() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let server = world.listen().await;
    let mut client = client(connect(&server).await).await;
    for (host, status) in [
        ("other.localhost", 400),
        ("hello.localhost:81", 400),
        ("HELLO.localhost", 200),
        ("hello.localhost", 200),
    ] {
        let mut request = get("/");
        request.headers_mut().insert("host", host.parse().unwrap());
        assert_eq!(ask(&mut client, request).await.0, status, "{host}");
    }
    let request = Request::get("http://u@hello.localhost/").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    // The protocol library may refuse it before the router does.
    assert!(response.await.map_or(true, |r| r.status() == 400));
}

#[tokio::test]
async fn invalid_methods_expectations_and_sizes_are_refused() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let server = world.listen().await;
    let mut client = client(connect(&server).await).await;
    let connect = Request::connect("http://hello.localhost:80")
        .body(())
        .unwrap();
    assert_eq!(ask(&mut client, connect).await.0, 405);
    let mut request = get("/");
    request
        .headers_mut()
        .insert("expect", "200-ok".parse().unwrap());
    assert_eq!(ask(&mut client, request).await.0, 417);
    assert_eq!(
        ask(&mut client, get(&format!("/{}", "a".repeat(9000))))
            .await
            .0,
        414
    );
    let mut request = get("/");
    (0..101).for_each(|_| {
        request.headers_mut().append("x", "y".parse().unwrap());
    });
    assert_eq!(ask(&mut client, request).await.0, 431);
    assert_eq!(ask(&mut client, get("/")).await.0, 200);
}

#[tokio::test]
async fn a_trap_within_a_body_resets_only_its_stream() {
    let world = World::new(1, |request: Request<_>, mut reply: Reply, _| async move {
        if request.uri().path() == "/fine" {
            return say(reply, 200, "fine");
        }
        reply.send_head(head(200)).unwrap();
        reply.send_data(Bytes::from_static(b"piece"));
        if request.uri().path() == "/late" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        End::Free
    });
    let server = world.listen().await;
    let mut client = client(connect(&server).await).await;
    for path in ["/now", "/late"] {
        let (response, _) = client.send_request(get(path), true).unwrap();
        // The reset may overtake the head.
        let error = match response.await {
            Ok(response) => body(response.into_body()).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.is_reset(), "{error}");
        assert_eq!(ask(&mut client, get("/fine")).await.1, "fine");
    }
    let records = world.recorded(4).await;
    let broken = records
        .iter()
        .filter(|r| r.code == Some(Refusal::Interrupted));
    assert_eq!(broken.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_reset_by_the_client_is_a_hangup() {
    let world = World::new(1, |_, _reply: Reply, _| async move {
        let _held = _reply;
        std::future::pending::<End>().await
    });
    let mut client = client(world.pipe()).await;
    let (response, mut send) = client.send_request(get("/"), true).unwrap();
    eventually(|| world.router.load(&app()).unwrap().free == 0).await;
    send.send_reset(h2::Reason::CANCEL);
    assert!(response.await.is_err());
    let records = world.recorded(1).await;
    assert_eq!(records[0].code, Some(Refusal::ClientInterrupted));
    eventually(|| world.kills() == [Kill::Hangup]).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_client_reads_nothing_is_reset_and_the_connection_stays() {
    let world = World::new(2, |request: Request<_>, mut reply: Reply, _| async move {
        if request.uri().path() == "/fine" {
            return say(reply, 200, "fine");
        }
        reply.send_head(head(200)).unwrap();
        for _ in 0..10 {
            send(&mut reply, Bytes::from(vec![b'x'; 64 * 1024])).await;
        }
        reply.finish(None);
        End::Free
    });
    let (mut client, connection) = h2::client::Builder::new()
        .initial_window_size(1000)
        .handshake::<_, Bytes>(world.pipe())
        .await
        .unwrap();
    tokio::spawn(connection);
    let (response, _send) = client.send_request(get("/large"), true).unwrap();
    let mut stalled = response.await.unwrap().into_body();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(ask(&mut client, get("/fine")).await.1, "fine");
    }
    assert_eq!(world.recorded(10).await.len(), 10);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(ask(&mut client, get("/fine")).await.1, "fine");
    let records = world.recorded(12).await;
    let idle = records
        .iter()
        .find(|r| r.path.as_ref().unwrap().path() == "/large")
        .unwrap();
    assert_eq!(idle.code, Some(Refusal::ClientIdle));
    let mut seen = 0;
    let end = loop {
        match stalled.data().await {
            Some(Ok(data)) => seen += data.len(),
            other => break other,
        }
    };
    assert!(matches!(end, Some(Err(_))) && seen < 2000, "{seen}");
}

/// The same for a response larger than the buffer: the dyno is free long before its end.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_opens_its_window_frees_the_dyno() {
    let world = World::new(1, |request: Request<_>, mut reply: Reply, _| async move {
        if request.uri().path() == "/fine" {
            return say(reply, 200, "fine");
        }
        reply.send_head(head(200)).unwrap();
        for _ in 0..100 {
            send(&mut reply, Bytes::from(vec![b'x'; 64 * 1024])).await;
        }
        reply.finish(None);
        End::Free
    });
    let (mut client, connection) = h2::client::Builder::new()
        .initial_window_size(0)
        .handshake::<_, Bytes>(world.pipe())
        .await
        .unwrap();
    tokio::spawn(connection);
    let begun = tokio::time::Instant::now();
    let (response, _send) = client.send_request(get("/large"), true).unwrap();
    let stalled = response.await.unwrap();
    eventually(|| world.router.load(&app()).unwrap().free == 1).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let records = world.recorded(1).await;
    assert_eq!(
        (records[0].code, records[0].status),
        (Some(Refusal::ClientIdle), 499)
    );
    // The stream is reset, and the connection lives.
    assert!(body(stalled.into_body()).await.unwrap_err().is_reset());
    let (response, _) = client.send_request(get("/fine"), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let (mut client, connection) = h2::client::handshake(world.pipe()).await.unwrap();
    let gone = tokio::spawn(connection);
    assert_eq!(ask(&mut client, get("/")).await.0, 200);
    let begun = tokio::time::Instant::now();
    let _ = gone.await;
    assert_eq!(begun.elapsed().as_secs(), 75);
}

/// The bytes of a frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET http hello.localhost /`, from the static table of HPACK except for the host.
fn request_block() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x41, 15];
    block.extend(b"hello.localhost");
    block
}

/// Whether the router closes a connection on which these frames are repeated.
async fn is_given_up(frames: impl Fn(u32) -> Vec<u8>) -> bool {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let server = world.listen().await;
    let (mut read, mut write) = connect(&server).await.into_split();
    let sink = tokio::spawn(async move {
        let mut waste = vec![0; 64 * 1024];
        while matches!(read.read(&mut waste).await, Ok(size) if size > 0) {}
    });
    let mut first = PREFACE.to_vec();
    first.extend(frame(4, 0, 0, &[]));
    write.write_all(&first).await.unwrap();
    for n in 0..40_000_u32 {
        if write.write_all(&frames(n)).await.is_err() || sink.is_finished() {
            return true;
        }
    }
    let gone = tokio::time::timeout(Duration::from_secs(5), sink).await;
    gone.is_ok()
}

#[tokio::test]
async fn connections_that_flood_frames_are_closed() {
    assert!(is_given_up(|_| frame(4, 0, 0, &[])).await, "settings");
    assert!(is_given_up(|_| frame(6, 0, 0, &[0; 8])).await, "ping");
    assert!(
        is_given_up(|_| frame(2, 0, 1, &[0, 0, 0, 0, 1])).await,
        "priority"
    );
    assert!(is_given_up(|_| frame(0xfa, 0, 0, b"x")).await, "unknown");
    let reset = |n: u32| {
        let stream = 2 * n + 1;
        let mut frames = frame(1, 4 | 1, stream, &request_block());
        frames.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
        frames
    };
    assert!(is_given_up(reset).await, "reset");
    let continuation = |n: u32| match n {
        0 => frame(1, 1, 1, &request_block()),
        _ => frame(9, 0, 1, &[]),
    };
    assert!(is_given_up(continuation).await, "continuation");
    let empty = |n: u32| match n {
        0 => frame(1, 4, 1, &request_block()),
        _ => frame(0, 0, 1, &[]),
    };
    assert!(is_given_up(empty).await, "empty data");
}

#[tokio::test(start_paused = true)]
async fn a_header_block_must_arrive_in_time() {
    let world = World::new(1, |_, reply, _| async { say(reply, 200, "reached") });
    let mut io = world.pipe();
    let mut first = PREFACE.to_vec();
    first.extend(frame(4, 0, 0, &[]));
    first.extend(frame(1, 1, 1, &request_block()));
    io.write_all(&first).await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut waste = Vec::new();
    let _ = io.read_to_end(&mut waste).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_graceful_close_lets_streams_finish() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let inner = gate.clone();
    let world = World::new(1, move |_, reply, _| {
        let gate = inner.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            say(reply, 200, "finished")
        }
    });
    let server = world.listen().await;
    let mut client = client(connect(&server).await).await;
    let (response, _) = client.send_request(get("/"), true).unwrap();
    eventually(|| world.router.statistics().calls == 1).await;
    let closing = tokio::spawn(server.close(Duration::from_secs(100)));
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.add_permits(1);
    assert_eq!(
        body(response.await.unwrap().into_body()).await.unwrap(),
        "finished"
    );
    assert_eq!(closing.await.unwrap(), router::ServerClose::Finished);
}
