//! The reconciler: the writer of the ledger. It turns events into facts, and facts into steps.
//!
//! Owns the order of ledger entries, plans and steps. Must not make planning decisions: those are in `grid::plan`.

mod append;
mod error;
mod idempotency_keys;
mod ledger_follower;
mod ledger_writer;
mod log_sender;
mod log_text;
mod offline;
mod options;
mod outputs;
mod run;
mod start;
mod state;
mod step_hold;
#[cfg(test)]
mod tests;

pub use error::{ReconcilerRunError, ReconcilerStartError};
pub use offline::{OfflineTokenError, create_token_offline};
pub use options::{LedgerClock, LedgerSharing, ReconcilerOptions};
pub use outputs::{EVENTS_MAX, LOGS_MAX, ONE_OFFS_MAX, REQUESTS_MAX, ReconcilerOutputs, STEPS_MAX};
pub use run::Reconciler;
pub use start::start;
