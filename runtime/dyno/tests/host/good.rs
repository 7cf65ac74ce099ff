//! Well-behaved guests: the interfaces that every app can rely on.

use grid::desired::Limits;

use crate::support::{Host, ask, get, post};

async fn serves(guest: &str) {
    let env = [("GREETING", "hello there")];
    let mut host = Host::with(guest, Limits::default(), &env).await;
    let dyno = host.up().await;
    let (dyno, reply) = ask(dyno, get("/")).await;
    assert_eq!((reply.status(), reply.finished), (200, true), "{reply:?}");
    let (dyno, reply) = ask(dyno.unwrap(), get("/env/GREETING")).await;
    assert_eq!(reply.text().trim(), "hello there");
    let (dyno, reply) = ask(dyno.unwrap(), get("/env/DYNO")).await;
    assert_eq!(reply.text().trim(), "web.1");
    let big: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    let (dyno, reply) = ask(dyno.unwrap(), post("/echo", big.clone())).await;
    assert_eq!((reply.body == big, reply.finished), (true, true));
    let (dyno, reply) = ask(dyno.unwrap(), get("/count")).await;
    let (dyno, again) = ask(dyno.unwrap(), get("/count")).await;
    assert_ne!(reply.text(), again.text(), "the instance lives on");
    let (dyno, reply) = ask(dyno.unwrap(), get("/files")).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    println!("{}", reply.text());
    let (dyno, reply) = ask(dyno.unwrap(), get("/log?lines=2")).await;
    assert_eq!(reply.status(), 200);
    let lines = host.lines();
    assert!(lines.iter().any(|line| line.contains("out 1")), "{lines:?}");
    let home = host.folder.path().join("work/demo-1");
    assert!(home.join("tmp").exists());
    drop(dyno);
}

#[tokio::test]
async fn a_guest_of_wasi_0_2_serves_reads_config_and_writes_files() {
    serves("good").await;
}

#[tokio::test]
async fn a_guest_of_wasi_0_3_serves_reads_config_and_writes_files() {
    serves("good3").await;
}

/// Regression test for tokio's cooperative budget: a task that never yields sees channels as empty. The host must not
/// take a response that has arrived for a missing response.
async fn answers_in_a_row(guest: &str) {
    let mut host = Host::new(guest).await;
    let mut dyno = host.up().await;
    for n in 0..500 {
        let (same, reply) = ask(dyno, get("/")).await;
        assert_eq!((reply.status(), reply.finished), (200, true), "request {n}");
        dyno = same.unwrap();
    }
}

#[tokio::test]
async fn a_guest_of_wasi_0_2_answers_500_requests_in_a_row() {
    answers_in_a_row("good").await;
}

#[tokio::test]
async fn a_guest_of_wasi_0_3_answers_500_requests_in_a_row() {
    answers_in_a_row("good3").await;
}
