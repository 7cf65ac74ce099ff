//! The version of an engine's server.
//!
//! Owns the comparison with the oldest version that keeps a ledger safe. Must not know how a version is learnt.

use std::fmt;
use std::str::FromStr;

/// The version of a NATS server. Pre-releases count as their release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JetStreamVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl JetStreamVersion {
    /// The oldest version whose compare-and-set and durability this ledger was tested with.
    pub const OLDEST: JetStreamVersion = JetStreamVersion {
        major: 2,
        minor: 12,
        patch: 0,
    };
}

/// The text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers, such as 2.12.8")]
pub struct JetStreamVersionError;

impl FromStr for JetStreamVersion {
    type Err = JetStreamVersionError;

    fn from_str(text: &str) -> Result<Self, JetStreamVersionError> {
        let release = text.strip_prefix('v').unwrap_or(text);
        let release = release.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = release.split('.').map(str::parse);
        let mut number = || match numbers.next() {
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) | None => Err(JetStreamVersionError),
        };
        let version = JetStreamVersion {
            major: number()?,
            minor: number()?,
            patch: number()?,
        };
        match numbers.next() {
            None => Ok(version),
            Some(_) => Err(JetStreamVersionError),
        }
    }
}

impl fmt::Display for JetStreamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let parse = |text: &str| text.parse::<JetStreamVersion>().expect(text);
        for old in ["1.4.1", "2.9.10", "2.11.15", "2.11.99-RC.1"] {
            assert!(parse(old) < JetStreamVersion::OLDEST, "{old}");
        }
        for new in [
            "2.12.0",
            "2.12.8",
            "v2.14.0",
            "2.12.0-RC.1",
            "2.15.1+git",
            "3.0.0",
        ] {
            assert!(parse(new) >= JetStreamVersion::OLDEST, "{new}");
        }
    }

    #[test]
    fn other_texts_are_no_versions() {
        for text in ["", "2", "2.12", "2.12.x", "2.12.1.1", "git"] {
            assert_eq!(
                text.parse::<JetStreamVersion>(),
                Err(JetStreamVersionError),
                "{text}"
            );
        }
    }
}
