//! The body of a response that refuses a request.
//!
//! Owns its JSON form. Must not know which failures there are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Error)]
pub struct FailureResource {
    /// The kind of failure, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub id: String,
    /// What is wrong and what to do, for people.
    pub message: String,
}
