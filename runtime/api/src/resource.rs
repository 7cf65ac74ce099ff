//! The JSON types of the API: the server returns a `…Resource` and takes a `…Request`.
//!
//! Owns the names and forms of all fields, for the routes and for the client of `dyno`'s commands alike. Must not know
//! how a resource is read from the server's state, nor how a request is carried out.
//!
//! # Compatibility
//!
//! The server refuses a request with an unknown field. The client ignores unknown fields of a resource, and keeps an
//! unknown word of a closed list as text ([`OpenEnum`]), so that a client works with a newer server. A field that is
//! added to a resource must be optional or have `#[serde(default)]`, so that the client works with an older server.
//!
//! Times are RFC 3339 in UTC. Names are text here: the server parses the names in a request, and prints those of a
//! resource.

mod access;
mod addon;
mod app;
mod config;
mod domain;
mod dyno;
mod failure;
mod fields;
mod formation;
mod open_enum;
mod page;
mod release;
mod server;
mod slug;
mod usage;

pub use access::{AccountResource, CreateTokenRequest, TokenResource, TokenRoleResource};
pub use addon::{AddonResource, AddonStatus, CreateAddonRequest};
pub use app::{AppResource, CreateAppRequest, UpdateAppRequest};
pub use config::{ConfigVarsResource, UpdateConfigVarsRequest};
pub use domain::{AddDomainRequest, DomainResource};
pub use dyno::{DynoResource, RunDynoRequest};
pub use failure::FailureResource;
pub use formation::{FormationResource, FormationUpdate, UpdateFormationRequest};
pub use open_enum::OpenEnum;
pub use page::PageResource;
pub use release::{
    ChangesResource, CreateReleaseRequest, ProcessKindResource, ReleasePlanResource,
    ReleaseProcessResource, ReleaseResource, ReleaseStatus, SlugChangeResource,
};
pub use server::{PricesResource, ReadinessResource, ServerResource};
pub use slug::{SlugProcessResource, SlugResource, UploadedSlugResource};
pub use usage::{PriceResource, UsageItemResource, UsageResource};

/// The header of a response that names the release which the request made, such as `v4`.
pub const RELEASE_HEADER: &str = "x-dyno-release";
/// The header of a request that creates something: a repeated request with the same key is carried out once.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";
/// How many seconds a request may wait for the outcome of a release, at most.
pub const RELEASE_WAIT_SECS_MAX: u64 = 60;
