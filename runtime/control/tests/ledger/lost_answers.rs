//! Connections that break between a request and its answer.

use crate::places::{InJetStream, all, entry};
use crate::proxy::{PAUSE, Proxy, ProxyMode};
use control::ledger::{AppendError, JetStreamLedger, Ledger, Seq};
use testkit::servers::NatsVersion;
use tokio::time::{sleep, timeout};

/// A ledger behind a proxy, and one that reaches the server without it.
async fn open_both(place: &InJetStream, proxy: &Proxy) -> (JetStreamLedger, JetStreamLedger) {
    let proxied = place.open_with(|options| options.urls = vec![proxy.url()]);
    (proxied.await.expect("opens"), place.ledger().await)
}

fn assert_ambiguous(appended: Result<Seq, AppendError>) {
    let ambiguous = matches!(appended, Err(AppendError::Ambiguous(_)));
    assert!(ambiguous, "{appended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_is_lost_is_ambiguous_and_may_be_stored() {
    let place = InJetStream::start(NatsVersion::Newest);
    let proxy = Proxy::start(place.server.port()).await;
    let (proxied, direct) = open_both(&place, &proxy).await;
    for cut in [false, true] {
        let last = all(&direct).await.len() as u64;
        proxy.set_mode(ProxyMode::DropAnswers);
        let entry = entry("lost answer");
        let append = Ledger::append(&proxied, Seq(last), &entry);
        let cutting = async {
            if cut {
                let mut stored = direct.watch();
                stored.wait_for(|at| at.0 > last).await.expect("open");
                proxy.cut();
            }
        };
        let (appended, ()) = tokio::join!(append, cutting);
        assert_ambiguous(appended);
        let kept = all(&direct).await;
        assert_eq!(kept.last(), Some(&(Seq(last + 1), entry)));
        proxy.set_mode(ProxyMode::Pass);
        proxy.cut();
        append_again(&proxied, Seq(last + 1)).await;
    }
}

/// The client connects again by itself if it has to, and then an entry is stored directly after `after`.
async fn append_again(ledger: &JetStreamLedger, after: Seq) {
    let appended = async {
        loop {
            match Ledger::append(ledger, after, &entry("next")).await {
                Ok(at) => return at,
                Err(AppendError::Conflict { .. }) => return after.next(),
                Err(AppendError::Unavailable(_) | AppendError::Ambiguous(_)) => sleep(PAUSE).await,
                Err(error @ AppendError::TooLarge { .. }) => panic!("{error}"),
            }
        }
    };
    let at = timeout(testkit::PATIENCE, appended).await;
    assert_eq!(at.expect("in time"), after.next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_never_arrives_is_ambiguous_and_not_stored() {
    let place = InJetStream::start(NatsVersion::Newest);
    let proxy = Proxy::start(place.server.port()).await;
    let (proxied, direct) = open_both(&place, &proxy).await;
    proxy.set_mode(ProxyMode::DropRequests);
    assert_ambiguous(Ledger::append(&proxied, Seq(0), &entry("lost request")).await);
    assert_eq!(all(&direct).await, []);
    let mark = entry("mark");
    let marked = Ledger::append(&direct, Seq(0), &mark).await;
    assert_eq!(marked.expect("the place is free"), Seq(1));
    proxy.set_mode(ProxyMode::Pass);
    proxy.cut();
    append_again(&proxied, Seq(1)).await;
    assert_eq!(all(&direct).await[0], (Seq(1), mark));
}

/// A request that was delayed beyond its time limit arrives when a mark has its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_arrives_late_never_takes_the_place_of_another_entry() {
    let place = InJetStream::start(NatsVersion::Newest);
    let proxy = Proxy::start(place.server.port()).await;
    let (proxied, direct) = open_both(&place, &proxy).await;
    proxy.set_mode(ProxyMode::HoldRequests);
    assert_ambiguous(Ledger::append(&proxied, Seq(0), &entry("late")).await);
    let mark = entry("mark");
    Ledger::append(&direct, Seq(0), &mark).await.expect("free");
    proxy.set_mode(ProxyMode::Pass);
    append_again(&proxied, Seq(1)).await;
    let kept = all(&direct).await;
    assert_eq!(kept[0], (Seq(1), mark));
    assert!(kept.iter().all(|(_, entry)| entry.by != "late"));
}

/// The same delay, but nobody takes the place: the entry appears after its writer was told that this is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_arrives_late_appears_at_a_free_place() {
    let place = InJetStream::start(NatsVersion::Newest);
    let proxy = Proxy::start(place.server.port()).await;
    let (proxied, direct) = open_both(&place, &proxy).await;
    proxy.set_mode(ProxyMode::HoldRequests);
    let late = entry("late");
    assert_ambiguous(Ledger::append(&proxied, Seq(0), &late).await);
    assert_eq!(all(&direct).await, []);
    let mut stored = direct.watch();
    proxy.set_mode(ProxyMode::Pass);
    let appeared = timeout(testkit::PATIENCE, stored.wait_for(|at| *at == Seq(1)));
    appeared.await.expect("in time").expect("open");
    assert_eq!(all(&direct).await, [(Seq(1), late)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_connection_nothing_is_written() {
    let mut place = InJetStream::start(NatsVersion::Newest);
    let ledger = place.ledger().await;
    let at = Ledger::append(&ledger, Seq(0), &entry("a"))
        .await
        .expect("appends");
    place.server.kill();
    // The first append may go out before the client notices.
    let mut appended = Ledger::append(&ledger, at, &entry("b")).await;
    if matches!(appended, Err(AppendError::Ambiguous(_))) {
        appended = Ledger::append(&ledger, at, &entry("b")).await;
    }
    assert!(
        matches!(appended, Err(AppendError::Unavailable(_))),
        "{appended:?}"
    );
    place.server.restart();
    append_again(&ledger, at).await;
    assert_eq!(all(&ledger).await.len(), 2);
}
