//! Dyno time of this server: measured while dynos run, and stored so that nothing is billed twice.
//!
//! Owns when a dyno's time is written. Must not know prices, nor why a dyno runs.
//!
//! A dyno's time counts from its start until its node has released everything; an idle dyno keeps its place and
//! counts. Each run is one record, which only grows: at each checkpoint and at the end of the run. So writing a
//! record again changes nothing, and a kill of the server loses at most [`CHECKPOINT_EVERY`] of each run.

mod memory;
mod meter;
mod recorder;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use memory::MemoryUsageStore;
pub use recorder::{CHECKPOINT_EVERY, RECORDS_KEPT, UsageRecorder, time_since_epoch};
pub use sqlite::SqliteUsageStore;
pub use store::{UsageError, UsageStore};
