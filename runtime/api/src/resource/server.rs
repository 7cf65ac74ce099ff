//! The server: version, domain, prices, and whether apps are served.
//!
//! Owns its JSON forms. Must not hold anything of an app: every token gets the same response.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::usage::PriceResource;

/// Whether requests to apps are answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Ready)]
pub struct ReadinessResource {
    /// Whether requests to apps are answered.
    pub ready: bool,
    /// Why requests to apps are not answered, or what fails although they are; `null` if all is well.
    #[schema(required)]
    pub reason: Option<String>,
}

/// Prices of dyno time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Prices)]
pub struct PricesResource {
    /// The price of one dyno for one hour.
    pub dyno_hour: PriceResource,
    /// How many dynos of each app are free.
    pub free_dynos: u32,
}

/// The server.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Server)]
pub struct ServerResource {
    /// The version of `dyno`.
    #[schema(pattern = "^[0-9]+[.][0-9]+[.][0-9]+")]
    pub version: String,
    /// The domain of the apps' default hostnames.
    pub domain: String,
    /// The URL of an app, with `APP` in place of its name.
    pub apps_url: String,
    /// When the server started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Whether requests to apps are answered, as `/readyz` says.
    pub status: ReadinessResource,
    /// Prices of dyno time.
    pub prices: PricesResource,
}
