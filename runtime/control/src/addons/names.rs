//! Names, passwords and addresses of add-ons.
//!
//! Owns how they are formed. Must not know any service.

use super::error::ServiceConfigError;
use grid::desired::{AddonService, SecretText};
use grid::name::{AddonName, Endpoint};

/// Random bytes in a password, and in a generated name.
const PASSWORD_BYTES: usize = 24;
const NAME_BYTES: usize = 4;

/// The name of an add-on's role, database or user on a server.
pub(super) fn identifier(addon: &AddonName) -> String {
    format!("dyno_{}", addon.as_str().replace('-', "_"))
}

/// Forms an address from a host and a port.
pub(super) fn endpoint(host: &str, port: u16) -> Result<Endpoint, ServiceConfigError> {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let endpoint = format!("{host}:{port}").parse();
    endpoint.map_err(|_| ServiceConfigError::Address)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Generates a password: 192 bits as hexadecimal digits, which need no escapes in a URL.
pub fn random_password() -> SecretText {
    SecretText(hex(&crate::random::bytes::<PASSWORD_BYTES>()).into())
}

/// Generates a name for an add-on.
pub fn random_addon_name(service: AddonService) -> AddonName {
    let chance = hex(&crate::random::bytes::<NAME_BYTES>());
    let name = format!("{service}-{chance}").parse();
    name.expect("a service's name and digits are a name")
}
