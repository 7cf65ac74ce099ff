//! Dynos without requests are put to sleep, without an effect on requests.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use grid::name::DynoKey;
use router::Load;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::raw::Raw;
use crate::world::{End, World, app, eventually, key, say};

const IDLE_AFTER: Duration = Duration::from_secs(60);
/// A little more than the longest delay of the sweeper.
const LATE: Duration = Duration::from_secs(3);

/// Answers with the name of the dyno.
fn world(dynos: u32) -> World {
    let world = World::new(dynos, |_, reply, key: DynoKey| async move {
        say(reply, 200, &key.dyno.to_string())
    });
    world.change(Vec::new(), |route| route.idle_after = Some(IDLE_AFTER));
    world
}

fn load(world: &World) -> Load {
    world.router.load(&app()).unwrap()
}

fn slept(world: &World) -> usize {
    world.events.slept.lock().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_dyno_without_requests_sleeps_once_and_never_too_early() {
    let world = world(3);
    sleep(IDLE_AFTER - Duration::from_millis(1)).await;
    assert_eq!(slept(&world), 0);
    sleep(LATE).await;
    eventually(|| load(&world).asleep == 3).await;
    assert_eq!((load(&world).free, load(&world).busy), (3, 0));
    sleep(IDLE_AFTER * 10).await;
    assert_eq!(slept(&world), 3, "who sleeps is left alone");
}

#[tokio::test(start_paused = true)]
async fn a_request_wakes_a_dyno_and_its_idle_time_starts_again() {
    let world = world(1);
    sleep(IDLE_AFTER + LATE).await;
    eventually(|| slept(&world) == 1).await;
    let mut raw = Raw::new(world.pipe());
    assert_eq!(raw.get("/").await.body, "web.1");
    assert_eq!(load(&world).asleep, 0);
    sleep(IDLE_AFTER - Duration::from_millis(1)).await;
    assert_eq!(slept(&world), 1);
    sleep(LATE).await;
    eventually(|| slept(&world) == 2).await;
    assert_eq!(Raw::new(world.pipe()).get("/").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn used_dynos_stay_awake_while_unused_dynos_sleep() {
    let world = world(3);
    let mut raw = Raw::new(world.pipe());
    let first = raw.get("/").await.body;
    for _ in 0..30 {
        sleep(Duration::from_secs(10)).await;
        assert_eq!(raw.get("/").await.body, first);
    }
    eventually(|| load(&world).asleep == 2).await;
    let names: Vec<_> = world.events.slept.lock().unwrap().clone();
    assert!(names.iter().all(|key| key.dyno.to_string() != first));
}

#[tokio::test(start_paused = true)]
async fn a_busy_dyno_does_not_sleep() {
    let gate = Arc::new(Semaphore::new(0));
    let inner = gate.clone();
    let world = World::new(1, move |_, reply, _| {
        let gate = inner.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            say(reply, 200, "done")
        }
    });
    world.change(Vec::new(), |route| {
        route.idle_after = Some(Duration::from_secs(1));
        route.request_timeout = Some(Duration::from_secs(600));
    });
    let mut raw = Raw::new(world.pipe());
    raw.send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    sleep(Duration::from_secs(500)).await;
    assert_eq!((slept(&world), load(&world).busy), (0, 1));
    gate.add_permits(1);
    assert_eq!(raw.answer().await.status, 200);
    sleep(LATE).await;
    eventually(|| slept(&world) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_route_leaves_sleeping_dynos_asleep() {
    let world = world(2);
    sleep(IDLE_AFTER + LATE).await;
    eventually(|| load(&world).asleep == 2).await;
    // One dyno leaves the route, and one is new.
    world.serve(&[key(1, 1), key(3, 1)], &[key(3, 1)]);
    let Load { free, asleep, .. } = load(&world);
    assert_eq!((free, asleep), (2, 1));
    assert_eq!(*world.events.released.lock().unwrap(), [key(2, 1)]);
    let mut raw = Raw::new(world.pipe());
    assert_eq!(raw.get("/").await.body, "web.3", "one awake is taken first");
    // Without a time after which dynos sleep, awake dynos stay awake, and sleeping ones asleep.
    world.change(Vec::new(), |route| route.idle_after = None);
    sleep(IDLE_AFTER * 10).await;
    assert_eq!((slept(&world), load(&world).asleep), (2, 1));
    world.change(Vec::new(), |route| route.idle_after = Some(IDLE_AFTER));
    sleep(IDLE_AFTER + LATE).await;
    eventually(|| load(&world).asleep == 2).await;
}

/// A dyno that is being put to sleep is not in the free list for that moment: requests, swaps and withdrawals
/// in that moment must lose nothing.
#[tokio::test(start_paused = true)]
async fn requests_that_arrive_while_a_dyno_falls_asleep_are_served() {
    let world = Arc::new(world(1));
    let answered = Arc::new(Mutex::new(0));
    for round in 0..200_u64 {
        sleep(IDLE_AFTER - Duration::from_millis(500) + Duration::from_millis(round * 10)).await;
        let mut raw = Raw::new(world.pipe());
        assert_eq!(raw.get("/").await.status, 200);
        *answered.lock().unwrap() += 1;
        if round % 10 == 0 {
            world.serve(&[key(1, round + 2)], &[key(1, round + 2)]);
        }
    }
    assert_eq!(*answered.lock().unwrap(), 200);
    assert!(slept(&world) > 50, "{}", slept(&world));
    assert_eq!((load(&world).free, load(&world).busy), (1, 0));
    world.router.withdraw(&app());
    let gone = || world.events.released.lock().unwrap().len();
    eventually(|| gone() == 1 + 20).await;
}

#[tokio::test]
async fn running_requests_of_a_withdrawn_app_are_finished() {
    let gate = Arc::new(Semaphore::new(0));
    let inner = gate.clone();
    let world = World::new(1, move |_, reply, _| {
        let gate = inner.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            say(reply, 200, "finished")
        }
    });
    let ask = "GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n";
    let mut served = Raw::new(world.pipe());
    served.send(ask).await;
    eventually(|| load(&world).busy == 1).await;
    let mut waiting = Raw::new(world.pipe());
    waiting.send(ask).await;
    eventually(|| load(&world).waiting == 1).await;
    world.router.withdraw(&app());
    assert!(waiting.answer().await.body.contains("H14"));
    assert_eq!(Raw::new(world.pipe()).get("/").await.status, 404);
    assert!(world.router.loads().is_empty());
    gate.add_permits(1);
    assert_eq!(served.answer().await.body, "finished");
    eventually(|| world.events.released.lock().unwrap().len() == 1).await;
}

#[tokio::test]
async fn requests_are_counted_by_app_and_status() {
    let world = World::new(1, |request: http::Request<_>, reply, _| async move {
        match request.uri().path() {
            "/trap" => End::Trap,
            path => say(reply, path[1..].parse().unwrap(), "."),
        }
    });
    let mut raw = Raw::new(world.pipe());
    for path in ["/200", "/204", "/302", "/404"] {
        raw.get(path).await;
    }
    raw.ask("GET / HTTP/1.1\r\nhost: no.such.app\r\n\r\n").await;
    raw.get("/trap").await;
    world.recorded(6).await;
    assert_eq!(world.router.served(), [(app(), [0, 2, 1, 1, 1])]);
    let stats = world.router.statistics();
    assert_eq!((stats.requests, stats.statuses), (6, [0, 2, 1, 2, 1]));
    let busy = Load {
        busy: 1,
        ..Load::default()
    };
    assert_eq!(world.router.loads(), [(app(), busy)], "one is lost");
}
