//! What replacements of dynos that requests ended may take of the machine: one core an app.
//!
//! Such a dyno is replaced at once, however often, so that requests which end dynos could keep every core busy with boots.
//! Owns which places of a formation are to be filled again for that, and the right to boot in them. All other boots, also
//! those of the same app, are none of its business. Must not know how a dyno boots, nor decide that one is replaced.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use grid::name::{AppName, DynoId, DynoKey, Run};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Boots of one app that share its core at a time. Were it all of them, all would end together, as late as the last: so many
/// dynos would all miss their deadline. More than one, since a boot may wait for something.
const BOOTS_AT_ONCE: usize = 4;

/// The places of all apps whose dynos were ended by requests and have not been started again.
#[derive(Default)]
pub(crate) struct Replacements(Mutex<HashMap<AppName, AppReplacements>>);

struct AppReplacements {
    /// At most as many as the app has dynos: a place leaves with its next start.
    places: HashSet<DynoId>,
    /// The last replacement in each place.
    last: HashMap<DynoId, Run>,
    core: Core,
}

/// The one core that the replacements of an app share.
#[derive(Clone)]
pub(crate) struct Core {
    turn: Arc<Semaphore>,
    boots: Arc<Semaphore>,
}

/// The right of a boot to share the core, until this is dropped. Nothing where nothing is shared.
#[must_use]
pub(crate) struct BootPlace {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Core {
    fn new() -> Core {
        Core {
            turn: Arc::new(Semaphore::new(1)),
            boots: Arc::new(Semaphore::new(BOOTS_AT_ONCE)),
        }
    }

    /// Waits until a boot may begin; who came first is the first to have a place.
    pub(crate) async fn enter(core: Option<&Core>) -> BootPlace {
        let permit = match core {
            // Never closed.
            Some(core) => Arc::clone(&core.boots).acquire_owned().await.ok(),
            None => None,
        };
        BootPlace { _permit: permit }
    }
}

impl Replacements {
    /// A request ended this dyno: the next one in its place is a replacement.
    pub(crate) fn expect_replacement(&self, ended: &DynoKey) {
        let mut apps = self.lock();
        let app = apps
            .entry(ended.app.clone())
            .or_insert_with(|| AppReplacements {
                places: HashSet::new(),
                last: HashMap::new(),
                core: Core::new(),
            });
        app.places.insert(ended.dyno.clone());
    }

    /// The core on which this dyno has to boot, if it is a replacement.
    pub(crate) fn take_core(&self, starting: &DynoKey) -> Option<Core> {
        let mut apps = self.lock();
        let app = apps.get_mut(&starting.app)?;
        if !app.places.remove(&starting.dyno) {
            return None;
        }
        app.last.insert(starting.dyno.clone(), starting.run);
        Some(app.core.clone())
    }

    /// This dyno was not up in time. If it is a replacement, so is the next one in its place: it is not made to wait, and
    /// must not have more of the machine for that.
    pub(crate) fn boots_again(&self, late: &DynoKey) {
        let mut apps = self.lock();
        if let Some(app) = apps.get_mut(&late.app)
            && app.last.get(&late.dyno) == Some(&late.run)
        {
            app.places.insert(late.dyno.clone());
        }
    }

    /// Nothing of this app runs here any more.
    pub(crate) fn forget_app(&self, app: &AppName) {
        drop(self.lock().remove(app));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppName, AppReplacements>> {
        // Nothing that holds it can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that shares one core: it is polled only while none of the others is. What merely waits holds nobody up, and a guest
/// yields about every millisecond, so that they take turns.
pub(crate) struct OnOneCore<F> {
    /// None: not shared.
    core: Option<Core>,
    /// Its turn is asked for and has not come.
    turn: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>,
    work: F,
}

impl<F: Future + Unpin> OnOneCore<F> {
    /// Without a core, nothing is shared.
    pub(crate) fn new(core: Option<Core>, work: F) -> OnOneCore<F> {
        let turn = None;
        OnOneCore { core, turn, work }
    }

    /// The right to be polled. None where nothing is shared.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        let Some(Core { turn: core, .. }) = &self.core else {
            return Poll::Ready(None);
        };
        if self.turn.is_none() {
            if let Ok(permit) = Arc::clone(core).try_acquire_owned() {
                return Poll::Ready(Some(permit));
            }
            let core = Arc::clone(core);
            // Never closed.
            self.turn = Some(Box::pin(async move { core.acquire_owned().await.ok() }));
        }
        let turn = self.turn.as_mut().map(|turn| turn.as_mut().poll(cx));
        let permit = ready!(turn.unwrap_or(Poll::Ready(None)));
        self.turn = None;
        Poll::Ready(permit)
    }
}

impl<F: Future + Unpin> Future for OnOneCore<F> {
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

