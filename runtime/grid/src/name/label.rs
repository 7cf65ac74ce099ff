//! Names that are a short word: apps, process types, nodes.
//!
//! Owns their alphabets and lengths. Must not know host names, which have rules of their own.

use std::sync::Arc;

/// The name that makes a process type take web requests.
const WEB: &str = "web";
/// The process type that runs once before a release goes live.
const RELEASE: &str = "release";
/// The process type of one-off dynos, whatever they run.
const RUN: &str = "run";

/// Makes a newtype over a shared string whose contents `$valid` has accepted.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $error:ident, $valid:path, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                if $valid(text) { Ok($name(text.into())) } else { Err($error($crate::name::label::clip(text))) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        #[doc = concat!("Text that is no [`", stringify!($name), "`].")]
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error(String);
    };
}
pub(super) use label;

label!(
    /// The name of an app, such as `hello`: a valid DNS label, so that `hello.localhost` works.
    AppName,
    AppNameError,
    is_app_name,
    "{0:?} is not an app name: use 3 to 30 of a-z, 0-9 and -, starting with a letter and not ending with -"
);

label!(
    /// A process type, such as `web` or `worker`.
    ProcessType,
    ProcessTypeError,
    is_process_type,
    "{0:?} is not a process type: use 1 to 30 of a-z, 0-9, _ and -, starting with a letter"
);

label!(
    /// The name of a node, such as `n1` or `n1.example.com`.
    NodeId,
    NodeIdError,
    is_node_id,
    "{0:?} is not a node name: use 1 to 63 of a-z, 0-9, . and -, starting with a letter or digit"
);

impl ProcessType {
    /// The process type that takes web requests.
    pub fn web() -> Self {
        ProcessType(WEB.into())
    }

    /// Sorts before every other process type. A range over an app's dynos begins here; no process has this type.
    pub(crate) fn lowest() -> Self {
        ProcessType(Arc::default())
    }

    /// The process type that runs once before a release goes live.
    pub fn release() -> Self {
        ProcessType(RELEASE.into())
    }

    /// The process type of one-off dynos.
    pub fn run() -> Self {
        ProcessType(RUN.into())
    }

    /// Whether its dynos take web requests.
    pub fn is_web(&self) -> bool {
        self.as_str() == WEB
    }

    /// Whether this is the type of release processes.
    pub fn is_release(&self) -> bool {
        self.as_str() == RELEASE
    }

    /// Whether this is the type of one-off dynos.
    pub fn is_run(&self) -> bool {
        self.as_str() == RUN
    }

    /// Whether its dynos run once and are never part of a formation: `release` and `run`.
    pub fn runs_once(&self) -> bool {
        self.is_release() || self.is_run()
    }
}

/// The most characters of a wrong name that an error quotes.
const QUOTE_CHARS_MAX: usize = 64;

pub(super) fn clip(text: &str) -> String {
    text.chars().take(QUOTE_CHARS_MAX).collect()
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_app_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (3..=30).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && is_lower_or_digit(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| is_lower_or_digit(b) || b == b'-')
}

fn is_process_type(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=30).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes
            .iter()
            .all(|&b| is_lower_or_digit(b) || b == b'_' || b == b'-')
}

fn is_node_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && is_lower_or_digit(bytes[0])
        && bytes
            .iter()
            .all(|&b| is_lower_or_digit(b) || b == b'.' || b == b'-')
}
