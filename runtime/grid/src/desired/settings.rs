//! Settings of an app that are no part of a release.
//!
//! Owns their shapes. Must not know the operator's defaults, which are a `plan::Policy`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a dyno without traffic gives its memory back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IdleSetting {
    /// The operator's setting holds.
    #[default]
    Default,
    /// Never.
    Off,
    /// After this time without a request.
    After(Duration),
}

impl IdleSetting {
    /// The time that holds, given the operator's setting; none: never.
    pub fn or_default(self, default: Option<Duration>) -> Option<Duration> {
        match self {
            IdleSetting::Default => default,
            IdleSetting::Off => None,
            IdleSetting::After(time) => Some(time),
        }
    }
}

/// The settings that an app's owner may change. A change takes effect at once and makes no release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSettings {
    /// From the arrival of a request to the first byte of its response, instead of the release's.
    pub request_timeout: Option<Duration>,
    /// When its dynos fall asleep.
    pub idle_after: IdleSetting,
}