    fn dyno(text: &str, run: u64) -> DynoKey {
        DynoKey {
            app: "demo".parse().expect("a name"),
            dyno: text.parse().expect("a dyno"),
            run: Run(run),
        }
    }

    #[test]
    fn a_start_is_a_replacement_once() {
        let replacements = Replacements::default();
        assert!(replacements.take_core(&dyno("web.1", 1)).is_none());
        replacements.expect_replacement(&dyno("web.1", 1));
        replacements.expect_replacement(&dyno("web.2", 2));
        assert!(
            replacements.take_core(&dyno("web.3", 3)).is_none(),
            "scaled up"
        );
        let first = replacements.take_core(&dyno("web.1", 4)).expect("replaces");
        let second = replacements.take_core(&dyno("web.2", 5)).expect("replaces");
        assert!(
            Arc::ptr_eq(&first.turn, &second.turn),
            "one core for the app"
        );
        assert!(replacements.take_core(&dyno("web.1", 6)).is_none());
        replacements.boots_again(&dyno("web.1", 4));
        assert!(replacements.take_core(&dyno("web.1", 7)).is_some(), "late");
        replacements.boots_again(&dyno("web.1", 4));
        assert!(
            replacements.take_core(&dyno("web.1", 8)).is_none(),
            "told twice"
        );
        replacements.expect_replacement(&dyno("web.1", 8));
        replacements.forget_app(&dyno("web.1", 8).app);
        assert!(replacements.take_core(&dyno("web.1", 9)).is_none());
    }

    /// Runs eight pieces of work that each take several turns; how many were polled at once.
    fn most_at_once(core: Option<&Core>) -> usize {
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
                    // Long enough for the other threads to come by.
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
                tokio::spawn(OnOneCore::new(core.cloned(), work))
            });
            for work in works.collect::<Vec<_>>() {
                work.await.expect("it ends");
            }
        });
        most.load(SeqCst)
    }

    #[test]
    fn work_of_one_core_is_polled_one_at_a_time() {
        let core = Core::new();
        assert_eq!(most_at_once(Some(&core)), 1);
        assert!(most_at_once(None) > 1, "this test would show it");
        assert_eq!(core.turn.available_permits(), 1);
    }

    #[tokio::test]
    async fn work_that_waits_holds_nobody_up() {
        let core = Core::new();
        let stuck = OnOneCore::new(Some(core.clone()), std::future::pending::<()>());
        let stuck = tokio::spawn(stuck);
        for _ in 0..3 {
            OnOneCore::new(Some(core.clone()), Box::pin(tokio::task::yield_now())).await;
        }
        stuck.abort();
        assert!(stuck.await.expect_err("it never ends").is_cancelled());
        assert_eq!(core.turn.available_permits(), 1);
    }

    /// Eighty boots, each of a second of the core: those that came first are up long before the last.
    #[tokio::test(start_paused = true)]
    async fn boots_end_one_after_the_other() {
        let core = Core::new();
        let began = tokio::time::Instant::now();
        let boots = (0..80).map(|_| {
            let core = Some(core.clone());
            tokio::spawn(async move {
                let _place = Core::enter(core.as_ref()).await;
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
    async fn a_boot_that_is_given_up_leaves_its_place() {
        let core = Core::new();
        let places = core.boots.available_permits();
        for _ in 0..2 * places {
            let core = core.clone();
            let waits = tokio::spawn(async move {
                let _place = Core::enter(Some(&core)).await;
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            waits.abort();
            assert!(waits.await.expect_err("given up").is_cancelled());
        }
        assert_eq!(core.boots.available_permits(), places);
    }
}
