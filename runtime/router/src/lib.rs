//! The HTTP front of dyno: it hands each request to a free dyno, and to a free one only.
//!
//! It owns listening sockets, the routing table, the one FIFO of each app, the request function, timeouts, error
//! pages and the log line of each request. It must not know what a dyno is made of (see [`exchange::DynoHandle`]), how an app came
//! to be, or where log lines go.
//!
//! # Tasks
//! | task | owned by | ends |
//! |---|---|---|
//! | accept loop | [`Server`] | when the server closes |
//! | connection | a `JoinSet` of the accept loop | when the client or the server closes |
//! | sweeper | nobody: it looks for dynos to put to sleep | within a second of the router |
//! | HTTP/2 stream | its connection, which fails it | with the response, a reset, or a stalled client |
//! | moving a response to disk or back, on a thread that may block | the response | after a megabyte |
//! | running call, if not ready at once | nobody: it must outlive its client; counted in [`Stats::calls`] | when the call ends or is killed |
//!
//! There is no channel but one cell for each request that waits for a dyno. A request that is answered at once costs
//! no task, channel or timer, and no lock that another connection holds but the app's free list, for a moment.

mod connection;
pub mod limits;
mod log;
mod request;
mod response;
mod router;
mod shared;

pub use connection::accept::{Closed, Server, bind};
pub use limits::Limits;
pub use log::access_log::{Record, Sink};
pub use log::statistics::{Stats, Statuses};
pub use request::forwarded::{TrustedProxies, TrustedProxy, TrustedProxyError};
pub use request::queue::{Load, Stale};
pub use request::routing_table::Hosts;
pub use router::{Router, RouterConfig};
pub use shared::connection_state::Peer;
