//! The formation of an app: how many dynos of each process type, and their memory.
//!
//! Owns its JSON forms. Must not know how dynos are started.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::{list_of_objects, present, whole_number};
use super::open_enum::OpenEnum;
use super::release::ProcessKindResource;

/// The dynos of one process type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Formation)]
pub struct FormationResource {
    /// The process type.
    #[serde(rename = "type")]
    pub process: String,
    /// How many dynos are wanted.
    #[schema(maximum = 1000)]
    pub quantity: u32,
    /// Memory of each dyno.
    #[schema(pattern = "^[0-9]+(B|MiB|GiB)$")]
    pub memory: String,
    /// How the process type runs.
    #[schema(value_type = ProcessKindResource)]
    pub kind: OpenEnum<ProcessKindResource>,
}

/// A change of one process type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormationUpdate {
    /// The process type.
    #[serde(rename = "type")]
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,29}$")]
    pub process: String,
    /// How many dynos are wanted; absent: as many as now.
    #[serde(
        default,
        deserialize_with = "whole_number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 1000, nullable = false)]
    pub quantity: Option<u32>,
    /// Memory of each dyno, from `1MiB` to `4GiB`; absent: as now. A change makes a release.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(
        pattern = "^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])MiB$|^[1-4]GiB$",
        nullable = false
    )]
    pub memory: Option<String>,
}

/// Changes of a formation; a process type that is not named stays as it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FormationChanges)]
pub struct UpdateFormationRequest {
    /// The changes, one for each process type.
    #[serde(deserialize_with = "list_of_objects")]
    #[schema(max_items = 100)]
    pub updates: Vec<FormationUpdate>,
}
