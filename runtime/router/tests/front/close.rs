//! The graceful close.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use exchange::{Kill, Reply};
use grid::protocol::Refusal;
use router::ServerClose;
use tokio::sync::Semaphore;

use crate::raw::Raw;
use crate::world::{End, World, connect, eventually, head, say};

fn gated(gate: &Arc<Semaphore>) -> World {
    let gate = gate.clone();
    World::new(1, move |request: http::Request<_>, mut reply: Reply, _| {
        let gate = gate.clone();
        async move {
            if request.uri().path() == "/body" {
                reply.send_head(head(200)).unwrap();
                reply.send_data(Bytes::from_static(b"piece"));
                gate.acquire().await.unwrap().forget();
                reply.finish(None);
                return End::Free;
            }
            gate.acquire().await.unwrap().forget();
            say(reply, 200, "finished")
        }
    })
}

#[tokio::test]
async fn requests_under_way_are_finished_and_idle_connections_closed() {
    let gate = Arc::new(Semaphore::new(0));
    let world = gated(&gate);
    let server = world.listen().await;
    let address = server.address();
    let mut fresh = Raw::new(connect(&server).await);
    let mut idle = Raw::new(connect(&server).await);
    gate.add_permits(1);
    assert_eq!(idle.get("/").await.status, 200);
    let mut busy = Raw::new(connect(&server).await);
    busy.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.statistics().calls == 1).await;
    eventually(|| world.router.statistics().connections == 3).await;
    let closing = tokio::spawn(server.close(Duration::from_secs(100)));
    assert!(idle.is_closed().await);
    assert!(fresh.is_closed().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    gate.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!(answer.body, "finished");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.is_closed().await);
    assert_eq!(closing.await.unwrap(), ServerClose::Finished);
    assert!(world.recorded(2).await.iter().all(|r| r.code.is_none()));
}

#[tokio::test]
async fn a_client_that_connected_before_the_close_is_still_answered() {
    let gate = Arc::new(Semaphore::new(100));
    let world = gated(&gate);
    let server = world.listen().await;
    let mut silent = Raw::new(connect(&server).await);
    let mut halfway = Raw::new(connect(&server).await);
    halfway.send("GET / HT").await;
    eventually(|| world.router.statistics().connections == 2).await;
    let mut idle = Raw::new(connect(&server).await);
    assert_eq!(idle.get("/").await.status, 200);
    let closing = tokio::spawn(server.close(Duration::from_secs(100)));
    assert!(idle.is_closed().await, "the router closes");
    silent
        .send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    halfway
        .send("TP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    for mut raw in [silent, halfway] {
        assert_eq!(raw.answer().await.body, "finished");
        assert!(raw.is_closed().await);
    }
    assert_eq!(closing.await.unwrap(), ServerClose::Finished);
}

/// The head that was arriving is answered, and no later one.
#[tokio::test]
async fn a_client_that_keeps_sending_requests_does_not_keep_its_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let world = gated(&gate);
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("GET /1 HTTP/1.1\r\nhost: hello.localhost\r\n\r\nGET /2 HTTP/1.1\r\nho")
        .await;
    eventually(|| world.router.statistics().calls == 1).await;
    let mut idle = Raw::new(connect(&server).await);
    eventually(|| world.router.statistics().connections == 2).await;
    let closing = tokio::spawn(server.close(Duration::from_secs(100)));
    assert!(idle.is_closed().await, "the router closes");
    gate.add_permits(100);
    assert_eq!(raw.answer().await.body, "finished");
    for number in 3..10 {
        raw.try_send(format!(
            "st: hello.localhost\r\n\r\nGET /{number} HTTP/1.1\r\nho"
        ))
        .await;
        let Some(answer) = raw.try_answer(false).await else {
            break;
        };
        assert_eq!((number, answer.body.as_str()), (3, "finished"));
    }
    assert_eq!(closing.await.unwrap(), ServerClose::Finished);
}

#[tokio::test]
async fn requests_that_outlast_the_grace_time_get_h24() {
    let gate = Arc::new(Semaphore::new(0));
    let world = gated(&gate);
    let server = world.listen().await;
    let mut served = Raw::new(connect(&server).await);
    served
        .send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.statistics().calls == 1).await;
    let mut waiting = Raw::new(connect(&server).await);
    waiting
        .send("GET /2 HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.load(&crate::world::app()).unwrap().waiting == 1).await;
    let closing = tokio::spawn(server.close(Duration::from_millis(50)));
    for raw in [&mut served, &mut waiting] {
        let answer = raw.answer().await;
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("H24"), "{}", answer.body);
    }
    assert_eq!(closing.await.unwrap(), ServerClose::Forced(2));
    let records = world.recorded(2).await;
    assert!(records.iter().all(|r| r.code == Some(Refusal::ForcedClose)));
    eventually(|| world.kills() == [Kill::Forced]).await;
}

#[tokio::test]
async fn a_response_body_that_outlasts_the_grace_time_is_aborted() {
    let gate = Arc::new(Semaphore::new(0));
    let world = gated(&gate);
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("GET /body HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.statistics().calls == 1).await;
    let closing = tokio::spawn(server.close(Duration::from_millis(50)));
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.complete), (200, false));
    assert_eq!(closing.await.unwrap(), ServerClose::Forced(1));
    assert_eq!(world.recorded(1).await[0].code, Some(Refusal::ForcedClose));
}

#[tokio::test]
async fn a_second_close_ends_the_grace_time() {
    let gate = Arc::new(Semaphore::new(0));
    let world = gated(&gate);
    let server = world.listen().await;
    let mut raw = Raw::new(connect(&server).await);
    raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| world.router.statistics().calls == 1).await;
    // Longer than a test may run.
    let closing = tokio::spawn(server.close(Duration::from_secs(1_000_000)));
    assert_eq!(world.router.load(&crate::world::app()).unwrap().busy, 1);
    world.router.force();
    assert!(raw.answer().await.body.contains("H24"));
    assert!(matches!(closing.await.unwrap(), ServerClose::Forced(_)));
}
