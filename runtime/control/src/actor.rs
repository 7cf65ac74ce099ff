//! Who requests a change, and when.
//!
//! Owns the name and time that entries, releases and tokens record. Must not know what the actor may do.

use std::time::SystemTime;

/// Who requests a change, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The name of a token, or of a part of the server that acts on its own, such as `reconciler`.
    pub by: String,
    /// In milliseconds since 1970.
    pub at_ms: u64,
}

impl Actor {
    /// An actor with this name and the current time of the wall clock.
    pub fn now(by: &str) -> Actor {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| since.as_millis());
        Actor {
            by: by.to_owned(),
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
        }
    }
}
