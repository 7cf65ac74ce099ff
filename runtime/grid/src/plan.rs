//! Planning: from the desired and the observed state to steps.
//!
//! Owns which steps follow, and in which order. Must not know how a step is carried out.
//!
//! A plan is made on a copy of the observed state, of those apps that may need a step. Each chosen step is noted in the
//! copy as issued, and the next choice is made on the changed copy. So after a plan that was carried out in full, the
//! next plan is empty.
//!
//! No phase of a deploy is stored anywhere: the next step follows from the release that should serve, the release that
//! serves now, and the existing dynos.

mod draft;
mod limits;
mod once;
mod output;
mod phase;
mod policy;
mod preview;
mod rounds;
mod route_settings;
mod scene;
mod silence;
mod survey;
mod wind_down;

pub use limits::{FETCH_RETRY, ONCE_LOST_AFTER, ONCE_UNHEARD_FOR, SETTLE, START_RETRY, STOP_RETRY};
pub use once::{ONE_OFFS_PER_APP_MAX, ONE_OFFS_PER_NODE_MAX, OneOffError, place_one_off};
pub use output::{Plan, PlanNote};
pub use policy::{Policy, RELEASES_KEPT};
pub use preview::preview_steps;
pub use rounds::{make_plan, plan_every_app};
pub(crate) use silence::find_live_nodes;
pub use wind_down::plan_shutdown;

#[cfg(test)]
mod tests;
