//! Dynos, and one-off dynos to run.
//!
//! Owns their JSON forms. Must not know how a dyno runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::present;

/// A dyno.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Dyno)]
pub struct DynoResource {
    /// The dyno's name, such as `web.1`.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,29}[.][1-9][0-9]*$")]
    pub id: String,
    /// The process type.
    pub process: String,
    /// The dyno's state: `starting`, `up`, `idle`, `stopping`, `crashed` or `down`.
    #[schema(pattern = "^[a-z]+$")]
    pub state: String,
    /// When the dyno came into this state.
    #[schema(format = DateTime)]
    pub since: String,
    /// Whole seconds in this state.
    pub for_s: u64,
    /// The release that the dyno runs.
    #[schema(pattern = "^v[1-9][0-9]*$")]
    pub release: String,
    /// The node that the dyno runs on; `null` while the dyno waits to be started again after a crash.
    #[schema(required)]
    pub node: Option<String>,
}

/// A program to run once, on a dyno of its own. No `Debug`: arguments and variables can be secrets.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDyno)]
pub struct RunDynoRequest {
    /// A process type of the app, a command word of its language such as `python`, or the path of a component in its
    /// slug; then arguments.
    #[schema(min_items = 1, max_items = 256)]
    pub command: Vec<String>,
    /// Environment variables, which override the app's config vars.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether the client reads the program's output and writes its input. If not, the input is empty, and the output
    /// goes to the app's log.
    #[serde(default)]
    pub attach: bool,
    /// Memory of the dyno, from `1MiB` to `4GiB`; absent: the memory of the process type.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(
        pattern = "^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])MiB$|^[1-4]GiB$",
        nullable = false
    )]
    pub size: Option<String>,
}
