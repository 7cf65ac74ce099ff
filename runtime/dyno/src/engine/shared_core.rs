//! Lets several boots share one CPU core: each is polled in its turn.
//!
//! Must not know what boots, nor why it has to share.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Boots of one app that share the core at a time. If all boots shared it, all would end together, as late as the
/// last, and miss their deadlines. More than one, since a boot may wait for something.
const BOOTS_AT_ONCE: usize = 4;

/// One CPU core, shared by some boots.
#[derive(Clone)]
pub(crate) struct SharedCore {
    turn: Arc<Semaphore>,
    boots: Arc<Semaphore>,
}

/// The permit of a boot to share the core, until it is dropped. Empty if no core is shared.
#[must_use]
pub(crate) struct BootPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl SharedCore {
    pub(crate) fn new() -> SharedCore {
        SharedCore {
            turn: Arc::new(Semaphore::new(1)),
            boots: Arc::new(Semaphore::new(BOOTS_AT_ONCE)),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &SharedCore) -> bool {
        Arc::ptr_eq(&self.turn, &other.turn)
    }

    /// Waits until a boot may begin, in the order of the calls.
    pub(crate) async fn wait_for_permit(core: Option<&SharedCore>) -> BootPermit {
        let permit = match core {
            // The semaphore is never closed.
            Some(core) => Arc::clone(&core.boots).acquire_owned().await.ok(),
            None => None,
        };
        BootPermit { _permit: permit }
    }
}

/// Work that shares one core: it is polled only while no other such work is. Work that waits does not delay others,
/// and a guest yields about every millisecond, so that all take turns.
pub(crate) struct OnSharedCore<F> {
    /// `None`: the work shares nothing.
    core: Option<SharedCore>,
    /// The turn was requested and has not come.
    turn: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>,
    work: F,
}

impl<F: Future + Unpin> OnSharedCore<F> {
    /// Without a core, the work shares nothing.
    pub(crate) fn new(core: Option<SharedCore>, work: F) -> OnSharedCore<F> {
        let turn = None;
        OnSharedCore { core, turn, work }
    }

    /// Ready with the permit to be polled. `None` if nothing is shared.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        let Some(SharedCore { turn: core, .. }) = &self.core else {
            return Poll::Ready(None);
        };
        if self.turn.is_none() {
            if let Ok(permit) = Arc::clone(core).try_acquire_owned() {
                return Poll::Ready(Some(permit));
            }
            let core = Arc::clone(core);
            // The semaphore is never closed.
            self.turn = Some(Box::pin(async move { core.acquire_owned().await.ok() }));
        }
        let turn = self.turn.as_mut().map(|turn| turn.as_mut().poll(cx));
        let permit = ready!(turn.unwrap_or(Poll::Ready(None)));
        self.turn = None;
        Poll::Ready(permit)
    }
}

impl<F: Future + Unpin> Future for OnSharedCore<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let permit = ready!(self.poll_turn(cx));
        let result = Pin::new(&mut self.work).poll(cx);
        drop(permit);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use super::*;

    /// Runs eight futures that each need several polls. Returns the maximum number that were polled at the same
    /// time.
    fn most_at_once(core: Option<&SharedCore>) -> usize {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .expect("threads");
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            let works = (0..8).map(|_| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                let mut turns = 5;
                let work = poll_fn(move |cx| {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    // Long enough for other threads to interfere.
                    std::thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, SeqCst);
                    turns -= 1;
                    cx.waker().wake_by_ref();
                    if turns == 0 {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                });
                tokio::spawn(OnSharedCore::new(core.cloned(), work))
            });
            for work in works.collect::<Vec<_>>() {
                work.await.expect("it ends");
            }
        });
        most.load(SeqCst)
    }

    #[test]
    fn futures_on_one_shared_core_are_polled_one_at_a_time() {
        let core = SharedCore::new();
        assert_eq!(most_at_once(Some(&core)), 1);
        assert!(most_at_once(None) > 1, "this test would show it");
        assert_eq!(core.turn.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_pending_future_does_not_block_the_shared_core() {
        let core = SharedCore::new();
        let stuck = OnSharedCore::new(Some(core.clone()), std::future::pending::<()>());
        let stuck = tokio::spawn(stuck);
        for _ in 0..3 {
            OnSharedCore::new(Some(core.clone()), Box::pin(tokio::task::yield_now())).await;
        }
        stuck.abort();
        assert!(stuck.await.expect_err("it never ends").is_cancelled());
        assert_eq!(core.turn.available_permits(), 1);
    }

    /// Eighty boots of one second of CPU each: the first ones are up long before the last.
    #[tokio::test(start_paused = true)]
    async fn boots_end_one_after_the_other() {
        let core = SharedCore::new();
        let began = tokio::time::Instant::now();
        let boots = (0..80).map(|_| {
            let core = Some(core.clone());
            tokio::spawn(async move {
                let _place = SharedCore::wait_for_permit(core.as_ref()).await;
                for _ in 0..10 {
                    let turn = Arc::clone(&core.as_ref().expect("shared").turn);
                    let turn = turn.acquire_owned().await.expect("open");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    drop(turn);
                }
                began.elapsed().as_secs()
            })
        });
        let mut ends = Vec::new();
        for boot in boots.collect::<Vec<_>>() {
            ends.push(boot.await.expect("it ends"));
        }
        let by = |secs: u64| ends.iter().filter(|end| **end <= secs).count();
        assert!(by(5) >= 4 && by(20) >= 16 && by(60) >= 56, "{ends:?}");
        assert_eq!(by(81), 80);
    }

    #[tokio::test]
    async fn an_aborted_boot_releases_its_permit() {
        let core = SharedCore::new();
        let places = core.boots.available_permits();
        for _ in 0..2 * places {
            let core = core.clone();
            let waits = tokio::spawn(async move {
                let _place = SharedCore::wait_for_permit(Some(&core)).await;
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            waits.abort();
            assert!(waits.await.expect_err("given up").is_cancelled());
        }
        assert_eq!(core.boots.available_permits(), places);
    }
}
