//! The HTTP router: it hands each request to a free dyno of its app, or lets it wait for one.
//!
//! Owns the listening sockets, the routing table, the queue of each app, the request function, time limits, error pages
//! and the access log. Must not know what a dyno is made of (it uses [`exchange::DynoHandle`]), how an app came to be, or
//! where log lines go.
//!
//! # Tasks
//! | task | owned by | ends |
//! |---|---|---|
//! | accept loop | [`RouterServer`] | when the server closes |
//! | connection | a `JoinSet` of the accept loop | when the client or the server closes |
//! | sweeper, which puts dynos to sleep | no owner | within a second of the router |
//! | HTTP/2 stream | its connection, whose end fails it | with the response, a reset, or a stalled client |
//! | moving a response to disk or back, on a thread that may block | the response | after a megabyte |
//! | running call, if not ready at once | no owner, since it outlives its client; counted in [`RouterStatistics::calls`] | when the call ends or is killed |
//!
//! The only channel is a `oneshot` for each request that waits for a dyno. A request that is answered at once needs no
//! task, channel or timer. The only lock that it shares with other connections is that of the app's queue, for a moment.
//!
//! # Folders
//! Each folder uses only those after it: `connection` (accepting; HTTP/1 and HTTP/2), `request` (from the head to the
//! call of a dyno), `response` (bodies, error pages, tunnels), `shared` (state of the router, of a connection, of a
//! stream, of a request), `log` (access log, statistics).

mod connection;
pub mod limits;
mod log;
mod request;
mod response;
mod router;
mod shared;

pub use connection::accept::{RouterServer, ServerClose, bind};
pub use grid::routing::{Load, StaleRoute};
pub use limits::RouterLimits;
pub use log::access_log::{AccessLogSink, AccessRecord};
pub use log::statistics::{RouterStatistics, StatusCounts};
pub use request::routing_table::Hosts;
pub use router::{Router, RouterConfig};
pub use shared::connection_state::Peer;
pub use shared::trusted_proxies::{TrustedProxies, TrustedProxy, TrustedProxyError};
