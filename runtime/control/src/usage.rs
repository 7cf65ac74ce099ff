//! Dyno time of this server: measured while dynos run, and kept so that nothing is billed twice.
//!
//! Owns when a dyno's time is written down. Must not know prices, nor why a dyno runs.
//!
//! A dyno's time counts from when it is up until its node has nothing left of it; an idle dyno has its place
//! and counts. Each run is one record, which grows: at each checkpoint, at its end, and by nothing else. So a
//! record that is written again changes nothing, and after a kill at most [`CHECKPOINT_EVERY`] is not billed.

mod memory;
mod meter;
mod recorder;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use memory::MemoryUsageStore;
pub use recorder::{CHECKPOINT_EVERY, RECORDS_KEPT, UsageRecorder, unix};
pub use sqlite::SqliteUsageStore;
pub use store::{UsageError, UsageStore};
