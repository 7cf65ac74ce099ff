//! Real PostgreSQL, Redis, memcached and NATS for tests: each on free ports of the loopback address, in a folder of its
//! own.
//!
//! Must not know what tests do with a server. `./test` installs the programs.

mod daemon;
mod memcached;
mod nats;
mod nats_monitor;
mod postgresql;
mod redis;

pub use memcached::Memcached;
pub use nats::{NATS_SYSTEM_USER, NATS_USER, NatsCluster, NatsServer, NatsVersion};
pub use postgresql::Postgres;
pub use redis::Redis;

/// The password of the operator, on every server.
pub const PASSWORD: &str = "operators-own-secret";
