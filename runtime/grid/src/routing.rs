//! The routing policy: who may take a request, who waits, and how a request is refused.
//!
//! Owns the [`Refusal`] codes. Must not know HTTP types, connections or the guest.

use crate::plan::Serve;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Requests that may wait at once for each web dyno of an app.
pub const WAITING_PER_DYNO_MAX: u32 = 100;
/// How long a request waits while the first dynos of its app boot; then H20.
pub const BOOT_WAIT_MAX: Duration = Duration::from_secs(75);
/// How long a response may go without a byte; then H15, or H28 when the client stalls.
pub const SILENCE_MAX: Duration = Duration::from_secs(55);

/// What becomes of a request that has just arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A free dyno takes it.
    Take,
    /// It waits, behind all that wait already.
    Wait,
    /// It is answered at once.
    Refuse(Refusal),
}

/// What becomes of a dyno that has just finished a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// It takes the request that has waited longest.
    Oldest,
    /// It is free.
    Rest,
    /// It is no longer in the route: its handle is dropped.
    Release,
}

/// Requests that may wait at once in an app with so many web dynos: at least one dyno's share.
pub const fn backlog_max(web_dynos: u32) -> u32 {
    let dynos = if web_dynos == 0 { 1 } else { web_dynos };
    dynos.saturating_mul(WAITING_PER_DYNO_MAX)
}

/// What becomes of a new request, where so many dynos are free and so many requests wait.
///
/// While anything waits, a new request waits behind it, whoever is free: arrival order is kept.
pub fn admit(serve: &Serve, free: usize, waiting: usize, backlog_max: u32) -> Admission {
    match serve {
        Serve::Refuse(refusal) => Admission::Refuse(*refusal),
        Serve::Dynos(_) if free > 0 && waiting == 0 => Admission::Take,
        _ if waiting >= backlog_max as usize => Admission::Refuse(Refusal::BacklogTooDeep),
        Serve::Dynos(_) | Serve::Booting => Admission::Wait,
    }
}

/// Which of the free dynos takes a request, in the order in which they became free: the last one.
///
/// Its memory is the warmest, and those that are not needed get to sleep.
pub const fn pick(free: usize) -> Option<usize> {
    free.checked_sub(1)
}

/// What becomes of a dyno that has finished, where so many requests wait.
pub const fn hand_over(in_route: bool, waiting: usize) -> Handover {
    match (in_route, waiting) {
        (false, _) => Handover::Release,
        (true, 0) => Handover::Rest,
        (true, _) => Handover::Oldest,
    }
}

/// Why a request got no answer from an app: one variant for each H code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// H10: every web dyno is crashed or backing off.
    AppCrashed,
    /// H11: the list of waiting requests is full.
    BacklogTooDeep,
    /// H12: no first byte of a response in time.
    RequestTimeout,
    /// H13: the guest ended, trapped or exited without a response.
    NoResponse,
    /// H14: web is scaled to zero, or the app has no web process.
    NoWebDynos,
    /// H15: no byte from the dyno for too long in mid-response.
    IdleConnection,
    /// H17: the guest's response is not valid HTTP.
    BadResponse,
    /// H18: the dyno broke off in mid-body.
    Interrupted,
    /// H19: a server dyno did not accept a connection in time.
    BackendTimeout,
    /// H20: the app is booting and no dyno came up in time.
    BootTimeout,
    /// H21: a server dyno refused the connection.
    BackendRefused,
    /// H24: the router is stopping.
    ForcedClose,
    /// H26: the request is malformed.
    RequestError,
    /// H27: the client hung up.
    ClientInterrupted,
    /// H28: the client stalled.
    ClientIdle,
    /// H31: TLS name and host belong to different apps.
    Misdirected,
    /// H80: the app is in maintenance mode.
    Maintenance,
    /// H81: the app has no release yet.
    BlankApp,
    /// H99: the platform's own fault.
    Platform,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The app, or how it is configured.
    App,
    /// Whoever sent the request.
    Client,
    /// This platform.
    Platform,
}

/// What is known of a refusal besides its name.
struct Entry {
    code: &'static str,
    desc: &'static str,
    status: u16,
    side: Side,
    retryable: bool,
    level: &'static str,
}

const fn entry(code: &'static str, desc: &'static str, status: u16, side: Side) -> Entry {
    Entry {
        code,
        desc,
        status,
        side,
        retryable: false,
        level: "error",
    }
}

impl Entry {
    /// The dyno had not touched the request: another one may have it.
    const fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    const fn level(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }
}

impl Refusal {
    /// Every refusal, in order of code.
    pub const ALL: [Refusal; 19] = [
        Refusal::AppCrashed,
        Refusal::BacklogTooDeep,
        Refusal::RequestTimeout,
        Refusal::NoResponse,
        Refusal::NoWebDynos,
        Refusal::IdleConnection,
        Refusal::BadResponse,
        Refusal::Interrupted,
        Refusal::BackendTimeout,
        Refusal::BootTimeout,
        Refusal::BackendRefused,
        Refusal::ForcedClose,
        Refusal::RequestError,
        Refusal::ClientInterrupted,
        Refusal::ClientIdle,
        Refusal::Misdirected,
        Refusal::Maintenance,
        Refusal::BlankApp,
        Refusal::Platform,
    ];

