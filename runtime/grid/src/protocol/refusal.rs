//! Why a request is answered by the platform instead of its app.
//!
//! Owns the [`Refusal`] codes. Must not know HTTP types, connections or the guest.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request got no answer from an app: one variant for each H code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[serde(rename_all = "snake_case")]
pub enum RefusalSide {
    /// The app, or how it is configured.
    App,
    /// Whoever sent the request.
    Client,
    /// This platform.
    Platform,
}

/// The properties of a refusal besides its name.
struct RefusalEntry {
    code: &'static str,
    desc: &'static str,
    status: u16,
    side: RefusalSide,
    retryable: bool,
    level: &'static str,
}

const fn new_entry(
    code: &'static str,
    desc: &'static str,
    status: u16,
    side: RefusalSide,
) -> RefusalEntry {
    RefusalEntry {
        code,
        desc,
        status,
        side,
        retryable: false,
        level: "error",
    }
}

impl RefusalEntry {
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

    const fn entry(self) -> RefusalEntry {
        use RefusalSide::{App, Client, Platform};
        match self {
            Refusal::AppCrashed => new_entry("H10", "App crashed", 503, App),
            Refusal::BacklogTooDeep => new_entry("H11", "Backlog too deep", 503, App),
            Refusal::RequestTimeout => new_entry("H12", "Request timeout", 503, App),
            Refusal::NoResponse => new_entry("H13", "Connection closed without response", 503, App),
            Refusal::NoWebDynos => new_entry("H14", "No web dynos running", 503, App),
            Refusal::IdleConnection => new_entry("H15", "Idle connection", 503, App),
            Refusal::BadResponse => new_entry("H17", "Poorly formatted HTTP response", 502, App),
            Refusal::Interrupted => new_entry("H18", "Server request interrupted", 503, App),
            Refusal::BackendTimeout => {
                new_entry("H19", "Backend connection timeout", 503, App).retryable()
            }
            Refusal::BootTimeout => new_entry("H20", "App boot timeout", 503, App),
            Refusal::BackendRefused => {
                new_entry("H21", "Backend connection refused", 503, App).retryable()
            }
            Refusal::ForcedClose => new_entry("H24", "Forced close", 503, Platform),
            Refusal::RequestError => new_entry("H26", "Request error", 400, Client),
            Refusal::ClientInterrupted => {
                new_entry("H27", "Client request interrupted", 499, Client).level("warning")
            }
            Refusal::ClientIdle => {
                new_entry("H28", "Client connection idle", 499, Client).level("warning")
            }
            Refusal::Misdirected => new_entry("H31", "Misdirected request", 421, Client),
            Refusal::Maintenance => new_entry("H80", "Maintenance mode", 503, App).level("info"),
            Refusal::BlankApp => new_entry("H81", "Blank app", 503, App),
            Refusal::Platform => new_entry("H99", "Platform error", 503, Platform),
        }
    }

    /// The code as users know it, such as `H12`.
    pub const fn code(self) -> &'static str {
        self.entry().code
    }

    /// The meaning of the code, in a few words.
    pub const fn desc(self) -> &'static str {
        self.entry().desc
    }

    /// The HTTP status of the answer (499: the client is gone, the status is for the log only).
    pub const fn status(self) -> u16 {
        self.entry().status
    }

    /// Whose fault it is.
    pub const fn side(self) -> RefusalSide {
        self.entry().side
    }

    /// Whether the request may be handed to another dyno, since the first had not touched its body.
    pub const fn is_retryable(self) -> bool {
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

    #[test]
    fn refusal_codes_are_distinct_and_sorted() {
        assert!(
            Refusal::ALL
                .windows(2)
                .all(|pair| pair[0].code() < pair[1].code())
        );
    }

    #[test]
    fn http_statuses_are_as_documented() {
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
}
