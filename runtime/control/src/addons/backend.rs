//! What every server of add-ons does.
//!
//! Owns the trait. Must not know any service.

use super::error::ProvisionError;
use futures_util::future::BoxFuture;
use grid::desired::{AddonDetails, NewAddon};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Until a service's server has accepted a connection, and its login.
pub(super) const SERVER_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server of the operator's that makes services for apps. Everything may be done twice.
pub(super) trait AddonServer: fmt::Debug + Send + Sync {
    /// Where it is, for people.
    fn address(&self) -> String;

    /// Makes what an add-on is, or completes it. `numbers` are those of Redis databases that others have.
    fn create_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        numbers: &'a BTreeSet<u16>,
    ) -> BoxFuture<'a, Result<AddonDetails, ProvisionError>>;

    /// Removes all that there is of an add-on, and nothing of anybody else's.
    fn destroy_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: Option<&'a AddonDetails>,
    ) -> BoxFuture<'a, Result<(), ProvisionError>>;

    /// Restores what the server may have forgotten of an add-on that is there.
    fn tend_addon<'a>(
        &'a self,
        addon: &'a NewAddon,
        made: &'a AddonDetails,
    ) -> BoxFuture<'a, Result<(), ProvisionError>>;
}
