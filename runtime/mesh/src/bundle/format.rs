//! The content of a bundle and its text form.
//!
//! Owns the fields, their order and the version. Must not know files, nor how a certificate is made.
//!
//! The form is TOML. The last field is required, so that a file that was cut off anywhere is never valid.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use grid::name::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::certificate::{CertificateProblem, check_certificate};
use super::node_list::{GridNode, NodeListError, check_nodes};
use super::secret::{GridKey, HiddenText, RandomnessError, from_hex, random_bytes, to_hex};

/// The version of the format that this program reads and writes.
pub const BUNDLE_VERSION: u32 = 1;
/// Bytes of a [`GridId`].
const GRID_ID_BYTES: usize = 16;
/// The first lines of a bundle.
const HEADER: &str = "\
# A node of a grid: `dyno serve --grid FILE`. Whoever reads this file can join the grid and read its ledger:
# copy it to the machine of its node over an encrypted connection, and nowhere else.
";

/// The identity of a grid: 32 random hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GridId([u8; GRID_ID_BYTES]);

/// Text that is no [`GridId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity of a grid is 32 lower-case hexadecimal digits")]
pub struct GridIdError;

impl GridId {
    /// Makes a random identity.
    pub fn generate() -> Result<Self, RandomnessError> {
        random_bytes().map(GridId)
    }
}

impl FromStr for GridId {
    type Err = GridIdError;

    fn from_str(text: &str) -> Result<Self, GridIdError> {
        from_hex(text).map(GridId).ok_or(GridIdError)
    }
}

impl fmt::Display for GridId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for GridId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for GridId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GridId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Everything that a machine needs to be one node of a grid. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeBundle {
    pub(super) version: u32,
    /// The grid.
    pub grid: GridId,
    /// The name of this node, which is in `nodes`.
    pub node: NodeId,
    /// The key that seals the entries of the ledger.
    pub ledger_key: GridKey,
    /// All nodes that the grid had when the bundle was made.
    pub nodes: Vec<GridNode>,
    /// The certificates of the grid and the node.
    pub tls: NodeCertificate,
    /// The logins at the engine.
    pub engine: EngineAccess,
}

/// The certificates of a node, as PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeCertificate {
    /// The certificate of the grid's authority.
    pub authority: String,
    /// The node's certificate: its DNS name is the node's name, and it contains the node's IP address.
    pub certificate: String,
    /// The private key of the node's certificate, PKCS #8.
    pub key: HiddenText,
}

/// A user of the engine and its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineLogin {
    /// The user.
    pub user: String,
    /// The password.
    pub password: HiddenText,
}

/// The logins of a node at the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineAccess {
    /// The secret from which the password of each node follows. Only on nodes that run the engine, which accepts the
    /// passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<GridKey>,
    /// The login for the ledger, slugs and usage.
    pub login: EngineLogin,
    /// The login of the system account, for checks of the servers and the removal of dead ones.
    pub system: EngineLogin,
}

/// Text that is no bundle, or a bundle that no node can use. No message contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not the format of a bundle: cut off, changed by hand, or another kind of file.
    #[error(
        "the bundle is damaged at line {line} ({message}): copy it again from the machine where it was made"
    )]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A version that this program does not know.
    #[error(
        "the bundle has version {0}, and this program reads version {BUNDLE_VERSION}: run the same release of dyno on all nodes"
    )]
    UnknownVersion(u32),
    /// The node is not in the list of nodes.
    #[error(
        "the bundle is for node {0}, which is not in its list of nodes: copy it again from the machine where it was made"
    )]
    NodeNotListed(NodeId),
    /// The list of nodes makes no grid.
    #[error("the bundle lists nodes that make no grid")]
    Nodes(#[source] NodeListError),
    /// A node runs the engine without the secret for it.
    #[error(
        "node {0} runs the engine, and its bundle lacks the engine's secret: copy it again from the machine where it was made"
    )]
    EngineSecretMissing(NodeId),
    /// The certificate is not usable.
    #[error("the bundle's certificate is not usable")]
    Certificate(#[source] CertificateProblem),
}

/// The one field that every version has.
#[derive(Deserialize)]
struct BundleVersion {
    version: u32,
}

impl NodeBundle {
    /// The entry of this node in the list of nodes; `None` only for a bundle that was not checked.
    pub fn own_entry(&self) -> Option<&GridNode> {
        self.nodes.iter().find(|node| node.name == self.node)
    }

    /// Writes the bundle as text.
    pub fn to_text(&self) -> String {
        let body = toml::to_string_pretty(self);
        let body = body.expect("a bundle has only tables, arrays, texts and numbers");
        format!("{HEADER}{body}")
    }

    /// Reads a bundle, and checks everything in it that can be checked without another machine. `now` is the time of
    /// this machine's clock, against which the certificate's dates are held.
    pub fn from_text(text: &str, now: SystemTime) -> Result<Self, BundleError> {
        let damaged = |error: toml::de::Error| damage(text, &error);
        let BundleVersion { version } = toml::from_str(text).map_err(damaged)?;
        if version != BUNDLE_VERSION {
            return Err(BundleError::UnknownVersion(version));
        }
        let bundle: NodeBundle = toml::from_str(text).map_err(damaged)?;
        bundle.check(now)?;
        Ok(bundle)
    }

    fn check(&self, now: SystemTime) -> Result<(), BundleError> {
        check_nodes(&self.nodes).map_err(BundleError::Nodes)?;
        let own = self
            .own_entry()
            .ok_or_else(|| BundleError::NodeNotListed(self.node.clone()))?;
        if own.role.runs_engine() && self.engine.secret.is_none() {
            return Err(BundleError::EngineSecretMissing(self.node.clone()));
        }
        check_certificate(&self.tls, &self.node, now).map_err(BundleError::Certificate)
    }
}

/// Describes a syntax error without the text around it, which may be a secret.
fn damage(text: &str, error: &toml::de::Error) -> BundleError {
    let offset = error.span().map_or(text.len(), |span| span.start);
    let before = text.as_bytes().iter().take(offset);
    let line = 1 + before.filter(|byte| **byte == b'\n').count();
    let message = error.message().lines().next().unwrap_or_default();
    let message = message.to_owned();
    BundleError::Damaged { line, message }
}
