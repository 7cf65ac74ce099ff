//! Real PostgreSQL, Redis and memcached for tests: each on a free port of the loopback address, in a folder of its own.
//!
//! Must not know what tests do with a server. `./test --setup` installs the programs.

mod daemon;
mod memcached;
mod postgresql;
mod redis;

pub use memcached::Memcached;
pub use postgresql::Postgres;
pub use redis::Redis;

/// The password of the operator, on every server.
pub const PASSWORD: &str = "operators-own-secret";
