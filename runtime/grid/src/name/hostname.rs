//! HTTP host names.
//!
//! Owns which text is a host name. Must not know ports, addresses, or which app has a host name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// RFC 1035, 2.3.4: a name has at most 255 octets on the wire, which is 253 characters.
const HOSTNAME_BYTES_MAX: usize = 253;
/// RFC 1035, 2.3.4: a label has at most 63 octets.
const LABEL_BYTES_MAX: usize = 63;

/// A host name without port, in lower case, such as `hello.localhost`.
///
/// Parsing lowers the case and drops one trailing dot. Addresses, such as `127.0.0.1` and `[::1]`, are no
/// host names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(Arc<str>);

/// Text that is no [`Hostname`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostnameError {
    /// The text is empty, or longer than a host name may be.
    #[error("a host name has 1 to 253 characters")]
    Length,
    /// A part between dots breaks the rules.
    #[error(
        "each part of a host name has 1 to 63 of a-z, 0-9 and -, and neither starts nor ends with -"
    )]
    Label,
    /// The last part is a number, so this is an IPv4 address or looks like one.
    #[error("an address is not a host name")]
    Address,
}

impl Hostname {
    /// The name as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=LABEL_BYTES_MAX).contains(&bytes.len())
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, HostnameError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.len() > HOSTNAME_BYTES_MAX {
            return Err(HostnameError::Length);
        }
        if !name.split('.').all(is_label) {
            return Err(HostnameError::Label);
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        if last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(HostnameError::Address);
        }
        Ok(Hostname(name.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A map by host name can be searched with plain text in lower case.
impl std::borrow::Borrow<str> for Hostname {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Hostname {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hostname {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
