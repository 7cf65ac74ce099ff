//! A node with one app, driven without a planner or a router.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by the tests and the bench beside them"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dyno::compile::Compiler;
use dyno::engine::{Engines, InstanceAllocation};
use dyno::{
    EgressPolicy, FetchedSlug, Fleet, FleetConfig, GuestCall, LocalDyno, LogLine, OneOffCommand,
    OneOffGuest, PlatformVars, PrepareError, ProgramStdio, RunningOneOffGuest, SlugProgram,
};
use exchange::{
    Call, CallEnd, DynoHandle, Exchange, InterimSink, Kill, MemoryBudget, RequestBody,
    ResponsePiece, ResponseReader, Tunnel,
};
use grid::desired::{Limits, ProcessKind, ProcessSpec, Release};
use grid::name::{DynoKey, ProcessType, ReleaseId, Run, SlugId, Version};
use grid::protocol::{Refusal, Report, Step};
use http::{HeaderMap, Method, Request, StatusCode, response};
use slugs::World;
use tokio::sync::mpsc;

/// Time limit for everything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The release of every dyno.
pub const RELEASE: ReleaseId = ReleaseId {
    creation: 1,
    version: Version::FIRST,
};

/// Engines shared by all tests of a process, because the address space has room for few.
static ENGINES: LazyLock<Arc<Engines>> =
    LazyLock::new(|| Engines::new(InstanceAllocation::for_this_machine()).unwrap());

/// One app on a node of its own.
pub struct Host {
    pub node: Fleet,
    reports: mpsc::UnboundedReceiver<Report>,
    pub logs: Arc<Mutex<Vec<LogLine>>>,
    pub folder: tempfile::TempDir,
    run: u64,
    kind: ProcessKind,
    args: Arc<Mutex<Vec<String>>>,
    limits: Arc<Limits>,
    config: Arc<BTreeMap<String, String>>,
}

/// The outcome of a request.
#[derive(Default, Debug)]
pub struct Reply {
    pub head: Option<response::Parts>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// The response is complete.
    pub finished: bool,
    /// How the response failed.
    pub failure: Option<Refusal>,
    pub tunnel: Option<Box<dyn Tunnel>>,
    /// Status and `Link` of each interim response.
    pub interim: Vec<(u16, Option<String>)>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status.as_u16())
    }

    /// Whether the response was refused as invalid HTTP.
    pub fn is_rejected(&self) -> bool {
        self.failure == Some(Refusal::BadResponse)
    }
}

/// Records the interim responses of a call.
#[derive(Debug)]
struct InterimLog(Arc<Mutex<Reply>>);

impl InterimSink for InterimLog {
    fn send_interim(&self, status: StatusCode, headers: HeaderMap) {
        let link = headers.get("link");
        let link = link.map(|link| link.to_str().unwrap().to_owned());
        self.0.lock().unwrap().interim.push((status.as_u16(), link));
    }
}

/// A running call whose response is read as it arrives. Resolves to the dyno if the dyno is free again.
pub struct ObservedCall {
    call: GuestCall,
    reader: ResponseReader,
    has_head: bool,
    is_read: bool,
    reply: Arc<Mutex<Reply>>,
}

impl ObservedCall {
    pub fn kill(self, reason: Kill) {
        self.call.kill(reason);
    }

    /// Reads the available part of the response. Returns whether there was any.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut reply = self.reply.lock().unwrap();
        let mut has_moved = false;
        while !self.is_read {
            if !self.has_head {
                match self.reader.poll_head(cx) {
                    Poll::Pending => return has_moved,
                    Poll::Ready(Ok(head)) => reply.head = Some(head),
                    Poll::Ready(Err(refusal)) => {
                        reply.failure = Some(refusal);
                        self.is_read = true;
                    }
                }
                self.has_head = true;
                reply.tunnel = self.reader.take_tunnel();
                self.is_read |= reply.tunnel.is_some();
            } else {
                match self.reader.poll_piece(cx, usize::MAX) {
                    Poll::Pending => return has_moved,
                    Poll::Ready(ResponsePiece::Data(data)) => reply.body.extend_from_slice(&data),
                    Poll::Ready(ResponsePiece::Trailers(trailers)) => {
                        reply.trailers = Some(trailers);
                    }
                    Poll::Ready(ResponsePiece::End) => {
                        reply.finished = true;
                        self.is_read = true;
                    }
                    Poll::Ready(ResponsePiece::Broken(refusal)) => {
                        reply.failure = Some(refusal);
                        self.is_read = true;
                    }
                }
            }
            has_moved = true;
        }
        has_moved
    }
}

