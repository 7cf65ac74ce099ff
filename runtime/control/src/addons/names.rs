//! Names, passwords and addresses of add-ons.
//!
//! Owns how they are made. Must not know any service.

use super::error::ServiceConfigError;
use grid::desired::{AddonService, SecretText};
use grid::name::{AddonName, Endpoint};

/// Bytes of chance in a password, and in a name that nobody chose.
const PASSWORD_BYTES: usize = 24;
const NAME_BYTES: usize = 4;

/// What a role, a database or a user of an add-on is called.
pub(super) fn identifier(addon: &AddonName) -> String {
    format!("dyno_{}", addon.as_str().replace('-', "_"))
}

/// The address that a URL or an operator names.
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

/// A new password: 192 bits as hexadecimal digits, so that it needs no escapes in a URL.
pub fn password() -> SecretText {
    SecretText(hex(&crate::random::bytes::<PASSWORD_BYTES>()).into())
}

/// A name for an add-on that nobody named.
pub fn name(service: AddonService) -> AddonName {
    let chance = hex(&crate::random::bytes::<NAME_BYTES>());
    let name = format!("{service}-{chance}").parse();
    name.expect("a service's name and digits are a name")
}
