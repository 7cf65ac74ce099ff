//! Add-ons: services of the operator's servers, made for apps.
//!
//! Owns which servers there are, and the [`Keeper`], the one task that makes and destroys what the ledger says. Must
//! not know HTTP, nor what an app does with its services.
//!
//! # Nothing is half made
//!
//! What is to be made is in the ledger before anything is: its name and its password. A keeper that finds an add-on
//! *creating* makes it, finds what an earlier one has made of it, or takes that back; one that finds it *destroying*
//! goes on until nothing is left. So a server may be killed at any time. Each operation may be done again: see the
//! modules of the services for how each knows its own from what is somebody else's.
//!
//! | task | ends |
//! |---|---|
//! | the keeper, which waits for the ledger, for time, and for what it has begun | when whoever runs it drops it |
//! | one for each add-on that is made or destroyed, eight at a time; one that tends | by itself, or with the keeper |
//!
//! Each operation has a time limit, and none is waited for by the reconciler: what came of one is a command of its own.

mod attempts;
mod backend;
mod error;
mod keeper;
mod memcached;
mod names;
mod postgresql;
mod redis;
mod requests;
mod servers;
mod waiters;

pub use error::{AddonError, ProvisionError, ServiceConfigError};
pub use keeper::AddonKeeper;
pub use memcached::MemcachedService;
pub use names::{name, password};
pub use postgresql::PostgresqlService;
pub use redis::RedisService;
pub use requests::{AddonRemoval, AddonsHandle};
pub use servers::AddonServers;
