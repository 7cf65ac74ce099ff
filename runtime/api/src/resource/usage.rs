//! Dyno time and its price.
//!
//! Owns their JSON forms. Must not know how time is measured.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Dyno time of one process type with one size of memory.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageItem)]
pub struct UsageItemResource {
    /// The process type.
    pub process: String,
    /// Memory of each dyno.
    #[schema(pattern = "^[0-9]+(B|MiB|GiB)$")]
    pub memory: String,
    /// Dyno time in seconds.
    pub seconds: u64,
    /// Dyno time in hours.
    #[schema(pattern = "^[0-9]+[.][0-9]{4}$")]
    pub hours: String,
}

/// An amount of money.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Price)]
pub struct PriceResource {
    /// The currency, by its ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// The amount, as a decimal number.
    #[schema(pattern = "^[0-9]+[.][0-9]{2,6}$")]
    pub amount: String,
}

/// Dyno time of an app, and its price.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageResource {
    /// The app.
    pub app: String,
    /// The start of the period.
    #[schema(format = DateTime)]
    pub since: String,
    /// The end of the period.
    #[schema(format = DateTime)]
    pub until: String,
    /// Dyno time by process type and memory.
    pub items: Vec<UsageItemResource>,
    /// Seconds that are not free.
    pub billed_seconds: u64,
    /// The price of the billed seconds.
    pub price: PriceResource,
}
