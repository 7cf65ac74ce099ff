//! A dyno of this machine as a router uses it: call it, put it to sleep, drop it.
//!
//! Calling a [`LocalDyno`] moves it into the [`GuestCall`], which returns it when the guest has finished. A guest that
//! trapped or was killed is gone with its whole store, since a store must not be entered again after that. Dropping a
//! free dyno returns it to its node. Must not know routes and queues.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use exchange::{Call, CallEnd, DynoHandle, DynoRequest, Kill, Reply};
use grid::name::DynoKey;
use grid::protocol::CrashCause;
use wasmtime_wasi_http::FieldMapError;

use crate::code::boot_hook::hide_interpreter_backtrace;
use crate::crash::{DynoCrash, describe_boot_failure, describe_failure};
use crate::engine::GuestRunning;
use crate::fleet::form::DynoForm;
use crate::fleet::shared::FleetShared;
use crate::instance::booted::GuestInstance;
use crate::instance::outcome::CallOutcome;
use crate::instance::store::EPOCHS_FIRST;
use crate::life::DynoLife;

/// The exclusive right to use one dyno that is up and free, awake or asleep.
pub struct LocalDyno {
    /// `None` while a call has it.
    form: Option<DynoForm>,
    life: Arc<DynoLife>,
    node: Arc<FleetShared>,
}

impl std::fmt::Debug for LocalDyno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalDyno({})", self.life.key)
    }
}

impl LocalDyno {
    pub(crate) fn new(form: DynoForm, life: Arc<DynoLife>, node: Arc<FleetShared>) -> LocalDyno {
        LocalDyno {
            form: Some(form),
            life,
            node,
        }
    }
}

impl DynoHandle for LocalDyno {
    type Call = GuestCall;

    fn key(&self) -> &DynoKey {
        &self.life.key
    }

    /// Frees the memory of the instance, and empties the dyno's folders. The next call makes a fresh instance first.
    ///
    /// Blocks for longer the more memory the guest used.
    fn sleep(&mut self) {
        let Some(DynoForm::Awake(instance)) = &self.form else {
            return;
        };
        let ready = Arc::clone(&instance.ready);
        self.form = Some(DynoForm::Asleep(Arc::clone(&ready)));
        ready.release_if_idle();
        self.life.forget_waker();
        self.node.report_idle(&self.life.key);
    }

    fn call(mut self, request: DynoRequest, mut reply: Reply) -> GuestCall {
        let (life, node) = (Arc::clone(&self.life), Arc::clone(&self.node));
        let form = self.form.take().expect("a dyno has its form until called");
        if let DynoForm::Serving(server) = form {
            let own = Arc::clone(&life);
            own.set_in_call(true);
            let future = async move {
                let served = server.call(request.into_request(), reply).await;
                let (server, outcome) = served.map_err(|_| CallFailure::Server)?;
                own.set_in_call(false);
                Ok((DynoForm::Serving(Box::new(server)), outcome))
            };
            return GuestCall {
                future: Some(Box::pin(future)),
                life,
                node,
                _running: None,
            };
        }
        let running = node.context.engines.mark_guest_running();
        let (shared, own) = (Arc::clone(&node), Arc::clone(&life));
        let mut request = Some(request);
        let future = Box::pin(async move {
            let woken = form.wake(&shared.context, &own).await;
            let (mut instance, slept) = woken.map_err(CallFailure::Boot)?;
            if slept {
                shared.report_woke(&own.key);
            }
            instance.store.set_epoch_deadline(EPOCHS_FIRST);
            let GuestInstance { store, handler, .. } = &mut *instance;
            let result = handler.call(store, &mut request, &mut reply).await;
            if result.as_ref().is_err_and(is_header_flood) {
                reply.reject("headers-too-large");
            }
            drop(reply);
            instance.store.data().flush_logs();
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(error) if instance.is_interpreted() => {
                    return Err(CallFailure::Call(hide_interpreter_backtrace(error)));
                }
                Err(error) => return Err(CallFailure::Call(error)),
            };
            if !instance.can_serve_again() {
                instance = Box::pin(instance.replace(&shared.context))
                    .await
                    .map_err(CallFailure::Boot)?;
            }
            Ok((DynoForm::Awake(instance), outcome))
        });
        GuestCall {
            future: Some(future),
            life,
            node,
            _running: Some(running),
        }
    }

    fn can_switch_protocols(&self) -> bool {
        matches!(self.form, Some(DynoForm::Serving(_)))
    }
}

