//! Apps and their settings.
//!
//! Owns their JSON forms. Must not know how an app is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::present;

/// An app.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = App)]
pub struct AppResource {
    /// The app's name.
    #[schema(pattern = "^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
    pub name: String,
    /// The app's address, by its default hostname.
    #[schema(format = "uri")]
    pub url: String,
    /// All hostnames of the app.
    pub hostnames: Vec<String>,
    /// Whether every request is answered with the maintenance page.
    pub maintenance: bool,
    /// The app's own limit on the time to the first byte of a response, in milliseconds; `null`: its release's limit.
    #[schema(required, minimum = 1000, maximum = 600000)]
    pub timeout_ms: Option<u64>,
    /// How long an app must be without requests before its dynos sleep, or `off`; `null`: the server's default.
    #[schema(required)]
    pub idle_after: Option<String>,
    /// The release that serves; `null` if none serves yet.
    #[schema(required, pattern = "^v[1-9][0-9]*$")]
    pub release: Option<String>,
    /// The newest release, whatever its status; `null` if there is none.
    #[schema(required, pattern = "^v[1-9][0-9]*$")]
    pub newest: Option<String>,
    /// How many dynos of each process type are wanted.
    pub formation: BTreeMap<String, u32>,
    /// When the app was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The name of the token that created it.
    pub created_by: String,
}

/// An app to create.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApp)]
pub struct CreateAppRequest {
    /// The app's name, which is also the first label of its default hostname.
    #[schema(pattern = "^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
    pub name: String,
}

/// Settings to change; an absent setting stays as it is.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AppChanges)]
pub struct UpdateAppRequest {
    /// Whether every request is to be answered with the maintenance page.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub maintenance: Option<bool>,
    /// Time to the first byte of a response, from `1s` to `10m`; `null`: the release's limit.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, pattern = "^([1-9][0-9]?|[1-5][0-9]{2}|600)s$|^([1-9]|10)m$")]
    pub timeout: Option<Option<String>>,
    /// How long an app must be without requests before its dynos sleep, from `1s` to `30d`, or `off`; `null`: the
    /// server's default.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, pattern = "^off$|^[1-9][0-9]{0,4}[sm]$|^[1-9][0-9]?h$|^([1-9]|[12][0-9]|30)d$")]
    pub idle_after: Option<Option<String>>,
}
