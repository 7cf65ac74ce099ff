//! One dyno: start it, have it answer a request, throw it away.
//!
//! A [`Dyno`] is the exclusive right to use one instance. Calling it moves it into the [`Call`],
//! which gives it back when the guest has finished; a guest that trapped or was killed is gone
//! with its whole store, since a store is not to be entered again after that. Dropping a free
//! dyno returns it to its node. Must not know of routes and queues.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grid::name::DynoKey;
use grid::plan::CrashCause;
use http::Request;
use wasmtime::{Store, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use crate::call::{Handler, Outcome, RequestBody, ResponseSink};
use crate::engine::{Engines, Flavor, Running};
use crate::guest::egress::Egress;
use crate::guest::files::Files;
use crate::guest::logs::{Voice, printable};
use crate::guest::quota::Quota;
use crate::guest::{Grant, Guest};
use crate::life::{Crash, Life};
use crate::node::Shared;
use crate::release::{Pre, Ready};

/// Bytes that a guest may pass to the host in one call.
const HOSTCALL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Epochs a call may run before it first yields: between one and two ticks.
const EPOCHS_FIRST: u64 = 2;

/// Longest description of a trap, in bytes.
const REASON_BYTES_MAX: usize = 1_000;

/// Lines of a trap's backtrace that go to the log.
const BACKTRACE_LINES_MAX: usize = 24;

/// A booted guest.
pub(crate) struct Instance {
    store: Store<Guest>,
    handler: Handler,
    life: Arc<Life>,
    ready: Arc<Ready>,
    home: PathBuf,
}

/// Instantiates a component; the returned dyno has taken no request yet.
pub(crate) async fn boot(
    engines: &Engines,
    ready: Arc<Ready>,
    life: Arc<Life>,
    home: PathBuf,
    egress: Egress,
) -> wasmtime::Result<Box<Instance>> {
    let _running = engines.running();
    let limits = &ready.limits;
    let voice = Arc::clone(&life.voice);
    let full = format!(
        "./tmp and ./log are full ({} MiB or {} files): the app is told that no space is left",
        limits.disk_bytes / (1024 * 1024),
        limits.disk_files
    );
    let quota = Quota::new(limits.disk_bytes, limits.disk_files.into(), move || {
        voice.platform(&full);
    });
    let guest = Guest::new(Grant {
        env: &ready.env(&life.key.dyno),
        args: &ready.args,
        limits,
        egress,
        files: Files::new(ready.files.clone(), home.clone(), quota),
        voice: Arc::clone(&life.voice),
    });
    let flavor = match &ready.pre {
        Pre::P2(_) => Flavor::P2,
        Pre::P3(_) => Flavor::P3,
    };
    let mut store = Store::new(engines.get(flavor), guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(EPOCHS_FIRST);
    let handler = match &ready.pre {
        Pre::P2(pre) => Handler::P2(pre.instantiate_async(&mut store).await?),
        Pre::P3(pre) => Handler::P3(pre.instantiate_async(&mut store).await?),
    };
    store.data().flush_logs();
    Ok(Box::new(Instance {
        store,
        handler,
        life,
        ready,
        home,
    }))
}

/// A fresh instance in place of one that can take no further request; the dyno is the same.
async fn renew(old: Box<Instance>, node: &Shared) -> wasmtime::Result<Box<Instance>> {
    let Instance {
        store,
        handler,
        life,
        ready,
        home,
    } = *old;
    // Its place and its files are the next one's.
    drop((store, handler));
    boot(&node.engines, ready, life, home, node.egress).await
}

/// The exclusive right to use one dyno that is up and free.
pub struct Dyno {
    instance: Option<Box<Instance>>,
    life: Arc<Life>,
    node: Arc<Shared>,
}

impl std::fmt::Debug for Dyno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dyno({})", self.life.key)
    }
}

impl Dyno {
    pub(crate) fn new(instance: Box<Instance>, node: Arc<Shared>) -> Dyno {
        Dyno {
            life: Arc::clone(&instance.life),
            instance: Some(instance),
            node,
        }
    }

    /// Which dyno it is.
    pub fn key(&self) -> &DynoKey {
        &self.life.key
    }

