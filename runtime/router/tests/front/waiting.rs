//! One request at a time for each dyno, one queue for each app.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use exchange::{Reply, RequestBody};
use grid::protocol::{Refusal, RouteTarget};
use http::Request;
use router::Load;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::raw::Raw;
use crate::world::{End, World, app, connect, eventually, key, route_to, say};

/// A guest that notes its path and then waits for a permit.
#[derive(Clone)]
struct Gate {
    order: Arc<Mutex<Vec<String>>>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Gate {
            order: Arc::default(),
            inside: Arc::default(),
            most: Arc::default(),
            open: Arc::new(Semaphore::new(0)),
        }
    }

    fn world(&self, dynos: u32) -> World {
        let gate = self.clone();
        World::new(dynos, move |request, reply, _| {
            gate.clone().pass(request, reply)
        })
    }

    async fn pass(self, request: Request<RequestBody>, reply: Reply) -> End {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
        self.order
            .lock()
            .unwrap()
            .push(request.uri().path().to_owned());
        self.open.acquire().await.unwrap().forget();
        self.inside.fetch_sub(1, SeqCst);
        say(reply, 200, request.uri().path())
    }

    fn order(&self) -> Vec<String> {
        self.order.lock().unwrap().clone()
    }
}

fn load(world: &World) -> Load {
    world.router.load(&app()).unwrap()
}

/// Sends `GET /n` on a pipe of its own and waits until the router has it.
async fn queue(world: &World, n: usize) -> Raw<tokio::io::DuplexStream> {
    let mut raw = Raw::new(world.pipe());
    let waiting = load(world).waiting;
    raw.send(format!(
        "GET /{n} HTTP/1.1\r\nhost: hello.localhost\r\n\r\n"
    ))
    .await;
    eventually(|| load(world).waiting > waiting).await;
    raw
}

#[tokio::test]
async fn requests_are_served_one_at_a_time_in_order_of_arrival() {
    let gate = Gate::new();
    let world = gate.world(1);
    let mut first = Raw::new(world.pipe());
    first
        .send("GET /first HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| gate.order().len() == 1).await;
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(queue(&world, n).await);
    }
    gate.open.add_permits(100);
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().await.body, format!("/{n}"));
    }
    assert_eq!(gate.most.load(SeqCst), 1);
    let expected: Vec<_> = std::iter::once("/first".to_owned())
        .chain((0..20).map(|n| format!("/{n}")))
        .collect();
    assert_eq!(gate.order(), expected);
    let records = world.recorded(21).await;
    for record in &records {
        let path = record.path.as_ref().unwrap().path();
        let ahead = path[1..].parse().unwrap_or(0);
        assert_eq!(record.queue, ahead, "{path}");
    }
    assert_eq!(
        load(&world),
        Load {
            free: 1,
            ..Load::default()
        }
    );
}

