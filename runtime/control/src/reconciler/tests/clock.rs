//! The times of ledger entries, which the reconciler gives.

use super::*;
use crate::access::{Role, mint_token};
use crate::command::{AddonCommand, AddonSpec};
use crate::ledger::{IdempotencyKey, LedgerEntry};
use crate::reconciler::{LedgerClock, create_token_offline};
use grid::desired::{AddonService, SecretText};
use grid::name::AddonName;
use std::sync::atomic::{AtomicU64, Ordering};

/// One day in milliseconds: the life of an idempotency key.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A clock that a test sets.
#[derive(Clone)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn at(now_ms: u64) -> TestClock {
        TestClock(Arc::new(AtomicU64::new(now_ms)))
    }

    fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    async fn bench(&self, ledger: &Arc<dyn Ledger>) -> Bench {
        let now = Arc::clone(&self.0);
        let clock = LedgerClock::new(move || now.load(Ordering::Relaxed));
        Bench::with_clock(Arc::clone(ledger), clock).await
    }
}

fn create_app() -> Command {
    Command::CreateApp {
        app: app(),
        hostnames: vec![],
    }
}

fn create_addon(name: &AddonName) -> Command {
    Command::Addon(AddonCommand::Create(AddonSpec {
        name: name.clone(),
        service: AddonService::Redis,
        owner: app(),
        attach_as: "REDIS".parse().expect("valid"),
        password: SecretText("secret".into()),
    }))
}

impl Bench {
    /// Executes a command, and returns the time that the answer names.
    async fn change_at(&self, command: Command) -> u64 {
        let accepted = self.control.execute_command(command, me(), None).await;
        accepted.expect("accepted").at_ms
    }

    async fn times(&self) -> Vec<u64> {
        let entries = self.ledger.read(Seq::START, usize::MAX).await;
        let entries: Vec<(Seq, LedgerEntry)> = entries.expect("reads");
        entries.iter().map(|(_, entry)| entry.at_ms).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_reconciler_gives_every_change_its_time() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let clock = TestClock::at(1_000);
    let bench = clock.bench(&ledger).await;
    clock.set(2_000);
    assert_eq!(bench.change_at(create_app()).await, 2_000);
    clock.set(3_000);
    assert_eq!(bench.change_at(deployed(GOOD)).await, 3_000);
    clock.set(4_000);
    let addon: AddonName = "redis-1".parse().expect("valid");
    assert_eq!(bench.change_at(create_addon(&addon)).await, 4_000);
    clock.set(5_000);
    let (token, _) = mint_token("ci", Role::Read, None);
    let id = token.id.clone();
    let created = bench.control.create_token(token, me(), None).await;
    assert_eq!(created.expect("accepted").at_ms, 5_000);
    let view = bench.control.view();
    assert_eq!(
        view.origin(&app()).map(|origin| origin.created_ms),
        Some(2_000)
    );
    let release = view.desired.apps[&app()].newest_release();
    assert_eq!(release.map(|release| release.created_ms), Some(3_000));
    let request = &view.desired.addons[&addon].request;
    assert_eq!((request.created_ms, &*request.created_by), (4_000, "me"));
    let token = view.tokens.get(&id).expect("created");
    assert_eq!((token.created_ms, &*token.created_by), (5_000, "me"));
}

#[tokio::test(start_paused = true)]
async fn times_never_fall_when_a_clock_goes_back_or_a_leader_has_another_clock() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let clock = TestClock::at(5_000);
    let first = clock.bench(&ledger).await;
    first.accept(create_app()).await;
    clock.set(4_000);
    assert_eq!(first.change_at(maintenance(true)).await, 5_000);
    let second = TestClock::at(10).bench(&ledger).await;
    assert_eq!(second.change_at(maintenance(false)).await, 5_000);
    assert_eq!(second.change_at(deployed(GOOD)).await, 5_000);
    let third = TestClock::at(6_000).bench(&ledger).await;
    assert_eq!(third.change_at(maintenance(true)).await, 6_000);
    sleep(Duration::from_secs(1)).await;
    // Planned facts, starts and markers have such times as well.
    let times = third.times().await;
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(times.first(), Some(&5_000));
}

#[tokio::test(start_paused = true)]
async fn times_do_not_fall_below_those_of_a_foreign_entry() {
    let ledger = Arc::new(FaultyLedger::default());
    let shared = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let clock = TestClock::at(5_000);
    let bench = clock.bench(&shared).await;
    bench.accept(create_app()).await;
    let (token, _) = mint_token("lost", Role::Admin, None);
    // By the clock of the operating system, which is ahead.
    let created = create_token_offline(Arc::clone(&shared), token, me()).await;
    let created_ms = created.expect("a token").created_ms;
    assert!(created_ms > 5_000);
    assert_eq!(bench.change_at(maintenance(true)).await, created_ms);
    ledger.set(LedgerFault::Lost);
    assert!(bench.try_command(maintenance(false)).await.is_err());
    let times = bench.times().await;
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_made_offline_is_not_older_than_the_ledger() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let far_ms = 1 << 50;
    let bench = TestClock::at(far_ms).bench(&ledger).await;
    bench.accept(create_app()).await;
    let (token, _) = mint_token("lost", Role::Admin, None);
    let created = create_token_offline(Arc::clone(&ledger), token, me()).await;
    assert_eq!(created.expect("a token").created_ms, far_ms);
}

#[tokio::test(start_paused = true)]
async fn idempotency_keys_expire_by_the_time_in_the_ledger() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let clock = TestClock::at(1_000);
    let first = clock.bench(&ledger).await;
    first.accept(create_app()).await;
    let key = || IdempotencyKey::new("k", b"deploy").ok();
    let deploy = |bench: &Bench| {
        let control = bench.control.clone();
        async move {
            let accepted = control.execute_command(deployed(GOOD), me(), key()).await;
            accepted.expect("accepted")
        }
    };
    let made = deploy(&first).await;
    assert_eq!((made.repeated, made.at_ms), (false, 1_000));
    // The clock of the next leader is behind. A repetition names the time of the first request.
    let second = TestClock::at(0).bench(&ledger).await;
    let again = deploy(&second).await;
    assert_eq!((again.repeated, again.at_ms), (true, 1_000));
    let third = TestClock::at(DAY_MS).bench(&ledger).await;
    assert!(deploy(&third).await.repeated);
    let fourth = TestClock::at(DAY_MS + 1_000).bench(&ledger).await;
    let made = deploy(&fourth).await;
    assert_eq!((made.repeated, made.at_ms), (false, DAY_MS + 1_000));
    assert_eq!(made.version, Some(version(2)));
}