    /// Has the guest answer `request` into `sink`.
    pub fn call(mut self, request: Request<RequestBody>, mut sink: impl ResponseSink) -> Call {
        let (life, node) = (Arc::clone(&self.life), Arc::clone(&self.node));
        let running = node.engines.running();
        let mut instance = self
            .instance
            .take()
            .expect("a dyno holds its instance until called");
        let shared = Arc::clone(&node);
        let future = Box::pin(async move {
            instance.store.set_epoch_deadline(EPOCHS_FIRST);
            let Instance { store, handler, .. } = &mut *instance;
            let result = handler.call(store, request, &mut sink).await;
            if result.as_ref().is_err_and(is_header_flood) {
                sink.reject();
            }
            drop(sink);
            instance.store.data().flush_logs();
            let outcome = result?;
            if instance.ready.single_use {
                instance = renew(instance, &shared).await?;
            }
            Ok((instance, outcome))
        });
        Call {
            future: Some(future),
            life,
            node,
            _running: running,
        }
    }
}

impl Drop for Dyno {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.node.give_back(&self.life, instance);
        }
    }
}

/// Why a call is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// The request took too long: the app's fault.
    Timeout,
    /// The client, or the platform, has no more use for the answer: nobody's fault.
    Unwanted,
}

type Done = wasmtime::Result<(Box<Instance>, Outcome)>;

/// A running request. Ready with the dyno when the guest has finished and can take another one, or
/// with nothing when the dyno is gone. Dropping it ends the guest as [`Kill::Unwanted`] does.
pub struct Call {
    future: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    life: Arc<Life>,
    node: Arc<Shared>,
    _running: Running,
}

impl Call {
    /// Ends the guest now; its node replaces it.
    pub fn kill(mut self, why: Kill) {
        let (cause, reason) = match why {
            Kill::Timeout => (CrashCause::Killed, "killed, since a request took too long"),
            Kill::Unwanted => (
                CrashCause::Discarded,
                "replaced, since its client went away",
            ),
        };
        self.gone(cause, reason);
    }

    fn gone(&mut self, cause: CrashCause, reason: &str) {
        // First the store, so that nothing of the guest is left when its end is reported.
        if self.future.take().is_some() {
            let reason = reason.to_owned();
            self.node.ended(&self.life, Crash { reason, cause });
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.gone(
            CrashCause::Discarded,
            "replaced, since its client went away",
        );
    }
}

impl Future for Call {
    type Output = Option<Dyno>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Dyno>> {
        if self.life.stopped() {
            self.gone(CrashCause::Discarded, "stopped");
        }
        let Some(future) = &mut self.future else {
            return Poll::Ready(None);
        };
        let Poll::Ready(done) = future.as_mut().poll(cx) else {
            if self.life.stopped_or_wake(cx.waker()) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        };
        self.future = None;
        match done {
            Ok((instance, outcome)) => {
                match outcome {
                    Outcome::Complete => self.life.note_served(),
                    Outcome::Incomplete(why) => self.life.voice.platform(why),
                }
                let node = Arc::clone(&self.node);
                Poll::Ready(Some(Dyno::new(instance, node)))
            }
            Err(error) => {
                let crash = crash(&error, &self.life.voice);
                self.node.ended(&self.life, crash);
                Poll::Ready(None)
            }
        }
    }
}

/// Whether the engine ended the guest for too many or too large headers, which traps.
fn is_header_flood(error: &wasmtime::Error) -> bool {
    let too_much = |e: &FieldMapError| {
        matches!(
            e,
            FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig
        )
    };
    error.downcast_ref::<FieldMapError>().is_some_and(too_much)
}

/// What a failed call or boot means for the dyno; where the guest was goes to its log.
pub(crate) fn crash(error: &wasmtime::Error, voice: &Voice) -> Crash {
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return Crash {
            reason: format!("exited with code {code}"),
            cause: CrashCause::Exit,
        };
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        // Names in it are the guest's own words.
        for line in backtrace.to_string().lines().take(BACKTRACE_LINES_MAX) {
            voice.platform(line);
        }
    }
    let cause = error.chain().last().map(ToString::to_string);
    let mut reason = printable(cause.unwrap_or_default().trim_end().as_bytes());
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    Crash {
        reason,
        cause: CrashCause::Trap,
    }
}
