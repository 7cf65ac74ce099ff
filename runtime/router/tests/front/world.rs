//! A router with plain functions for dynos, on a real socket or on pipes in virtual time.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use exchange::{Call, CallEnd, DynoHandle, DynoRequest, Kill, Reply, RequestBody};
use grid::name::{AppName, DynoId, DynoKey, Generation, ProcessType, Run};
use grid::protocol::{Route, RouteTarget, RoutedDyno};
use http::Request;
use http::response::Parts;
use http_body_util::BodyExt;
use router::{AccessRecord, Peer, Router, RouterConfig, RouterLimits, RouterServer, TrustedProxy};
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};

/// How a guest ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Free,
    Trap,
}

pub(crate) type Guest = Pin<Box<dyn Future<Output = End> + Send>>;
type Handler = Arc<dyn Fn(Request<RequestBody>, Reply, DynoKey) -> Guest + Send + Sync>;

/// The history of the dynos of a world.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) kills: Mutex<Vec<Kill>>,
    pub(crate) released: Mutex<Vec<DynoKey>>,
    /// Each time that a dyno was put to sleep.
    pub(crate) slept: Mutex<Vec<DynoKey>>,
    /// The dynos of the world are servers.
    pub(crate) serve: AtomicBool,
}

/// A dyno that is a function.
pub(crate) struct FnDyno {
    key: DynoKey,
    handler: Handler,
    events: Arc<Events>,
}

impl Drop for FnDyno {
    fn drop(&mut self) {
        self.events.released.lock().unwrap().push(self.key.clone());
    }
}

pub(crate) struct FnCall {
    guest: Guest,
    dyno: Option<FnDyno>,
    events: Arc<Events>,
}

impl DynoHandle for FnDyno {
    type Call = FnCall;

    fn key(&self) -> &DynoKey {
        &self.key
    }

    fn call(self, request: DynoRequest, reply: Reply) -> FnCall {
        FnCall {
            guest: (self.handler)(request.into_request(), reply, self.key.clone()),
            events: self.events.clone(),
            dyno: Some(self),
        }
    }

    fn can_switch_protocols(&self) -> bool {
        self.events.serve.load(Ordering::SeqCst)
    }

    fn sleep(&mut self) {
        self.events.slept.lock().unwrap().push(self.key.clone());
    }
}

impl Future for FnCall {
    type Output = CallEnd<FnDyno>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.guest.as_mut().poll(cx).map(|end| match end {
            End::Free => CallEnd::Free(self.dyno.take().expect("polled after its end")),
            End::Trap => CallEnd::Gone,
        })
    }
}

impl Call<FnDyno> for FnCall {
    fn kill(self, why: Kill) {
        self.events.kills.lock().unwrap().push(why);
    }
}

/// A router, its app `hello`, and what the test observed.
pub(crate) struct World {
    pub(crate) router: Router<FnDyno>,
    pub(crate) events: Arc<Events>,
    pub(crate) records: Arc<Mutex<Vec<AccessRecord>>>,
    handler: Handler,
    last: Mutex<Route>,
}

pub(crate) fn app() -> AppName {
    "hello".parse().unwrap()
}

pub(crate) fn key(index: u32, run: u64) -> DynoKey {
    DynoKey {
        app: app(),
        dyno: DynoId {
            process: ProcessType::web(),
            index,
        },
        run: Run(run),
    }
}

impl World {
    /// `dynos` free dynos that all run `guest`.
    pub(crate) fn new<F, G>(dynos: u32, guest: F) -> World
    where
        F: Fn(Request<RequestBody>, Reply, DynoKey) -> G + Send + Sync + 'static,
        G: Future<Output = End> + Send + 'static,
    {
        World::with(RouterLimits::default(), dynos, guest)
    }

    pub(crate) fn with<F, G>(limits: RouterLimits, dynos: u32, guest: F) -> World
    where
        F: Fn(Request<RequestBody>, Reply, DynoKey) -> G + Send + Sync + 'static,
        G: Future<Output = End> + Send + 'static,
    {
        World::behind(&[], limits, dynos, guest)
    }

    /// The same behind trusted proxies.
    pub(crate) fn behind<F, G>(
        proxies: &[&str],
        limits: RouterLimits,
        dynos: u32,
        guest: F,
    ) -> World
    where
        F: Fn(Request<RequestBody>, Reply, DynoKey) -> G + Send + Sync + 'static,
        G: Future<Output = End> + Send + 'static,
    {
        let proxies = proxies.iter().map(|text| text.parse().unwrap());
        let proxies: Vec<TrustedProxy> = proxies.collect();
        let config = RouterConfig {
            limits,
            trusted: proxies.into(),
            ..RouterConfig::default()
        };
        World::with_config(config, dynos, guest)
    }

