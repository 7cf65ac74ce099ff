//! Config vars.
//!
//! Owns their JSON forms. Neither type has `Debug`: values are secrets and are never printed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Values by name.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigVars)]
pub struct ConfigVarsResource(pub BTreeMap<String, String>);

/// Values to set by name, and `null` for the names to remove.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigVarChanges)]
pub struct UpdateConfigVarsRequest(pub BTreeMap<String, Option<String>>);
