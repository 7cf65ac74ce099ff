//! A page of a list.
//!
//! Owns its JSON form. Must not know what is listed, nor how pages are cut.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Page)]
pub struct PageResource<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// The value of `after` that gets the next page; `null` on the last page.
    #[schema(required)]
    pub next: Option<String>,
}
