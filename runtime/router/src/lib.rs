//! The HTTP front of dyno: it hands each request to a free dyno, and to a free one only.
//!
//! It owns listening sockets, the routing table, the one FIFO of each app, the request function, timeouts, error
//! pages and the log line of each request. It must not know what a dyno is made of (see [`Dyno`]), how an app came
//! to be, or where log lines go.
//!
//! # Tasks
//! | task | owned by | ends |
//! |---|---|---|
//! | accept loop | [`Server`] | when the server closes |
//! | connection | a `JoinSet` of the accept loop | when the client or the server closes |
//! | sweeper | nobody: it looks for dynos to put to sleep | within a second of the router |
//! | HTTP/2 stream | its connection, which fails it | with the response, a reset, or a stalled client |
//! | running call, if not ready at once | nobody: it must outlive its client; counted in [`Stats::calls`] | when the call ends or is killed |
//!
//! There is no channel but one cell for each request that waits for a dyno. A request that is answered at once costs
//! no task, channel or timer, and no lock that another connection holds but the app's free list, for a moment.

mod answer;
mod body;
mod buffers;
mod chunk_extension;
mod client;
mod client_body;
mod conn;
mod connection;
mod date;
mod drive;
mod exchange;
mod forwarded;
mod frames;
mod free;
mod headers;
mod http2;
mod hub;
mod ident;
mod journal;
pub mod limits;
mod listen;
mod outgoing;
mod reader_rate;
mod record;
mod reply;
mod router;
mod seam;
mod serve;
mod stats;
mod streams;
mod sweep;
mod table;
mod tunnel;
mod upload;
mod wait;
mod watch;
mod wire;

pub use body::{BodyError, RequestBody};
pub use conn::Peer;
pub use forwarded::{TrustedProxies, TrustedProxy, TrustedProxyError};
pub use headers::Told;
pub use limits::Limits;
pub use listen::{Closed, Server, bind};
pub use record::{Record, Sink};
pub use reply::{BadResponse, Reply};
pub use router::Router;
pub use seam::{Asked, Call, Dyno, Finished, Kill};
pub use stats::{Stats, Statuses};
pub use table::Hosts;
pub use tunnel::Tunnel;
pub use wait::{Load, Stale};
