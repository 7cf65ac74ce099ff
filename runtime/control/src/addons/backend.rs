//! The contract of a server that creates add-ons.
//!
//! Owns the trait. Must not know any service.

use super::error::ProvisionError;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, NewAddon};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Time limit for the connection to a service's server, including the login.
pub(super) const SERVER_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server of the operator on which add-ons are created. Every operation can be repeated.
pub(super) trait AddonServer: fmt::Debug + Send + Sync {
    /// The address, for texts.
    fn address(&self) -> String;

    /// Creates an add-on, or completes it. `numbers` are the Redis database numbers that other add-ons use.
    fn create_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        numbers: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>>;

    /// Removes all objects of an add-on, and no others.
    fn destroy_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>>;

    /// Restores parts of an existing add-on that the server may have lost at a restart.
    fn tend_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>>;
}
