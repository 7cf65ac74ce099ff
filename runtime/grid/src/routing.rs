//! Which dyno takes a request, and which requests wait.
//!
//! Owns the bounds of waiting. Must not know HTTP types, connections or the guest.

/// Requests that may wait at once for each web dyno of an app.
pub const WAITING_PER_DYNO_MAX: u32 = 100;

/// Requests that may wait at once in an app with so many web dynos: at least one dyno's share.
pub const fn backlog_max(web_dynos: u32) -> u32 {
    let dynos = if web_dynos == 0 { 1 } else { web_dynos };
    dynos.saturating_mul(WAITING_PER_DYNO_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_without_dynos_has_the_waiting_list_of_one() {
        assert_eq!(
            (backlog_max(0), backlog_max(1), backlog_max(4)),
            (100, 100, 400)
        );
    }
}
