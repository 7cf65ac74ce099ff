//! The cost of the router alone: dynos are functions, connections are pipes in memory.
//!
//! A figure includes reading the request, finding the app, the handover, the response, the counters, and the client's
//! side. It includes no socket and no guest. Only the figures of the log line include a log line.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exchange::{Call, CallEnd, DynoHandle, DynoRequest, Kill, Reply};
use grid::name::{AppName, DynoId, DynoKey, Generation, ProcessType, Run};
use grid::protocol::{Route, RouteTarget, RoutedDyno};
use http::{HeaderValue, Method, Version};
use router::{AccessRecord, Hosts, Peer, Router, RouterLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

/// Bytes that fit into a pipe.
const PIPE_BYTES: usize = 16 * 1024;
/// The response of every dyno.
const PAGE: &[u8] = b"Hello\n";
/// Apps of a large table.
const APPS: u32 = 10_000;
/// Concurrent requests for one dyno.
const WAITING: u32 = 64;

/// A dyno that answers at once, or after it has yielded once.
struct Page {
    key: DynoKey,
    yields: bool,
}

struct PageCall {
    dyno: Option<Page>,
    reply: Option<Reply>,
    yields: bool,
}

impl DynoHandle for Page {
    type Call = PageCall;

    fn key(&self) -> &DynoKey {
        &self.key
    }

    fn call(self, _: DynoRequest, reply: Reply) -> PageCall {
        PageCall {
            yields: self.yields,
            dyno: Some(self),
            reply: Some(reply),
        }
    }

    fn sleep(&mut self) {}
}

impl Future for PageCall {
    type Output = CallEnd<Page>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallEnd<Page>> {
        if std::mem::take(&mut self.yields) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut reply) = self.reply.take() {
            let head = http::Response::new(()).into_parts().0;
            reply.send_head(head).expect("a head that is fit");
            reply.send_data(Bytes::from_static(PAGE));
            reply.finish(None);
        }
        let dyno = self.dyno.take().expect("polled after its end");
        Poll::Ready(CallEnd::Free(dyno))
    }
}

impl Call<Page> for PageCall {
    fn kill(self, _: Kill) {}
}

fn key(app: &AppName, index: u32) -> DynoKey {
    DynoKey {
        app: app.clone(),
        dyno: DynoId {
            process: ProcessType::web(),
            index,
        },
        run: Run(1),
    }
}

fn route(app: &AppName, dynos: u32) -> Route {
    Route {
        app: app.clone(),
        generation: Generation(1),
        hostnames: vec![format!("{app}.localhost").parse().expect("valid")],
        version: None,
        backlog_max: 100 * dynos,
        request_timeout: None,
        idle_after: None,
        target: RouteTarget::Dynos(
            (1..=dynos)
                .map(|index| RoutedDyno {
                    dyno: key(app, index),
                    node: "n1".parse().expect("valid"),
                })
                .collect(),
        ),
    }
}

fn fresh(app: &AppName, dynos: u32, yields: bool) -> Vec<Page> {
    let page = |index| Page {
        key: key(app, index),
        yields,
    };
    (1..=dynos).map(page).collect()
}

/// A router with `apps` apps of one dyno each.
fn router(apps: u32, yields: bool) -> Router<Page> {
    let router = Router::new(
        Hosts::Named,
        RouterLimits::default(),
        Arc::new(|_: &AccessRecord| {}),
    );
    for number in 0..apps {
        let app: AppName = format!("app-{number}").parse().expect("valid");
        let published = router.publish(route(&app, 1), fresh(&app, 1, yields));
        published.expect("it is the first");
    }
    router
}

/// A client at one end of a pipe; the router has the other end.
struct Client {
    pipe: DuplexStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(runtime: &Runtime, router: &Router<Page>, app: u32) -> Client {
        let (pipe, server) = tokio::io::duplex(PIPE_BYTES);
        let router = router.clone();
        let peer = Peer {
            client: ([192, 0, 2, 7], 4711).into(),
            port: 8080,
            tls: false,
        };
        runtime.spawn(async move { router.serve(server, peer).await });
        let request = format!("GET /path?a=b HTTP/1.1\r\nHost: app-{app}.localhost\r\n\r\n");
        Client {
            pipe,
            request: request.into_bytes(),
            buffer: Vec::with_capacity(PIPE_BYTES),
        }
    }

    async fn ask(&mut self) {
        self.buffer.clear();
        let sent = self.pipe.write_all(&self.request).await;
        sent.expect("the router reads");
        while !self.buffer.ends_with(PAGE) {
            let read = self.pipe.read_buf(&mut self.buffer).await;
            assert_ne!(read.expect("the router answers"), 0, "it hung up");
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let runtime = runtime();
    for (name, apps) in [("one app", 1), ("one of 10,000 apps", APPS)] {
        let router = router(apps, false);
        let mut client = Client::new(&runtime, &router, apps / 2);
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(client.ask()));
        });
    }
    group.finish();
}

/// All requests but one wait in the queue: the dyno yields once in each call.
fn waiting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wait line");
    let runtime = runtime();
    let router = router(1, true);
    let mut clients: Vec<Client> = (0..WAITING)
        .map(|_| Client::new(&runtime, &router, 0))
        .collect();
    group.throughput(Throughput::Elements(WAITING.into()));
    group.bench_function("64 requests for one dyno", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for client in &mut clients {
                    client.buffer.clear();
                    let sent = client.pipe.write_all(&client.request).await;
                    sent.expect("the router reads");
                }
                for client in &mut clients {
                    while !client.buffer.ends_with(PAGE) {
                        let read = client.pipe.read_buf(&mut client.buffer).await;
                        assert_ne!(read.expect("the router answers"), 0, "it hung up");
                    }
                }
            });
        });
    });
    group.finish();
}

fn publishing(criterion: &mut Criterion) {
    const DYNOS: u32 = 1_000;
    let app: AppName = "app-0".parse().expect("valid");
    criterion.bench_function("publish a route of 1,000 dynos", |bencher| {
        bencher.iter_batched(
            || {
                (
                    router(1, false),
                    route(&app, DYNOS),
                    fresh(&app, DYNOS, false),
                )
            },
            |(router, route, fresh)| {
                router.publish(route, fresh).expect("not stale");
                router
            },
            criterion::BatchSize::LargeInput,
        );
    });
}

fn log_line(criterion: &mut Criterion) {
    let record = AccessRecord {
        at: SystemTime::now(),
        app: "hello".parse().ok(),
        code: None,
        cause: None,
        method: Method::GET,
        path: "/path?a=b".parse().ok(),
        host: Some(HeaderValue::from_static("hello.localhost")),
        request_id: HeaderValue::from_static("01890a5d-ac96-774b-bcce-b302099a8057"),
        fwd: HeaderValue::from_static("192.0.2.7"),
        dyno: "web.1".parse().ok(),
        queue: 3,
        wait: Duration::from_millis(12),
        connect: Duration::ZERO,
        service: Duration::from_millis(34),
        status: 200,
        bytes: 1_234,
        version: Version::HTTP_11,
        tls: false,
    };
    criterion.bench_function("log line", |bencher| {
        bencher.iter(|| black_box(&record).to_string());
    });
}

criterion_group!(benches, requests, waiting, publishing, log_line);
criterion_main!(benches);
