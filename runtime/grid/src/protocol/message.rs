//! The envelope of every message between machines.
//!
//! Owns the protocol's version and the rule for other versions. Must not know the content of a message.

use serde::{Deserialize, Serialize};

/// The version that this program writes.
///
/// A new field has a serde default and leaves the version as it is: readers ignore fields that they do not know. A new
/// variant, a removed field or a changed meaning makes the next version. A program reads its own version and, from
/// version 2 on, the one before, so that the nodes of a grid can be upgraded one after the other. A message of any
/// other version is refused as a whole: its sender counts as silent until it is upgraded.
pub const PROTOCOL_VERSION: u32 = 1;

/// One message of one program to another: its version first, so that a reader refuses a version that it does not know
/// before it reads anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<T> {
    version: KnownVersion,
    /// The content: a `Step`, a `Report` or a `OneOff`.
    pub body: T,
}

impl<T> Message<T> {
    /// A message of this program's version.
    pub const fn new(body: T) -> Self {
        Message {
            version: KnownVersion(PROTOCOL_VERSION),
            body,
        }
    }
}

/// A version that this program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct KnownVersion(u32);

impl TryFrom<u32> for KnownVersion {
    type Error = UnknownProtocolVersion;

    fn try_from(version: u32) -> Result<Self, UnknownProtocolVersion> {
        if version == PROTOCOL_VERSION {
            return Ok(KnownVersion(version));
        }
        Err(UnknownProtocolVersion { version })
    }
}

impl From<KnownVersion> for u32 {
    fn from(version: KnownVersion) -> u32 {
        version.0
    }
}

/// A message of a version that this program does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message has protocol version {version}, and this program reads version {PROTOCOL_VERSION}: run the same release of dyno on all nodes"
)]
pub struct UnknownProtocolVersion {
    /// The version of the message.
    pub version: u32,
}