impl Drop for LocalDyno {
    fn drop(&mut self) {
        if let Some(form) = self.form.take() {
            self.node.give_back(&self.life, form);
        }
    }
}

type Done = Result<(DynoForm, CallOutcome), CallFailure>;

/// The step at which a call failed.
enum CallFailure {
    /// Booting an instance, before or after the request.
    Boot(wasmtime::Error),
    /// The guest, during the request.
    Call(wasmtime::Error),
    /// The server no longer listens.
    Server,
}

/// A running request. Dropping it ends the guest as [`Kill::Hangup`] does.
pub struct GuestCall {
    future: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    life: Arc<DynoLife>,
    node: Arc<FleetShared>,
    _running: Option<GuestRunning>,
}

impl Call<LocalDyno> for GuestCall {
    fn kill(mut self, reason: Kill) {
        let (cause, text) = match reason {
            Kill::Timeout => (CrashCause::Killed, "killed, since a request took too long"),
            Kill::Hangup | Kill::Stalled | Kill::Forced => (CrashCause::Discarded, CLIENT_LEFT),
        };
        self.end_guest(cause, text);
    }
}

/// The reason for ending a guest whose client has left.
const CLIENT_LEFT: &str = "its client went away before the response was complete";

impl GuestCall {
    fn end_guest(&mut self, cause: CrashCause, reason: &str) {
        // Drop the store first, so that nothing of the guest is left when its end is reported.
        if self.future.take().is_some() {
            self.end(&DynoCrash {
                reason: reason.to_owned(),
                cause,
                in_request: true,
            });
        }
    }

    /// Ends the dyno. If its program runs by itself, the program's task reports the end.
    fn end(&self, crash: &DynoCrash) {
        if !self.life.end_program(crash) {
            self.node.note_ended(&self.life, crash.clone());
        }
    }
}

impl Drop for GuestCall {
    fn drop(&mut self) {
        self.end_guest(CrashCause::Discarded, CLIENT_LEFT);
    }
}

impl Future for GuestCall {
    type Output = CallEnd<LocalDyno>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallEnd<LocalDyno>> {
        if self.life.is_stopped() {
            self.end_guest(CrashCause::Discarded, "stopped");
        }
        let Some(future) = &mut self.future else {
            return Poll::Ready(CallEnd::Gone);
        };
        let Poll::Ready(done) = future.as_mut().poll(cx) else {
            if self.life.is_stopped_or_wake(cx.waker()) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        };
        self.future = None;
        match done {
            Ok((form, outcome)) => {
                match outcome {
                    CallOutcome::Complete => self.life.note_served(),
                    CallOutcome::Incomplete(why) => self.life.dyno_log.write_platform_line(why),
                }
                let (life, node) = (Arc::clone(&self.life), Arc::clone(&self.node));
                Poll::Ready(CallEnd::Free(LocalDyno::new(form, life, node)))
            }
            Err(broke) => {
                let dyno_log = &self.life.dyno_log;
                let crash = match broke {
                    CallFailure::Boot(error) => describe_boot_failure(&error, dyno_log),
                    CallFailure::Call(error) => DynoCrash {
                        in_request: true,
                        ..describe_failure(&error, dyno_log)
                    },
                    CallFailure::Server => DynoCrash {
                        reason: "stopped, since it does not listen on $PORT any more".to_owned(),
                        cause: CrashCause::Killed,
                        in_request: false,
                    },
                };
                self.end(&crash);
                Poll::Ready(CallEnd::Gone)
            }
        }
    }
}

/// Whether the engine ended the guest because of too many or too large headers. This traps.
fn is_header_flood(error: &wasmtime::Error) -> bool {
    let too_much = |e: &FieldMapError| {
        matches!(
            e,
            FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig
        )
    };
    error.downcast_ref::<FieldMapError>().is_some_and(too_much)
}
