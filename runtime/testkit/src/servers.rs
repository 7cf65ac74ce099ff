//! Real PostgreSQL, Redis and memcached for tests: each on a free port of the loopback address, in a folder of its own.
//!
//! Must not know what they are used for. `./test` installs the programs.

mod daemon;
mod memcached;
mod postgresql;
mod redis;

pub use memcached::Memcached;
pub use postgresql::Postgres;
pub use redis::Redis;

/// The operator's password of every server here.
pub const PASSWORD: &str = "operators-own-secret";
