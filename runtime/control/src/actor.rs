//! Who asks for a change, and when.
//!
//! Owns the pair of name and time that entries, releases and tokens record. Must not know what the actor may do.

use std::time::SystemTime;

/// Who asks for something, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The name of a token, or of what acts by itself.
    pub by: String,
    /// In milliseconds since 1970.
    pub at_ms: u64,
}

impl Actor {
    /// Whoever has this name, now.
    pub fn now(by: &str) -> Actor {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| since.as_millis());
        Actor {
            by: by.to_owned(),
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
        }
    }
}