    pub(crate) fn with_config<F, G>(config: RouterConfig, dynos: u32, guest: F) -> World
    where
        F: Fn(Request<RequestBody>, Reply, DynoKey) -> G + Send + Sync + 'static,
        G: Future<Output = End> + Send + 'static,
    {
        let records: Arc<Mutex<Vec<AccessRecord>>> = Arc::default();
        let seen = records.clone();
        let sink = Arc::new(move |record: &AccessRecord| seen.lock().unwrap().push(record.clone()));
        let world = World {
            router: Router::with_config(config, sink),
            events: Arc::default(),
            records,
            handler: Arc::new(move |request, reply, key| {
                Box::pin(guest(request, reply, key)) as Guest
            }),
            last: Mutex::new(Route {
                app: app(),
                generation: Generation(0),
                hostnames: vec!["hello.localhost".parse().unwrap()],
                version: None,
                backlog_max: 0,
                request_timeout: None,
                idle_after: None,
                target: RouteTarget::Booting,
            }),
        };
        let keys: Vec<_> = (1..=dynos).map(|index| key(index, 1)).collect();
        world.serve(&keys, &keys);
        world
    }

    /// The same with server dynos.
    pub(crate) fn servers<F, G>(dynos: u32, guest: F) -> World
    where
        F: Fn(Request<RequestBody>, Reply, DynoKey) -> G + Send + Sync + 'static,
        G: Future<Output = End> + Send + 'static,
    {
        let world = World::new(dynos, guest);
        world.events.serve.store(true, Ordering::SeqCst);
        world
    }

    /// The last route that was published.
    pub(crate) fn route(&self) -> Route {
        self.last.lock().unwrap().clone()
    }

    pub(crate) fn dyno(&self, key: &DynoKey) -> FnDyno {
        FnDyno {
            key: key.clone(),
            handler: self.handler.clone(),
            events: self.events.clone(),
        }
    }

    /// Publishes a route with these dynos, of which some are new.
    pub(crate) fn serve(&self, keys: &[DynoKey], fresh: &[DynoKey]) {
        let serve = route_to(keys);
        let fresh = fresh.iter().map(|key| self.dyno(key)).collect();
        self.publish(serve, fresh, 100 * u32::try_from(keys.len()).unwrap());
    }

    pub(crate) fn publish(&self, serve: RouteTarget, fresh: Vec<FnDyno>, backlog_max: u32) {
        self.change(fresh, |route| {
            route.backlog_max = backlog_max;
            route.target = serve;
        });
    }

    /// Publishes the last route with a change.
    pub(crate) fn change(&self, fresh: Vec<FnDyno>, change: impl FnOnce(&mut Route)) {
        let mut route = self.last.lock().unwrap();
        route.generation.0 += 1;
        change(&mut route);
        self.router.publish(route.clone(), fresh).unwrap();
    }

    pub(crate) async fn listen(&self) -> RouterServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.router.listen(listener).unwrap()
    }

    /// A connection without a socket, for tests in virtual time.
    pub(crate) fn pipe(&self) -> DuplexStream {
        self.pipe_from("192.0.2.7")
    }

    /// The same from another address.
    pub(crate) fn pipe_from(&self, client: &str) -> DuplexStream {
        let address: std::net::IpAddr = client.parse().unwrap();
        let (client, server) = tokio::io::duplex(16 * 1024);
        let router = self.router.clone();
        let peer = Peer {
            client: (address, 4711).into(),
            port: 8080,
            tls: false,
        };
        tokio::spawn(async move { router.serve(server, peer).await });
        client
    }

    /// The log lines so far, once there are `count`.
    pub(crate) async fn lines(&self, count: usize) -> Vec<String> {
        self.recorded(count).await;
        let records = self.records.lock().unwrap();
        records.iter().map(ToString::to_string).collect()
    }

    pub(crate) async fn recorded(&self, count: usize) -> Vec<AccessRecord> {
        eventually(|| self.records.lock().unwrap().len() >= count).await;
        self.records.lock().unwrap().clone()
    }

    pub(crate) fn kills(&self) -> Vec<Kill> {
        self.events.kills.lock().unwrap().clone()
    }
}

/// Waits until `condition` holds; fails if it never does.
pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the condition never holds");
}

pub(crate) fn head(status: u16) -> Parts {
    http::Response::builder()
        .status(status)
        .body(())
        .unwrap()
        .into_parts()
        .0
}

/// Sends a whole response.
pub(crate) fn say(mut reply: Reply, status: u16, text: &str) -> End {
    reply.send_head(head(status)).unwrap();
    reply.send_data(Bytes::copy_from_slice(text.as_bytes()));
    reply.finish(None);
    End::Free
}

/// Answers with the request's body.
pub(crate) async fn echo(request: Request<RequestBody>, reply: Reply) -> End {
    match request.into_body().collect().await {
        Ok(body) => say(reply, 200, &String::from_utf8_lossy(&body.to_bytes())),
        Err(error) => say(reply, 500, &error.to_string()),
    }
}

/// Waits for room, and sends a piece.
pub(crate) async fn send(reply: &mut Reply, data: Bytes) {
    std::future::poll_fn(|cx| reply.poll_ready(cx)).await;
    reply.send_data(data);
}

pub(crate) async fn connect(server: &RouterServer) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// A route to these dynos of one node.
pub(crate) fn route_to(keys: &[DynoKey]) -> RouteTarget {
    let routed = keys.iter().map(|key| RoutedDyno {
        dyno: key.clone(),
        node: "n1".parse().unwrap(),
    });
    RouteTarget::Dynos(routed.collect())
}