impl Future for ObservedCall {
    type Output = Option<LocalDyno>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LocalDyno>> {
        loop {
            let polled = Pin::new(&mut self.call).poll(cx);
            let has_moved = self.read(cx);
            match polled {
                Poll::Ready(CallEnd::Free(dyno)) => return Poll::Ready(Some(dyno)),
                Poll::Ready(CallEnd::Gone) => return Poll::Ready(None),
                Poll::Pending if has_moved => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Host {
    /// A node that knows the component `guest` (a test guest's name) as `web`.
    pub async fn new(guest: &str) -> Host {
        Host::with(guest, Limits::default(), &[]).await
    }

    pub async fn with(guest: &str, limits: Limits, env: &[(&str, &str)]) -> Host {
        let file = testkit::guest_path(guest);
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Host::of_bytes(&bytes, guest.ends_with('3'), limits, env).await
    }

    pub async fn of_bytes(bytes: &[u8], p3: bool, limits: Limits, env: &[(&str, &str)]) -> Host {
        let world = if p3 {
            World::Handler03
        } else {
            World::Handler02
        };
        let mut host = Host::bare(bytes, world, &ENGINES);
        host.fetch(limits, env).await;
        host
    }

    /// A node whose app is a program: a core module if the guest's name ends in `1`, of WASI 0.3 if in `3`.
    pub fn of_program(guest: &str, limits: Limits, env: &[(&str, &str)]) -> Host {
        let world = match guest.as_bytes().last() {
            Some(b'1') => World::Wasip1,
            Some(b'3') => World::Run03,
            _ => World::Run02,
        };
        let file = match world {
            World::Wasip1 => testkit::core_guest_path(guest),
            _ => testkit::guest_path(guest),
        };
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut host = Host::bare(&bytes, world, &ENGINES);
        host.set(limits, env);
        host
    }

    /// Like `of_program`, with the program as a process type of the given kind.
    pub async fn of_kind(kind: ProcessKind, guest: &str, limits: Limits, args: &[&str]) -> Host {
        let mut host = Host::of_program(guest, limits.clone(), &[]);
        host.kind = kind;
        *host.args.lock().unwrap() = args.iter().map(|arg| arg.to_string()).collect();
        host.fetch(limits, &[]).await;
        host
    }

    /// A node whose app is a server: a core module.
    pub async fn of_module_server(module: &[u8]) -> Host {
        let mut host = Host::bare(module, World::Wasip1, &ENGINES);
        host.kind = ProcessKind::Server;
        host.fetch(Limits::default(), &[]).await;
        host
    }

    fn set(&mut self, limits: Limits, env: &[(&str, &str)]) {
        let own = |(k, v): &(&str, &str)| (k.to_string(), v.to_string());
        self.config = Arc::new(env.iter().map(own).collect());
        self.limits = Arc::new(limits);
    }

    /// Runs the program once.
    pub async fn run(
        &mut self,
        args: &[&str],
        stdio: ProgramStdio,
    ) -> Result<RunningOneOffGuest, PrepareError> {
        let args = args.iter().map(|arg| arg.to_string()).collect();
        let process = ProcessType::web();
        self.run_as(OneOffCommand::Type { process, args }, stdio)
            .await
    }

    pub async fn run_as(
        &mut self,
        command: OneOffCommand,
        stdio: ProgramStdio,
    ) -> Result<RunningOneOffGuest, PrepareError> {
        let mut key = self.key();
        key.dyno = "run.1".parse().unwrap();
        let one_off = OneOffGuest {
            app: key.app.clone(),
            key,
            release: Arc::new(self.release()),
            command,
            env: BTreeMap::from([("OVER".to_owned(), "given".to_owned())]),
            platform_vars: PlatformVars::Added,
            stdio,
            folders: vec![],
        };
        self.node.run(one_off).await
    }

    /// A node on engines of its own, with room for `awake` awake dynos.
    pub async fn with_room(guest: &str, awake: u32) -> Host {
        let bytes = std::fs::read(testkit::guest_path(guest)).unwrap();
        let engines = Engines::with_awake_max(InstanceAllocation::OnDemand, awake).unwrap();
        let world = match guest.ends_with('3') {
            true => World::Handler03,
            false => World::Handler02,
        };
        let mut host = Host::bare(&bytes, world, &engines);
        host.fetch(Limits::default(), &[]).await;
        host
    }

    fn bare(bytes: &[u8], world: World, engines: &Arc<Engines>) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("app");
        std::fs::create_dir(&app).unwrap();
        std::fs::write(app.join("web.wasm"), bytes).unwrap();
        std::fs::write(app.join("victim.txt"), "the app's own file\n").unwrap();
        let args: Arc<Mutex<Vec<String>>> = Arc::default();
        let given = Arc::clone(&args);
        let unpacked = move || {
            let program = SlugProgram {
                component: "web.wasm".into(),
                args: given.lock().unwrap().clone(),
                world,
            };
            FetchedSlug {
                folder: app.clone(),
                programs: BTreeMap::from([(ProcessType::web(), program)]),
                links: Arc::default(),
            }
        };
        let (send, reports) = mpsc::unbounded_channel();
        let logs: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let lines = Arc::clone(&logs);
        let child = env!("CARGO_BIN_EXE_dyno-compile-child");
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let node = Fleet::new(FleetConfig {
            id: "local".parse().unwrap(),
            engines: Arc::clone(engines),
            compiler: Compiler::new(&cache, vec![child.into()]).unwrap(),
            slugs: Arc::new(move |_| Ok(unpacked())),
            work: folder.path().join("work"),
            egress: EgressPolicy::default(),
            logs: Arc::new(move |line| lines.lock().unwrap().push(line)),
            reports: Arc::new(move |report| drop(send.send(report))),
        })
        .unwrap();
        Host {
            node,
            reports,
            logs,
            folder,
            run: 0,
            kind: ProcessKind::Handler,
            args,
            limits: Arc::default(),
            config: Arc::default(),
        }
    }

    fn release(&self) -> Release {
        let spec = ProcessSpec {
            kind: self.kind,
            limits: Arc::clone(&self.limits),
        };
        Release {
            version: "v1".parse().unwrap(),
            slug: SlugId::new([7; 32]),
            description: "Deploy".to_owned(),
            config: Arc::clone(&self.config),
            processes: BTreeMap::from([(ProcessType::web(), spec)]),
            created_ms: 0,
            created_by: String::new(),
            reach: Default::default(),
        }
    }

    async fn fetch(&mut self, limits: Limits, env: &[(&str, &str)]) {
        let result = self.try_fetch(limits, env).await;
        result.expect("the guest compiles and links");
    }

    /// The reason for which the host refuses this WASI 0.2 component as a handler.
    pub async fn refused(bytes: &[u8]) -> String {
        let mut host = Host::bare(bytes, World::Handler02, &ENGINES);
        let result = host.try_fetch(Limits::default(), &[]).await;
        result.expect_err("it does not fit")
    }

    async fn try_fetch(&mut self, limits: Limits, env: &[(&str, &str)]) -> Result<(), String> {
        self.set(limits, env);
        let release = self.release();
        self.node.step(Step::Fetch {
            node: "local".parse().unwrap(),
            app: "demo".parse().unwrap(),
            release: RELEASE,
            contents: Arc::new(release),
        });
        match self.report().await {
            Report::Fetched { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    pub async fn report(&mut self) -> Report {
        let report = tokio::time::timeout(PATIENCE, self.reports.recv());
        report.await.expect("a report in time").unwrap()
    }

    pub fn key(&mut self) -> DynoKey {
        self.run += 1;
        DynoKey {
            app: "demo".parse().unwrap(),
            dyno: "web.1".parse().unwrap(),
            run: Run(self.run),
        }
    }

    /// Starts a dyno. Returns the report about the start.
    pub async fn start(&mut self) -> (DynoKey, Report) {
        self.start_as(false).await
    }

    /// Starts a dyno, asleep or awake. Returns the report about the start.
    pub async fn start_as(&mut self, asleep: bool) -> (DynoKey, Report) {
        let dyno = self.key();
        self.node.step(Step::Start {
            node: "local".parse().unwrap(),
            dyno: dyno.clone(),
            release: RELEASE,
            asleep,
        });
        (dyno, self.report().await)
    }

    /// Starts a dyno and takes its handle.
    pub async fn up(&mut self) -> LocalDyno {
        let (key, report) = self.start().await;
        assert!(matches!(report, Report::Up { .. }), "{report:?}");
        self.node.take(&key).expect("up and free")
    }

    pub fn lines(&self) -> Vec<String> {
        self.logs
            .lock()
            .unwrap()
            .iter()
            .map(|line| line.text.clone())
            .collect()
    }
}

/// A GET request.
pub fn get(path: &str) -> Request<Bytes> {
    Request::get(format!("http://demo.localhost{path}"))
        .header("host", "demo.localhost")
        .body(Bytes::new())
        .unwrap()
}

/// A POST request with `body`.
pub fn post(path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let body = body.into();
    Request::post(format!("http://demo.localhost{path}"))
        .header("host", "demo.localhost")
        .header("content-length", body.len())
        .body(body)
        .unwrap()
}

/// Starts a request. The reply is filled in while the call runs.
pub fn call(dyno: LocalDyno, request: Request<Bytes>) -> (ObservedCall, Arc<Mutex<Reply>>) {
    let reply: Arc<Mutex<Reply>> = Arc::default();
    let exchange = Exchange::new(MemoryBudget::for_responses(None).for_connection());
    let reader = ResponseReader::new(exchange.clone());
    let is_head_request = request.method() == Method::HEAD;
    let writer = exchange::Reply::new(exchange, is_head_request)
        .with_interim_sink(Arc::new(InterimLog(reply.clone())));
    let request = request.map(|body| RequestBody::buffered(body, None));
    let call = ObservedCall {
        call: dyno.call(request.into(), writer),
        reader,
        has_head: false,
        is_read: false,
        reply: reply.clone(),
    };
    (call, reply)
}

/// Sends a request and waits for the reply. Returns the dyno again if it still runs.
pub async fn ask(dyno: LocalDyno, request: Request<Bytes>) -> (Option<LocalDyno>, Reply) {
    let (call, reply) = call(dyno, request);
    let dyno = tokio::time::timeout(PATIENCE, call)
        .await
        .expect("the call ends");
    let reply = std::mem::take(&mut *reply.lock().unwrap());
    (dyno, reply)
}
