//! Names that are, or end in, a number: dynos, versions, generations, runs.
//!
//! Owns how they are written and counted. Must not know who hands out the next number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AppName, ProcessType, ProcessTypeError};

/// A place in a formation, such as `web.1`. Many dynos have it, one after the other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DynoId {
    /// The process type.
    pub process: ProcessType,
    /// The number within the process type, from 1.
    pub index: u32,
}

impl DynoId {
    /// The dyno of a release process. An app has one at a time.
    pub fn release() -> Self {
        DynoId {
            process: ProcessType::release(),
            index: 1,
        }
    }

    /// Sorts before every other id. A range over an app's dynos begins here; no dyno has this id.
    pub(crate) fn lowest() -> Self {
        DynoId {
            process: ProcessType::lowest(),
            index: 0,
        }
    }
}

/// Text that is no [`DynoId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DynoIdError {
    /// No dot, or no number from 1 behind it.
    #[error("a dyno is named by its process type, a dot and a number from 1, as in web.1")]
    Shape,
    /// The text before the dot is no process type.
    #[error("a dyno's name starts with its process type")]
    Process(#[source] ProcessTypeError),
}

/// Reads a number without sign or leading zero.
fn plain_number<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

impl FromStr for DynoId {
    type Err = DynoIdError;

    fn from_str(text: &str) -> Result<Self, DynoIdError> {
        let (process, index) = text.rsplit_once('.').ok_or(DynoIdError::Shape)?;
        Ok(DynoId {
            process: process.parse().map_err(DynoIdError::Process)?,
            index: plain_number(index).ok_or(DynoIdError::Shape)?,
        })
    }
}

impl fmt::Display for DynoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.process, self.index))
    }
}

impl fmt::Debug for DynoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DynoId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DynoId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The number of a release of an app: `v1`, `v2`, … without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Version(u32);

/// A text that is not a [`Version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a release is named by v and a number from 1, as in v42")]
pub struct VersionError;

impl Version {
    /// The first release of an app.
    pub const FIRST: Version = Version(1);

    /// The release with this number, which counts from 1.
    pub const fn new(number: u32) -> Result<Self, VersionError> {
        if number == 0 {
            Err(VersionError)
        } else {
            Ok(Version(number))
        }
    }

    /// The number without the `v`.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The release after this one.
    pub const fn next(self) -> Self {
        Version(self.0.saturating_add(1))
    }
}

impl TryFrom<u32> for Version {
    type Error = VersionError;

    fn try_from(number: u32) -> Result<Self, VersionError> {
        Version::new(number)
    }
}

impl From<Version> for u32 {
    fn from(version: Version) -> u32 {
        version.0
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let number = text.strip_prefix('v').ok_or(VersionError)?;
        plain_number(number).map(Version).ok_or(VersionError)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("v{}", self.0))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A release of one app, unlike every other release that any app of this name ever had.
///
/// The number alone does not do: an app may be destroyed and created again, and a node that was cut off meanwhile still
/// has the slug and the config vars of the first `v1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseId {
    /// The place of the app's creation among the facts of the ledger, from 1.
    pub creation: u64,
    /// The number of the release within the app.
    pub version: Version,
}

impl ReleaseId {
    /// Sorts before every other id. A range over an app's releases begins here; no release has this id.
    pub(crate) const LOWEST: ReleaseId = ReleaseId {
        creation: 0,
        version: Version::FIRST,
    };
}

/// Shown as its number: users only see the releases of one app.
impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.version, f)
    }
}

impl fmt::Debug for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.version, self.creation)
    }
}

/// The number of a published route. It only rises.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of one start of a dyno. No two starts have the same number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Run(pub u64);

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of a reconciler's start in the ledger, from 1. Of two reconcilers, the one with the higher number leads.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LeaderEpoch(pub u64);

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One start of one dyno of one app, such as `hello/web.1#7`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DynoKey {
    /// The app.
    pub app: AppName,
    /// The place in its formation.
    pub dyno: DynoId,
    /// The number of the start.
    pub run: Run,
}

impl fmt::Display for DynoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}#{}", self.app, self.dyno, self.run))
    }
}

impl fmt::Debug for DynoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
