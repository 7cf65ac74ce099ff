//! The state of one start of a dyno, shared by the list of dynos, the instance and a running call.
//!
//! Must not know what runs in the dyno.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use grid::name::DynoKey;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::crash::DynoCrash;
use crate::guest::stdio::logs::DynoLog;

/// The state of one start of a dyno.
pub(crate) struct DynoLife {
    pub(crate) key: DynoKey,
    pub(crate) dyno_log: Arc<DynoLog>,
    stop: AtomicBool,
    served: AtomicBool,
    /// A server is serving a request, or has not become free after the last one.
    in_call: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// The task of a dyno whose program runs by itself.
    program: OnceLock<AbortHandle>,
    /// How the program ended, or why it was ended.
    verdict: Mutex<Option<DynoCrash>>,
}

impl DynoLife {
    pub(crate) fn new(key: DynoKey, dyno_log: Arc<DynoLog>) -> DynoLife {
        DynoLife {
            key,
            dyno_log,
            stop: AtomicBool::new(false),
            served: AtomicBool::new(false),
            in_call: AtomicBool::new(false),
            waker: Mutex::default(),
            program: OnceLock::new(),
            verdict: Mutex::default(),
        }
    }

    /// Notes the task in which the dyno's program runs by itself.
    pub(crate) fn set_program_task(&self, program: AbortHandle) {
        // Set once, at the start.
        let _ = self.program.set(program);
    }

    /// Ends the program that runs by itself, with this reason. Returns false if there is no such program.
    pub(crate) fn end_program(&self, why: &DynoCrash) -> bool {
        let Some(program) = self.program.get() else {
            return false;
        };
        self.set_crash(why.clone());
        program.abort();
        true
    }

    /// Notes how the program ended, or why it is being ended. The first reason counts.
    pub(crate) fn set_crash(&self, crash: DynoCrash) {
        let mut verdict = self.verdict.lock();
        verdict.get_or_insert(crash);
    }

    /// Takes the reason why the program ended, if it is known.
    pub(crate) fn take_crash(&self) -> Option<DynoCrash> {
        let mut verdict = self.verdict.lock();
        verdict.take()
    }

    /// Ends the current call, or the next one when it starts.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Makes [`DynoLife::stop`] wake `waker`. Returns whether the dyno was stopped already.
    pub(crate) fn is_stopped_or_wake(&self, waker: &Waker) -> bool {
        let mut slot = self.waker.lock();
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
        drop(slot);
        self.is_stopped()
    }

    /// Drops the waker of the last call, which may keep the memory of a whole task alive.
    pub(crate) fn forget_waker(&self) {
        let mut slot = self.waker.lock();
        let waker = slot.take();
        drop(slot);
        drop(waker);
    }

    /// Notes that the dyno has completed a request.
    pub(crate) fn note_served(&self) {
        if !self.served.load(Ordering::Relaxed) {
            self.served.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that a server received a request, or is free again.
    pub(crate) fn set_in_call(&self, in_call: bool) {
        self.in_call.store(in_call, Ordering::Release);
    }

    /// Whether a server that ends now ends during a request.
    pub(crate) fn is_in_call(&self) -> bool {
        self.in_call.load(Ordering::Acquire)
    }

    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }
}
