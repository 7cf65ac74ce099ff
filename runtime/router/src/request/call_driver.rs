//! Running a call: first in the connection's own task, then, if it is not ready at once, in a task of its own.
//!
//! Owns the task of a running call, the grace time after a hang-up, and the return of the dyno. Must not know requests,
//! responses or connections. A running call is never dropped: it ends, or it is killed.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use exchange::{Call, CallEnd, DynoHandle, Exchange, Kill};
use grid::routing::{Claim, RouteEpoch};
use tokio::time::{Instant, Sleep};

use crate::limits::{AFTERWORK_MAX, HANGUP_GRACE};
use crate::request::queue::RoutedApp;
use crate::shared::router_shared::{RegisteredCall, RouterShared};

/// A call that has not finished.
pub(crate) struct CallDriver<D: DynoHandle> {
    /// Taken when the call is over.
    call: Option<D::Call>,
    app: Arc<RoutedApp<D>>,
    /// The publish of the route under which the dyno was taken.
    epoch: RouteEpoch,
    exchange: Arc<Exchange>,
    /// When the guest is killed, and why.
    limit: Option<(Pin<Box<Sleep>>, Kill)>,
    /// Ends when the client is to be judged, or before.
    judge_timer: Option<Pin<Box<Sleep>>>,
    registration: Option<RegisteredCall>,
}

impl<D: DynoHandle> CallDriver<D> {
    pub(crate) fn new(
        call: D::Call,
        app: Arc<RoutedApp<D>>,
        epoch: RouteEpoch,
        exchange: Arc<Exchange>,
    ) -> Self {
        CallDriver {
            call: Some(call),
            app,
            epoch,
            exchange,
            limit: None,
            judge_timer: None,
            registration: None,
        }
    }

    /// Polls the call once, in the caller's task. If it is not ready, the rest becomes a task, so that a client's
    /// hang-up never drops the call.
    pub(crate) fn start(self, router: &Arc<RouterShared>) -> impl Future<Output = ()> + Send {
        let mut driver = Some(self);
        poll_fn(move |cx| {
            let pending = driver.take_if(|driver| driver.poll_call(cx).is_pending());
            if let Some(mut driver) = pending {
                driver.registration = Some(router.register_call(driver.exchange.clone()));
                tokio::spawn(driver);
            }
            Poll::Ready(())
        })
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(());
        };
        let Poll::Ready(end) = Pin::new(call).poll(cx) else {
            return Poll::Pending;
        };
        self.call = None;
        if let CallEnd::Free(dyno) = end {
            let epoch = self.epoch;
            self.app.give_back(Claim { dyno, epoch });
        }
        self.exchange.close();
        Poll::Ready(())
    }

    fn kill(&mut self, reason: Kill) {
        if let Some(call) = self.call.take() {
            call.kill(reason);
        }
        self.exchange.close();
    }

    /// Wakes this task at the time when the client's reading rate is checked. A timer that ends too early is set again,
    /// so that a guest that waits many times, for moments, costs one timer.
    fn poll_judge_timer(&mut self, cx: &mut Context<'_>, deadline: Instant) {
        let timer = self
            .judge_timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Ready with `reason` when the guest has had `span` since the first poll for this reason.
    fn poll_limit(&mut self, cx: &mut Context<'_>, span: Duration, reason: Kill) -> Poll<Kill> {
        if !matches!(&self.limit, Some((_, known)) if *known == reason) {
            let deadline = Instant::now() + span;
            self.limit = Some((Box::pin(tokio::time::sleep_until(deadline)), reason));
        }
        match &mut self.limit {
            Some((sleep, reason)) => sleep.as_mut().poll(cx).map(|()| *reason),
            None => Poll::Pending,
        }
    }
}

impl<D: DynoHandle> Future for CallDriver<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = self.get_mut();
        if let Some(reason) = me.exchange.orders(cx).kill {
            me.kill(reason);
            return Poll::Ready(());
        }
        if me.poll_call(cx).is_ready() {
            return Poll::Ready(());
        }
        // Once more, since the poll of the call may have ended the response.
        let orders = me.exchange.orders(cx);
        let kill = match orders.kill {
            Some(reason) => Poll::Ready(reason),
            None if orders.is_abandoned => me.poll_limit(cx, HANGUP_GRACE, Kill::Hangup),
            None if orders.is_answered => me.poll_limit(cx, AFTERWORK_MAX, Kill::Timeout),
            None => {
                if let Some(deadline) = orders.judge_reader_at {
                    me.poll_judge_timer(cx, deadline);
                }
                Poll::Pending
            }
        };
        kill.map(|reason| me.kill(reason))
    }
}

impl<D: DynoHandle> Drop for CallDriver<D> {
    /// After a panic in a call, or at the end of the runtime: no client may wait for ever.
    fn drop(&mut self) {
        if self.call.is_some() {
            self.exchange.close();
        }
    }
}
