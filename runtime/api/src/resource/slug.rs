//! Slugs on the server.
//!
//! Owns their JSON forms. Must not know how a slug is checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::open_enum::OpenEnum;
use super::release::ProcessKindResource;

/// A slug.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Slug)]
pub struct SlugResource {
    /// The slug's id: the SHA-256 of its file.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    pub id: String,
    /// Size of the slug's file.
    pub bytes: u64,
}

/// A process type of a slug.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = SlugProcess)]
pub struct SlugProcessResource {
    /// How the process type runs.
    #[schema(value_type = ProcessKindResource)]
    pub kind: OpenEnum<ProcessKindResource>,
    /// The WIT world that the component targets.
    pub world: String,
}

/// A slug that was uploaded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = NewSlug)]
pub struct UploadedSlugResource {
    /// The slug's id: the SHA-256 of its file.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    pub id: String,
    /// Size of the slug's file.
    pub bytes: u64,
    /// Size of all files in the slug.
    pub unpacked_bytes: u64,
    /// The process types, by name.
    pub processes: BTreeMap<String, SlugProcessResource>,
    /// What the slug's owner should know.
    pub warnings: Vec<String>,
}
