//! The API's objects, as far as commands look into them: more fields do no harm.
//!
//! Names and times are the server's text, shown as they are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// A whole list.
#[derive(Debug, Deserialize)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
}

/// Why a request was refused.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) message: String,
}

/// Who a token belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) role: String,
    /// The only app that the token is good for.
    #[serde(default)]
    pub(crate) app: Option<String>,
}

/// An app.
#[derive(Debug, Deserialize)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) hostnames: Vec<String>,
    #[serde(default)]
    pub(crate) maintenance: bool,
    /// Milliseconds; nothing means the release's own.
    #[serde(default)]
    pub(crate) timeout_ms: Option<u64>,
    #[serde(default)]
    pub(crate) idle_after: Option<String>,
    /// The one that serves.
    #[serde(default)]
    pub(crate) release: Option<String>,
    #[serde(default)]
    pub(crate) newest: Option<String>,
    #[serde(default)]
    pub(crate) formation: BTreeMap<String, u32>,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) created_by: String,
}

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Pending,
    Serving,
    Failed,
    Retired,
    /// What a newer server may say.
    #[serde(other)]
    Other,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Serving => "serving",
            Status::Failed => "failed",
            Status::Retired => "retired",
            Status::Other => "?",
        }
    }
}

/// A release.
#[derive(Debug, Deserialize)]
pub(crate) struct Release {
    pub(crate) version: String,
    pub(crate) status: Status,
    /// Why it failed.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) slug: Option<String>,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) created_by: String,
    #[serde(default)]
    pub(crate) processes: BTreeMap<String, Process>,
    #[serde(default)]
    pub(crate) config_names: Vec<String>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

/// A process type of a release.
#[derive(Debug, Deserialize)]
pub(crate) struct Process {
    pub(crate) kind: String,
    pub(crate) memory: String,
    #[serde(default)]
    pub(crate) timeout: Option<String>,
}

/// What a deploy or a rollback would change.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) slug: SlugChange,
    #[serde(default)]
    pub(crate) config: Changes,
    #[serde(default)]
    pub(crate) processes: Changes,
    #[serde(default)]
    pub(crate) files: Changes,
    #[serde(default)]
    pub(crate) steps: Vec<String>,
}

/// From which slug to which.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SlugChange {
    #[serde(default)]
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) to: Option<String>,
}

/// Names that come, go, or mean something else.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Changes {
    #[serde(default)]
    pub(crate) added: Vec<String>,
    #[serde(default)]
    pub(crate) removed: Vec<String>,
    #[serde(default)]
    pub(crate) changed: Vec<String>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// How many dynos of a type are wanted, and their size.
#[derive(Debug, Deserialize)]
pub(crate) struct Formation {
    #[serde(rename = "type")]
    pub(crate) process: String,
    pub(crate) quantity: u32,
    #[serde(default)]
    pub(crate) memory: Option<String>,
    #[serde(default)]
    pub(crate) kind: Option<String>,
}

/// A dyno.
#[derive(Debug, Deserialize)]
pub(crate) struct Dyno {
    pub(crate) id: String,
    pub(crate) state: String,
    /// Seconds in this state.
    #[serde(default)]
    pub(crate) for_s: u64,
    #[serde(default)]
    pub(crate) release: String,
    #[serde(default)]
    pub(crate) node: Option<String>,
}

/// A host name of an app.
#[derive(Debug, Deserialize)]
pub(crate) struct Domain {
    pub(crate) hostname: String,
}

/// A database or a cache, as an app has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Addon {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) state: String,
    /// The app that it was made for.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    /// What this app calls it.
    #[serde(default, rename = "as")]
    pub(crate) attached_as: Option<String>,
    #[serde(default)]
    pub(crate) config_names: Vec<String>,
    #[serde(default)]
    pub(crate) shared_with: Vec<String>,
}

/// A slug that a server has.
#[derive(Debug, Deserialize)]
pub(crate) struct Slug {
    pub(crate) id: String,
    pub(crate) bytes: u64,
}

/// A token; its secret is told once, when it is made.
#[derive(Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) app: Option<String>,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) created_by: String,
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// Dyno time of an app, and its price.
#[derive(Debug, Deserialize)]
pub(crate) struct Usage {
    pub(crate) app: String,
    #[serde(default)]
    pub(crate) since: String,
    #[serde(default)]
    pub(crate) until: String,
    #[serde(default)]
    pub(crate) items: Vec<UsageItem>,
    pub(crate) price: Price,
}

/// Dyno time of one process type and size.
#[derive(Debug, Deserialize)]
pub(crate) struct UsageItem {
    pub(crate) process: String,
    pub(crate) memory: String,
    pub(crate) hours: String,
}

/// Money, as decimal text.
#[derive(Debug, Deserialize)]
pub(crate) struct Price {
    pub(crate) currency: String,
    pub(crate) amount: String,
}