    const fn entry(self) -> Entry {
        use Side::{App, Client, Platform};
        match self {
            Refusal::AppCrashed => entry("H10", "App crashed", 503, App),
            Refusal::BacklogTooDeep => entry("H11", "Backlog too deep", 503, App),
            Refusal::RequestTimeout => entry("H12", "Request timeout", 503, App),
            Refusal::NoResponse => entry("H13", "Connection closed without response", 503, App),
            Refusal::NoWebDynos => entry("H14", "No web dynos running", 503, App),
            Refusal::IdleConnection => entry("H15", "Idle connection", 503, App),
            Refusal::BadResponse => entry("H17", "Poorly formatted HTTP response", 502, App),
            Refusal::Interrupted => entry("H18", "Server request interrupted", 503, App),
            Refusal::BackendTimeout => {
                entry("H19", "Backend connection timeout", 503, App).retryable()
            }
            Refusal::BootTimeout => entry("H20", "App boot timeout", 503, App),
            Refusal::BackendRefused => {
                entry("H21", "Backend connection refused", 503, App).retryable()
            }
            Refusal::ForcedClose => entry("H24", "Forced close", 503, Platform),
            Refusal::RequestError => entry("H26", "Request error", 400, Client),
            Refusal::ClientInterrupted => {
                entry("H27", "Client request interrupted", 499, Client).level("warning")
            }
            Refusal::ClientIdle => {
                entry("H28", "Client connection idle", 499, Client).level("warning")
            }
            Refusal::Misdirected => entry("H31", "Misdirected request", 421, Client),
            Refusal::Maintenance => entry("H80", "Maintenance mode", 503, App).level("info"),
            Refusal::BlankApp => entry("H81", "Blank app", 503, App),
            Refusal::Platform => entry("H99", "Platform error", 503, Platform),
        }
    }

    /// The code as users know it, such as `H12`.
    pub const fn code(self) -> &'static str {
        self.entry().code
    }

    /// What the code means, in a few words.
    pub const fn desc(self) -> &'static str {
        self.entry().desc
    }

    /// The HTTP status of the answer (499: the client is gone, the status is for the log only).
    pub const fn status(self) -> u16 {
        self.entry().status
    }

    /// Whose fault it is.
    pub const fn side(self) -> Side {
        self.entry().side
    }

    /// Whether the request may be handed to another dyno, since the first had not touched its body.
    pub const fn retryable(self) -> bool {
        self.entry().retryable
    }

    /// How loud the log line is: `error`, `warning` or `info`.
    pub const fn level(self) -> &'static str {
        self.entry().level
    }
}

/// As in a log line: `H12 (Request timeout)`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.desc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{DynoKey, Run};
    use proptest::prelude::*;

    fn dynos() -> Serve {
        let (app, dyno) = (
            "hello".parse().expect("valid"),
            "web.1".parse().expect("valid"),
        );
        Serve::Dynos(vec![DynoKey {
            app,
            dyno,
            run: Run(1),
        }])
    }

    #[test]
    fn codes_are_distinct_and_sorted() {
        assert!(
            Refusal::ALL
                .windows(2)
                .all(|pair| pair[0].code() < pair[1].code())
        );
    }

    #[test]
    fn statuses_are_the_documented_ones() {
        let odd = Refusal::ALL
            .into_iter()
            .filter(|refusal| refusal.status() != 503);
        let odd: Vec<_> = odd
            .map(|refusal| (refusal.code(), refusal.status()))
            .collect();
        assert_eq!(
            odd,
            [
                ("H17", 502),
                ("H26", 400),
                ("H27", 499),
                ("H28", 499),
                ("H31", 421)
            ]
        );
    }

    #[test]
    fn a_waiting_list_is_never_empty_for_want_of_dynos() {
        assert_eq!(
            (backlog_max(0), backlog_max(1), backlog_max(4)),
            (100, 100, 400)
        );
    }

    proptest! {
        #[test]
        fn nobody_overtakes_and_nobody_waits_beside_a_free_dyno(
            free in 0usize..5, waiting in 0usize..300, dyno_count in 0u32..3,
        ) {
            let max = backlog_max(dyno_count);
            let admission = admit(&dynos(), free, waiting, max);
            prop_assert_eq!(admission == Admission::Take, free > 0 && waiting == 0);
            if waiting < max as usize {
                prop_assert!(!matches!(admission, Admission::Refuse(_)));
            } else {
                prop_assert_eq!(admission, Admission::Refuse(Refusal::BacklogTooDeep));
            }
        }

        #[test]
        fn a_refusal_needs_no_room(free in 0usize..5, waiting in 0usize..300) {
            let serve = Serve::Refuse(Refusal::Maintenance);
            let admission = admit(&serve, free, waiting, 1);
            prop_assert_eq!(admission, Admission::Refuse(Refusal::Maintenance));
        }

        #[test]
        fn a_freed_dyno_serves_the_oldest_unless_it_is_out(in_route: bool, waiting in 0usize..5) {
            let next = hand_over(in_route, waiting);
            prop_assert_eq!(next == Handover::Release, !in_route);
            prop_assert_eq!(next == Handover::Oldest, in_route && waiting > 0);
        }
    }
}
