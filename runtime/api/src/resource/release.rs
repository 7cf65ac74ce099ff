//! Releases, and the plan of a release.
//!
//! Owns their JSON forms: config vars by name only. Must not know how a release is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::present;
use super::open_enum::OpenEnum;

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Status)]
pub enum ReleaseStatus {
    /// Its dynos are starting.
    Pending,
    /// It gets the app's requests.
    Serving,
    /// Its dynos did not start. The release before goes on serving.
    Failed,
    /// A newer release took its place.
    Retired,
}

/// How a process type runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Kind)]
pub enum ProcessKindResource {
    /// The host calls a `wasi:http` handler for each request.
    Handler,
    /// A program listens on `$PORT`.
    Server,
    /// A program runs by itself and gets no requests.
    Process,
}

/// A process type of a release.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Process)]
pub struct ReleaseProcessResource {
    /// How the process type runs.
    #[schema(value_type = ProcessKindResource)]
    pub kind: OpenEnum<ProcessKindResource>,
    /// Memory of each dyno.
    #[schema(pattern = "^[0-9]+(B|MiB|GiB)$")]
    pub memory: String,
    /// Time to the first byte of a response.
    pub timeout: String,
}

/// A release.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Release)]
pub struct ReleaseResource {
    /// The release's number.
    #[schema(pattern = "^v[1-9][0-9]*$")]
    pub version: String,
    /// What became of the release.
    #[schema(value_type = ReleaseStatus)]
    pub status: OpenEnum<ReleaseStatus>,
    /// Why the release failed; `null` if it did not.
    #[schema(required)]
    pub reason: Option<String>,
    /// Why the release was made.
    pub description: String,
    /// The id of the release's slug.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    pub slug: String,
    /// When the release was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The name of the token that created it.
    pub created_by: String,
    /// The process types, by name.
    pub processes: BTreeMap<String, ReleaseProcessResource>,
    /// Names of the release's config vars.
    pub config_names: Vec<String>,
    /// What the maker of a new release should know. Only the response that creates the release has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub warnings: Option<Vec<String>>,
}

/// A release to create: from a slug, or from an earlier release. The document has a schema of its own for this type,
/// which tells the two forms apart.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRelease)]
pub struct CreateReleaseRequest {
    /// The slug, which must be on the server.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub slug: Option<String>,
    /// Why the release is made; absent: `Deploy`.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<String>,
    /// The earlier release whose slug and config vars the new release takes over.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub rollback: Option<String>,
}

/// What a release would change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Plan)]
pub struct ReleasePlanResource {
    /// The number that the release would have.
    #[schema(pattern = "^v[1-9][0-9]*$")]
    pub version: String,
    /// The description that the release would have.
    pub description: String,
    /// The slug now and then.
    pub slug: SlugChangeResource,
    /// Config vars, by name.
    pub config: ChangesResource,
    /// Process types.
    pub processes: ChangesResource,
    /// Files of the slug.
    pub files: ChangesResource,
    /// The steps that would be carried out, in order, if none failed.
    pub steps: Vec<String>,
}

/// The slug before and after a release.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = SlugChange)]
pub struct SlugChangeResource {
    /// The slug of the newest release; `null` if there is no release.
    #[schema(required, pattern = "^sha256:[0-9a-f]{64}$")]
    pub from: Option<String>,
    /// The slug of the release to make.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    pub to: String,
}

/// Names that differ before and after a release.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Changes)]
pub struct ChangesResource {
    /// Names that only the new release has.
    pub added: Vec<String>,
    /// Names that only the newest release has.
    pub removed: Vec<String>,
    /// Names that both have, with another value.
    pub changed: Vec<String>,
}

impl ChangesResource {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}
