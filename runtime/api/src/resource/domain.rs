//! Hostnames of an app.
//!
//! Owns their JSON forms. Must not know which hostnames are allowed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A hostname of an app.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Domain)]
pub struct DomainResource {
    /// The hostname, in lower case.
    pub hostname: String,
}

/// A hostname to add to an app.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDomain)]
pub struct AddDomainRequest {
    /// The hostname.
    #[schema(
        min_length = 1,
        max_length = 253,
        pattern = "^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
    )]
    pub hostname: String,
}
