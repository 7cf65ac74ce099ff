//! Add-ons as an app has them.
//!
//! Owns their JSON forms. Must not know how a service is made.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::present;
use super::open_enum::OpenEnum;

/// How far an add-on is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AddonStatus {
    /// The service is being made.
    Creating,
    /// The service can be used.
    Ready,
    /// No app has the add-on any more. The service is removed as soon as its server allows it.
    Destroying,
}

/// An add-on as one app has it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Addon)]
pub struct AddonResource {
    /// The add-on's name, unique on the server.
    #[schema(pattern = "^[a-z][a-z0-9-]{1,38}[a-z0-9]$")]
    pub name: String,
    /// The kind of service.
    #[schema(pattern = "^(postgresql|redis|memcached)$")]
    pub service: String,
    /// How far the add-on is.
    #[schema(value_type = AddonStatus)]
    pub state: OpenEnum<AddonStatus>,
    /// The app that the add-on was made for, and is destroyed with; `null` if the token does not show that app.
    #[schema(required)]
    pub owner: Option<String>,
    /// The name of the attachment to this app; `null` while the app does not have the add-on.
    #[serde(rename = "as")]
    #[schema(required, pattern = "^[A-Z][A-Z0-9_]{0,29}$")]
    pub attached_as: Option<String>,
    /// Names of the config vars that this app has from the add-on.
    pub config_names: Vec<String>,
    /// The other apps that have the add-on, as far as the token shows them.
    pub shared_with: Vec<String>,
    /// When the add-on was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The name of the token that created it.
    pub created_by: String,
}

/// An add-on to create (`service`), or one of another app to attach (`addon`). The document has a schema of its own
/// for this type, which tells the two forms apart.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAttachment)]
pub struct CreateAddonRequest {
    /// The kind of service to create.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub service: Option<String>,
    /// A name for the new add-on; absent: the service's name and some digits.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// The add-on of another app to attach.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub addon: Option<String>,
    /// The name of the attachment; absent: `DATABASE`, `REDIS` or `MEMCACHED`.
    #[serde(
        default,
        rename = "as",
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub attach_as: Option<String>,
}
