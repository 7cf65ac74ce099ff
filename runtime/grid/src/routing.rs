//! Which dyno takes a request, and which requests wait.
//!
//! Owns [`Line`], the state machine that the router drives, and the bounds of waiting. Must not know HTTP types,
//! connections or the guest.

mod free_list;
mod line;

pub use free_list::SWEEP_EVERY;
pub use line::{
    Arrival, Claim, FirstByteDue, Handover, Line, Load, RouteEpoch, RouteSwap, StaleRoute, Ticket,
    WaitStatus,
};

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::desired::Limits;

/// Requests that may wait at once for each web dyno of an app.
pub const WAITING_PER_DYNO_MAX: u32 = 100;
/// How long a request waits while the first dynos of its app boot; then H20.
pub const BOOT_WAIT_MAX: Duration = Duration::from_secs(75);
/// From the arrival of a request to the first byte of its response, unless its route says otherwise; then H12.
pub const FIRST_BYTE_TIMEOUT: Duration = Limits::REQUEST_TIMEOUT;
/// The least and the most that an app may set for its time to the first byte.
pub const FIRST_BYTE_TIMEOUT_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(600);

/// Requests that may wait at once in an app with so many web dynos: at least one dyno's share.
pub const fn backlog_max(web_dynos: u32) -> u32 {
    let dynos = if web_dynos == 0 { 1 } else { web_dynos };
    dynos.saturating_mul(WAITING_PER_DYNO_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_without_dynos_has_the_backlog_of_one_dyno() {
        assert_eq!(
            (backlog_max(0), backlog_max(1), backlog_max(4)),
            (100, 100, 400)
        );
    }
}
