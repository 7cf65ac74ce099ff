//! One dyno: have it answer a request, let it sleep, throw it away.
//!
//! A [`Dyno`] is the exclusive right to use one instance. Calling it moves it into the [`Call`],
//! which gives it back when the guest has finished; a guest that trapped or was killed is gone
//! with its whole store, since a store is not to be entered again after that. Dropping a free
//! dyno returns it to its node. Must not know of routes and queues.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grid::name::DynoKey;
use grid::protocol::CrashCause;
use wasmtime_wasi_http::FieldMapError;

use crate::call::{Asked, Outcome, ResponseSink};
use crate::code::boot_hook::hide_interpreter;
use crate::crash::{DynoCrash, boot_crash, crash};
use crate::engine::GuestRunning;
use crate::fleet::form::DynoForm;
use crate::fleet::shared::FleetShared;
use crate::instance::booted::GuestInstance;
use crate::instance::store::EPOCHS_FIRST;
use crate::life::DynoLife;

/// The exclusive right to use one dyno that is up and free, awake or asleep.
pub struct Dyno {
    /// Taken by a call.
    form: Option<DynoForm>,
    life: Arc<DynoLife>,
    node: Arc<FleetShared>,
}

impl std::fmt::Debug for Dyno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dyno({})", self.life.key)
    }
}

impl Dyno {
    pub(crate) fn new(form: DynoForm, life: Arc<DynoLife>, node: Arc<FleetShared>) -> Dyno {
        Dyno {
            form: Some(form),
            life,
            node,
        }
    }

    /// Which dyno it is.
    pub fn key(&self) -> &DynoKey {
        &self.life.key
    }

    /// Gives back the memory of its instance, and empties its folders. The next call makes a fresh
    /// instance first. Asleep already, it sleeps on.
    ///
    /// It may take a while if the guest used much memory.
    pub fn sleep(&mut self) {
        let Some(DynoForm::Awake(instance)) = &self.form else {
            return;
        };
        let ready = Arc::clone(&instance.ready);
        self.form = Some(DynoForm::Asleep(Arc::clone(&ready)));
        ready.rest();
        self.life.forget_waker();
        self.node.report_idle(&self.life.key);
    }

    /// Has the guest answer the request into `sink`.
    pub fn call(mut self, asked: impl Into<Asked>, mut sink: impl ResponseSink) -> Call {
        let asked = asked.into();
        let (life, node) = (Arc::clone(&self.life), Arc::clone(&self.node));
        let form = self.form.take().expect("a dyno has its form until called");
        if let DynoForm::Serving(server) = form {
            let own = Arc::clone(&life);
            own.set_in_call(true);
            let future = async move {
                let served = server.call(asked.complete(), sink).await;
                let (server, outcome) = served.map_err(|_| Broke::Server)?;
                own.set_in_call(false);
                Ok((DynoForm::Serving(Box::new(server)), outcome))
            };
            return Call {
                future: Some(Box::pin(future)),
                life,
                node,
                _running: None,
            };
        }
        let running = node.context.engines.running();
        let (shared, own) = (Arc::clone(&node), Arc::clone(&life));
        let mut asked = Some(asked);
        let future = Box::pin(async move {
            let woken = form.wake(&shared.context, &own).await;
            let (mut instance, slept) = woken.map_err(Broke::Boot)?;
            if slept {
                shared.report_woke(&own.key);
            }
            instance.store.set_epoch_deadline(EPOCHS_FIRST);
            let GuestInstance { store, handler, .. } = &mut *instance;
            let result = handler.call(store, &mut asked, &mut sink).await;
            if result.as_ref().is_err_and(is_header_flood) {
                sink.reject("headers-too-large");
            }
            drop(sink);
            instance.store.data().flush_logs();
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(error) if instance.is_interpreted() => {
                    return Err(Broke::Call(hide_interpreter(error)));
                }
                Err(error) => return Err(Broke::Call(error)),
            };
            if !instance.lasts() {
                instance = Box::pin(instance.renew(&shared.context))
                    .await
                    .map_err(Broke::Boot)?;
            }
            Ok((DynoForm::Awake(instance), outcome))
        });
        Call {
            future: Some(future),
            life,
            node,
            _running: Some(running),
        }
    }

    /// Whether it takes requests that ask to switch protocols.
    pub fn switches(&self) -> bool {
        matches!(self.form, Some(DynoForm::Serving(_)))
    }
}

impl Drop for Dyno {
    fn drop(&mut self) {
        if let Some(form) = self.form.take() {
            self.node.give_back(&self.life, form);
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

type Done = Result<(DynoForm, Outcome), Broke>;

/// What a call failed at.
enum Broke {
    /// To make an instance, before the request or after it.
    Boot(wasmtime::Error),
    /// The request.
    Call(wasmtime::Error),
    /// The server does not listen any more.
    Server,
}

/// A running request. Ready with the dyno when the guest has finished and can take another one, or
/// with nothing when the dyno is gone. Dropping it ends the guest as [`Kill::Unwanted`] does.
pub struct Call {
    future: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    life: Arc<DynoLife>,
    node: Arc<FleetShared>,
    _running: Option<GuestRunning>,
}

impl Call {
    /// Ends the guest now; its node replaces it.
    pub fn kill(mut self, why: Kill) {
        let (cause, reason) = match why {
            Kill::Timeout => (CrashCause::Killed, "killed, since a request took too long"),
            Kill::Unwanted => (
                CrashCause::Discarded,
                "its client went away before the response was complete",
            ),
        };
        self.gone(cause, reason);
    }

    fn gone(&mut self, cause: CrashCause, reason: &str) {
        // First the store, so that nothing of the guest is left when its end is reported.
        if self.future.take().is_some() {
            self.end(&DynoCrash {
                reason: reason.to_owned(),
                cause,
                in_request: true,
            });
        }
    }

    /// A program that runs by itself is ended, and its own task tells of it.
    fn end(&self, crash: &DynoCrash) {
        if !self.life.end(crash) {
            self.node.note_ended(&self.life, crash.clone());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.gone(
            CrashCause::Discarded,
            "its client went away before the response was complete",
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
            Ok((form, outcome)) => {
                match outcome {
                    Outcome::Complete => self.life.note_served(),
                    Outcome::Incomplete(why) => self.life.voice.platform(why),
                }
                let (life, node) = (Arc::clone(&self.life), Arc::clone(&self.node));
                Poll::Ready(Some(Dyno::new(form, life, node)))
            }
            Err(broke) => {
                let voice = &self.life.voice;
                let crash = match broke {
                    Broke::Boot(error) => boot_crash(&error, voice),
                    Broke::Call(error) => DynoCrash {
                        in_request: true,
                        ..crash(&error, voice)
                    },
                    Broke::Server => DynoCrash {
                        reason: "stopped, since it does not listen on $PORT any more".to_owned(),
                        cause: CrashCause::Killed,
                        in_request: false,
                    },
                };
                self.end(&crash);
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
