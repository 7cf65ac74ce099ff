//! Carries out the reconciler's steps: on the router, on the dynos, and for programs that run once.
//!
//! Must not decide anything, nor wait for a step's result: dynos report it.

use control::PublishedReleases;
use control::once::OneOffStart;
use dyno::{Fleet, LocalDyno};
use grid::protocol::{Route, RouteTarget, Step};
use router::Router;
use tokio::sync::{mpsc, watch};

use super::dyno_meter::DynoMeter;
use super::one_off_runner::OneOffRunner;

/// The parts of a node that carry out steps.
pub(super) struct StepExecutor {
    pub(super) fleet: Fleet,
    pub(super) one_offs: OneOffRunner,
    pub(super) router: Router<LocalDyno>,
    /// The release that the router has of each app.
    pub(super) published: watch::Sender<PublishedReleases>,
    pub(super) meter: DynoMeter,
}

impl StepExecutor {
    /// Carries out steps and starts one-off dynos until the reconciler is gone.
    pub(super) async fn run(
        mut self,
        mut steps: mpsc::Receiver<Step>,
        mut one_offs: mpsc::Receiver<OneOffStart>,
    ) {
        loop {
            tokio::select! {
                // A step may be about a one-off dyno that was sent before it.
                biased;
                Some(one_off) = one_offs.recv() => {
                    self.meter.record_one_off(&one_off.dyno, one_off.wanted.memory_bytes);
                    self.one_offs.start_one_off(one_off);
                }
                step = steps.recv() => match step {
                    Some(step) => self.execute_step(step),
                    None => return,
                },
                () = self.one_offs.forget_next_ended() => {}
            }
        }
    }

    fn execute_step(&mut self, step: Step) {
        self.meter.record_step(&step);
        let Some(step) = self.one_offs.execute_step(step) else {
            return;
        };
        match step {
            Step::Publish { route } => self.publish_route(route),
            Step::Withdraw { app } => {
                self.router.withdraw(&app);
                self.published.send_modify(|published| {
                    published.remove(&app);
                });
            }
            step => self.fleet.step(step),
        }
    }

    /// Publishes a route, with the dynos that have come up since the last one.
    fn publish_route(&self, route: Route) {
        let app = route.app.clone();
        let version = route
            .version
            .filter(|_| route.target != RouteTarget::Booting);
        let new_dynos = match &route.target {
            RouteTarget::Dynos(dynos) => {
                let dynos = dynos.iter();
                dynos
                    .filter_map(|routed| self.fleet.take(&routed.dyno))
                    .collect()
            }
            RouteTarget::Booting | RouteTarget::Refuse(_) => Vec::new(),
        };
        // A stale route was overtaken by a newer one: nothing is lost.
        let _ = self.router.publish(route, new_dynos);
        self.published.send_modify(|published| {
            published.insert(app, version);
        });
    }
}
