//! Add-ons: databases and caches that are created for apps on the operator's servers.
//!
//! Owns the list of servers, and the [`AddonKeeper`], the one task that creates and destroys add-ons as the ledger
//! says. Must not know HTTP, nor what an app does with its add-ons.
//!
//! # No half-created add-ons
//!
//! The name and password of an add-on are in the ledger before anything is created. A keeper that finds an add-on
//! in the state *creating* creates it, completes what an earlier keeper created, or removes it. A keeper that finds
//! an add-on in the state *destroying* continues until nothing is left. So the server may be killed at any time.
//! Each operation can be repeated: the module of each service says how it recognises its own objects.
//!
//! | task | ends |
//! |---|---|
//! | the keeper, which waits for the ledger, for timers and for its attempts | when its caller drops it |
//! | one for each attempt to create or destroy an add-on, at most eight; one that tends add-ons | by itself, or with the keeper |
//!
//! Each operation has a time limit. The reconciler never waits for an operation: the result of an operation is a
//! command of its own.

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
pub use names::{random_addon_name, random_password};
pub use postgresql::PostgresqlService;
pub use redis::RedisService;
pub use requests::{AddonRemoval, AddonsHandle};
pub use servers::AddonServers;
