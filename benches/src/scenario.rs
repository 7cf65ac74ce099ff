//! The scenarios: each starts servers, uses them, and says what it found.
//!
//! A scenario owns its servers, which end with it. None knows of another.

mod abuse;
mod boot;
mod density;
mod deploy;
mod endure;
mod guestbook;
mod languages;
mod routing;
mod scale;
mod served;
mod soak;
mod wake;

use anyhow::Result;

use crate::args::{BenchOptions, Scenario};
use crate::product::binary::MeasuredBinary;
use crate::report::document::ScenarioOutcome;

/// Runs one scenario.
pub(crate) fn run(
    which: Scenario,
    options: &BenchOptions,
    product: &MeasuredBinary,
) -> Result<ScenarioOutcome> {
    match which {
        Scenario::Hello | Scenario::Body | Scenario::Echo | Scenario::Cpu | Scenario::Mixed => {
            served::run(which, options, product)
        }
        Scenario::Soak => soak::run(options, product),
        Scenario::Boot => boot::run(options, product),
        Scenario::Density => density::run(options, product),
        Scenario::Routing => routing::run(options, product),
        Scenario::Scale => scale::run(options, product),
        Scenario::Deploy => deploy::run(options, product),
        Scenario::Wake => wake::run(options, product),
        Scenario::Languages => languages::run(options, product),
        Scenario::Endure => endure::run(options, product),
        Scenario::Abuse => abuse::run(options, product),
        Scenario::Guestbook => guestbook::run(options, product),
    }
}