#[tokio::test]
async fn a_request_goes_to_a_free_dyno_while_another_is_busy() {
    let gate = Gate::new();
    let inner = gate.clone();
    let world = World::new(2, move |request: Request<RequestBody>, reply, _| {
        let gate = inner.clone();
        async move {
            match request.uri().path() {
                "/slow" => gate.pass(request, reply).await,
                path => say(reply, 200, path),
            }
        }
    });
    let mut slow = Raw::new(world.pipe());
    slow.send("GET /slow HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| gate.order().len() == 1).await;
    let mut raw = Raw::new(world.pipe());
    for _ in 0..100 {
        assert_eq!(raw.get("/quick").await.body, "/quick");
    }
    gate.open.add_permits(1);
    assert_eq!(slow.answer().await.body, "/slow");
    let records = world.recorded(101).await;
    let quick = records
        .iter()
        .filter(|r| r.path.as_ref().unwrap().path() == "/quick");
    assert!(quick.clone().all(|r| r.queue == 0));
    assert_eq!(quick.count(), 100);
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_takes_no_dyno() {
    let gate = Gate::new();
    let world = gate.world(1);
    let mut first = Raw::new(world.pipe());
    first
        .send("GET /first HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| gate.order().len() == 1).await;
    let mut clients = Vec::new();
    for n in 0..9 {
        clients.push(queue(&world, n).await);
    }
    // Every third client hangs up.
    let mut n = 0;
    clients.retain(|_| {
        n += 1;
        n % 3 != 0
    });
    eventually(|| load(&world).waiting == 6).await;
    gate.open.add_permits(100);
    for client in &mut clients {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(gate.order(), ["/first", "/0", "/1", "/3", "/4", "/6", "/7"]);
    assert_eq!(load(&world).free, 1);
    let lines = world.lines(10).await;
    let left: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("code=H27"))
        .collect();
    assert_eq!(left.len(), 3);
    assert!(
        left[0].contains("at=warning") && left[0].contains("dyno= queue=2"),
        "{}",
        left[0]
    );
    assert!(left[0].contains("status=499"));
}

#[tokio::test]
async fn no_dyno_is_lost_when_a_client_leaves_as_its_turn_comes() {
    for round in 0..200_u32 {
        let gate = Gate::new();
        let world = gate.world(1);
        let mut first = Raw::new(world.pipe());
        first
            .send("GET /first HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
            .await;
        eventually(|| gate.order().len() == 1).await;
        let second = queue(&world, 2).await;
        gate.open.add_permits(2);
        for _ in 0..round % 8 {
            tokio::task::yield_now().await;
        }
        drop(second);
        eventually(|| load(&world).free == 1).await;
    }
}

#[tokio::test]
async fn the_queue_of_an_app_is_bounded() {
    let gate = Gate::new();
    let world = gate.world(1);
    world.publish(route_to(&[key(1, 1)]), Vec::new(), 2);
    let mut first = Raw::new(world.pipe());
    first
        .send("GET /first HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| gate.order().len() == 1).await;
    let mut waiting = [queue(&world, 0).await, queue(&world, 1).await];
    let mut raw = Raw::new(world.pipe());
    let answer = raw.get("/too-much").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.body.contains("H11"), "{}", answer.body);
    gate.open.add_permits(10);
    for client in &mut waiting {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(raw.get("/again").await.status, 200);
}

#[tokio::test]
async fn a_thousand_waiting_requests_are_all_served() {
    let gate = Gate::new();
    let world = gate.world(1);
    world.publish(route_to(&[key(1, 1)]), Vec::new(), 1000);
    let server = world.listen().await;
    let mut first = Raw::new(world.pipe());
    first
        .send("GET /first HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| gate.order().len() == 1).await;
    let mut clients = JoinSet::new();
    for n in 0..1000 {
        let stream = connect(&server).await;
        clients.spawn(async move { Raw::new(stream).get(&format!("/{n}")).await });
    }
    eventually(|| load(&world).waiting == 1000).await;
    gate.open.add_permits(2000);
    let mut served = 0;
    while let Some(answer) = clients.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
        served += 1;
    }
    assert_eq!((served, gate.most.load(SeqCst)), (1000, 1));
    let records = world.recorded(1001).await;
    assert!(records.iter().any(|r| r.queue == 999));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_drop_no_request() {
    let inside = Arc::new(Mutex::new(std::collections::HashSet::new()));
    let world = Arc::new(World::new(3, move |_, reply, key| {
        let inside = inside.clone();
        async move {
            assert!(
                inside.lock().unwrap().insert(key.clone()),
                "{key} is used twice"
            );
            tokio::task::yield_now().await;
            inside.lock().unwrap().remove(&key);
            say(reply, 200, "ok")
        }
    }));
    let server = world.listen().await;
    let stop = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (mut raw, stop) = (Raw::new(connect(&server).await), stop.clone());
        clients.spawn(async move {
            let mut served = 0;
            while stop.load(SeqCst) == 0 {
                assert_eq!(raw.get("/").await.status, 200);
                served += 1;
            }
            served
        });
    }
    for run in 2..100 {
        let count = 1 + u32::try_from(run % 4).unwrap();
        let keys: Vec<_> = (1..=count).map(|index| key(index, run)).collect();
        world.serve(&keys, &keys);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    stop.store(1, SeqCst);
    let mut served = 0;
    while let Some(count) = clients.join_next().await {
        served += count.unwrap();
    }
    let records = world.recorded(served).await;
    assert_eq!(records.len(), served);
    assert!(records.iter().all(|r| r.code.is_none() && r.status == 200));
    // Every dyno that is not in the last route was given back to its node.
    let all: u64 = 3 + (2..100).map(|run| 1 + run % 4).sum::<u64>();
    let released = || world.events.released.lock().unwrap().len() as u64;
    eventually(|| released() == all - (1 + 99 % 4)).await;
}

#[tokio::test]
async fn waiting_requests_survive_a_swap_and_a_boot() {
    let gate = Gate::new();
    let world = gate.world(1);
    let mut first = Raw::new(world.pipe());
    first
        .send("GET /first HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
        .await;
    eventually(|| gate.order().len() == 1).await;
    let mut waiting = queue(&world, 0).await;
    world.publish(RouteTarget::Booting, Vec::new(), 100);
    assert_eq!(load(&world).waiting, 1);
    gate.open.add_permits(10);
    assert_eq!(first.answer().await.body, "/first");
    // The dyno is not in the route any more, so it was released and not handed on.
    eventually(|| world.events.released.lock().unwrap().len() == 1).await;
    world.serve(&[key(1, 2)], &[key(1, 2)]);
    assert_eq!(waiting.answer().await.body, "/0");
    let mut other = {
        gate.open.forget_permits(100);
        let mut raw = Raw::new(world.pipe());
        raw.send("GET /x HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
            .await;
        eventually(|| gate.order().len() == 3).await;
        queue(&world, 1).await
    };
    world.publish(RouteTarget::Refuse(Refusal::Maintenance), Vec::new(), 100);
    let answer = other.answer().await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("H80"));
    assert!(
        world
            .lines(3)
            .await
            .iter()
            .any(|l| l.starts_with("at=info code=H80"))
    );
}
