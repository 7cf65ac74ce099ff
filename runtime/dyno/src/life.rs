//! What a dyno's node and whoever uses the dyno share: who it is, whether it must stop, how it ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use grid::name::DynoKey;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::crash::DynoCrash;
use crate::guest::stdio::logs::DynoLog;

/// Shared by the node's list, the instance and a running call.
pub(crate) struct DynoLife {
    pub(crate) key: DynoKey,
    pub(crate) voice: Arc<DynoLog>,
    stop: AtomicBool,
    served: AtomicBool,
    /// A server has a request, or has not come back from its last one.
    in_call: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// The task of a dyno whose program runs by itself.
    program: OnceLock<AbortHandle>,
    /// How that ended, or why it was ended.
    verdict: Mutex<Option<DynoCrash>>,
}

impl DynoLife {
    pub(crate) fn new(key: DynoKey, voice: Arc<DynoLog>) -> DynoLife {
        DynoLife {
            key,
            voice,
            stop: AtomicBool::new(false),
            served: AtomicBool::new(false),
            in_call: AtomicBool::new(false),
            waker: Mutex::default(),
            program: OnceLock::new(),
            verdict: Mutex::default(),
        }
    }

    /// Its program runs by itself, in this task.
    pub(crate) fn runs(&self, program: AbortHandle) {
        // Set once, by the start.
        let _ = self.program.set(program);
    }

    /// Ends the program that runs by itself, for this reason; false if there is none.
    pub(crate) fn end(&self, why: &DynoCrash) -> bool {
        let Some(program) = self.program.get() else {
            return false;
        };
        self.judge(why.clone());
        program.abort();
        true
    }

    /// Notes how the program ended, or why it is ended. The first word holds.
    pub(crate) fn judge(&self, crash: DynoCrash) {
        let mut verdict = self.verdict.lock();
        verdict.get_or_insert(crash);
    }

    /// How the program ended, if that is known.
    pub(crate) fn verdict(&self) -> Option<DynoCrash> {
        let mut verdict = self.verdict.lock();
        verdict.take()
    }

    /// Ends the call that runs now, or the next one at its start.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Has `waker` woken by [`DynoLife::stop`]; whether it was called already.
    pub(crate) fn stopped_or_wake(&self, waker: &Waker) -> bool {
        let mut slot = self.waker.lock();
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
        drop(slot);
        self.stopped()
    }

    /// Lets go of who polled the last call: a waker may hold the memory of a whole task.
    pub(crate) fn forget_waker(&self) {
        let mut slot = self.waker.lock();
        let waker = slot.take();
        drop(slot);
        drop(waker);
    }

    /// A request was completed since the boot.
    pub(crate) fn note_served(&self) {
        if !self.served.load(Ordering::Relaxed) {
            self.served.store(true, Ordering::Relaxed);
        }
    }

    /// A server has been given a request, or is free again.
    pub(crate) fn set_in_call(&self, in_call: bool) {
        self.in_call.store(in_call, Ordering::Release);
    }

    /// Whether a server that ends now ends in a request.
    pub(crate) fn in_call(&self) -> bool {
        self.in_call.load(Ordering::Acquire)
    }

    pub(crate) fn served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }
}
