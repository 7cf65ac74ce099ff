//! The grid's certificate authority.
//!
//! Owns the authority's key, and the form of the certificates that it signs. Must not know files, nor where the key is
//! kept.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde::{Deserialize, Serialize};

use super::format::{EngineAccess, EngineLogin, GridId, NodeCertificate};
use super::node_list::GridNode;
use super::secret::{GridKey, HiddenText, RandomnessError};

/// How long a node's certificate is valid.
pub const CERTIFICATE_VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long the authority's certificate is valid: longer than any grid is expected to live, since a change of it means
/// new bundles for all nodes.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
/// How long before its making a certificate is valid, because the clocks of machines differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);
/// The user of the engine's system account.
const SYSTEM_USER: &str = "system";

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The cryptographic library refuses.
    #[error("the certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// No randomness.
    #[error("a secret cannot be made")]
    Randomness(#[from] RandomnessError),
}

/// What makes new nodes: the key that signs their certificates, and the secret from which their logins follow. Belongs
/// into the ledger, sealed, and into no bundle. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridAuthority {
    /// The grid.
    pub grid: GridId,
    /// The authority's certificate, as PEM.
    pub certificate: String,
    key: HiddenText,
    engine_secret: GridKey,
}

impl GridAuthority {
    /// Makes the authority of a new grid.
    pub(super) fn generate(grid: GridId, now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = authority_params(grid);
        set_validity(&mut params, now, AUTHORITY_VALIDITY);
        let certificate = params.self_signed(&key)?.pem();
        Ok(GridAuthority {
            grid,
            certificate,
            key: HiddenText::new(key.serialize_pem()),
            engine_secret: GridKey::generate()?,
        })
    }

    /// Makes a key and a certificate for a node.
    pub(super) fn issue(
        &self,
        node: &GridNode,
        now: SystemTime,
    ) -> Result<NodeCertificate, AuthorityError> {
        let issuer_key = KeyPair::from_pem(self.key.expose())?;
        let issuer = Issuer::new(authority_params(self.grid), issuer_key);
        let mut params = CertificateParams::new([node.name.to_string()])?;
        // Clients of the engine connect to an address, not to a name.
        let address = SanType::IpAddress(node.address.ip());
        params.subject_alt_names.push(address);
        params.distinguished_name = name_of(node.name.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, CERTIFICATE_VALIDITY);
        let key = KeyPair::generate()?;
        Ok(NodeCertificate {
            authority: self.certificate.clone(),
            certificate: params.signed_by(&key, &issuer)?.pem(),
            key: HiddenText::new(key.serialize_pem()),
        })
    }

    /// The logins of a node at the engine. An engine node computes the same ones, for every node, from the secret.
    pub(super) fn engine_access(&self, node: &GridNode) -> EngineAccess {
        let secret = node.role.runs_engine().then(|| self.engine_secret.clone());
        EngineAccess {
            secret,
            login: EngineLogin::of_node(&self.engine_secret, node.name.as_str()),
            system: EngineLogin::of_system(&self.engine_secret),
        }
    }
}

impl EngineLogin {
    /// The login of the node with this name.
    pub fn of_node(engine_secret: &GridKey, node: &str) -> Self {
        let user = format!("node-{node}");
        let password = engine_secret.derive(&user);
        EngineLogin { user, password }
    }

    /// The login of the system account.
    pub fn of_system(engine_secret: &GridKey) -> Self {
        let password = engine_secret.derive(SYSTEM_USER);
        let user = SYSTEM_USER.to_owned();
        EngineLogin { user, password }
    }
}

/// The parameters of the authority's certificate: the same each time, so that a certificate that is signed later names
/// its issuer correctly.
fn authority_params(grid: GridId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = name_of(&format!("dyno grid {grid}"));
    params
}

fn name_of(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams, now: SystemTime, validity: Duration) {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCK_TOLERANCE);
    params.not_after = epoch + now + validity;
}
