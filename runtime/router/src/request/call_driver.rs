//! Running a call: once in place, and if that is not enough, in a task of its own.
//!
//! Owns the task of a running call, the grace after a hang-up, and what becomes of the dyno. Must not know
//! requests, responses or connections. A running call is never dropped: it ends, or it is killed.

use crate::limits::{AFTERWORK_MAX, HANGUP_GRACE};
use crate::request::queue::App;
use crate::shared::router_shared::{Hub, Running};
use exchange::Exchange;
use exchange::{Call, CallEnd, DynoHandle, Kill};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A call that has not finished.
pub(crate) struct Driver<D: DynoHandle> {
    /// Taken when the call is over.
    call: Option<D::Call>,
    app: Arc<App<D>>,
    epoch: u64,
    exchange: Arc<Exchange>,
    /// A time after which the guest is killed, and why.
    limit: Option<(Pin<Box<Sleep>>, Kill)>,
    /// Rings when the client is to be judged, or before.
    judge: Option<Pin<Box<Sleep>>>,
    running: Option<Running>,
}

impl<D: DynoHandle> Driver<D> {
    pub(crate) fn new(
        call: D::Call,
        app: Arc<App<D>>,
        epoch: u64,
        exchange: Arc<Exchange>,
    ) -> Self {
        Driver {
            call: Some(call),
            app,
            epoch,
            exchange,
            limit: None,
            judge: None,
            running: None,
        }
    }

    /// Polls the call once, here. If it is not ready, the rest becomes a task, so that a client's hang-up
    /// never drops it.
    pub(crate) fn start(self, hub: &Arc<Hub>) -> impl Future<Output = ()> + Send {
        let mut driver = Some(self);
        poll_fn(move |cx| {
            let pending = driver.take_if(|driver| driver.poll_call(cx).is_pending());
            if let Some(mut driver) = pending {
                driver.running = Some(hub.run(driver.exchange.clone()));
                tokio::spawn(driver);
            }
            Poll::Ready(())
        })
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(());
        };
        let Poll::Ready(finished) = Pin::new(call).poll(cx) else {
            return Poll::Pending;
        };
        self.call = None;
        if let CallEnd::Free(dyno) = finished {
            self.app.give_back(dyno, self.epoch);
        }
        self.exchange.close();
        Poll::Ready(())
    }

    fn kill(&mut self, why: Kill) {
        if let Some(call) = self.call.take() {
            call.kill(why);
        }
        self.exchange.close();
    }

    /// Has this task woken when the client is to be judged. A clock that rings too early is set again then, so that a
    /// guest which waits for a moment many times costs one clock.
    fn poll_judge(&mut self, cx: &mut Context<'_>, at: Instant) {
        let judge = self
            .judge
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if judge.deadline() > at || judge.is_elapsed() {
            judge.as_mut().reset(at);
        }
        if judge.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Ready with a reason when a guest that nobody waits for any more has had its time.
    fn poll_limit(&mut self, cx: &mut Context<'_>, span: Duration, why: Kill) -> Poll<Kill> {
        if !matches!(&self.limit, Some((_, known)) if *known == why) {
            let until = Instant::now() + span;
            self.limit = Some((Box::pin(tokio::time::sleep_until(until)), why));
        }
        match &mut self.limit {
            Some((sleep, why)) => sleep.as_mut().poll(cx).map(|()| *why),
            None => Poll::Pending,
        }
    }
}

impl<D: DynoHandle> Future for Driver<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = self.get_mut();
        if let Some(why) = me.exchange.orders(cx).kill {
            me.kill(why);
            return Poll::Ready(());
        }
        if me.poll_call(cx).is_ready() {
            return Poll::Ready(());
        }
        // Again, since the call itself may have answered just now.
        let orders = me.exchange.orders(cx);
        let over = match orders.kill {
            Some(why) => Poll::Ready(why),
            None if orders.is_abandoned => me.poll_limit(cx, HANGUP_GRACE, Kill::Hangup),
            None if orders.is_answered => me.poll_limit(cx, AFTERWORK_MAX, Kill::Timeout),
            None => {
                if let Some(at) = orders.judge_reader_at {
                    me.poll_judge(cx, at);
                }
                Poll::Pending
            }
        };
        over.map(|why| me.kill(why))
    }
}

impl<D: DynoHandle> Drop for Driver<D> {
    /// A panic in a call, or the end of the runtime: whoever waits must not wait for ever.
    fn drop(&mut self) {
        if self.call.is_some() {
            self.exchange.close();
        }
    }
}
