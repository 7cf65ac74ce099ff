//! The contract between whatever routes a request and whatever runs it.
//!
//! A router owns the client's connection, and a [`DynoHandle`] for each free dyno. To serve a request, the router opens
//! an [`Exchange`], consumes the handle with [`DynoHandle::call`], and polls the returned [`Call`]. The dyno reads the
//! [`RequestBody`] and writes its response into the [`Reply`]; the router reads the response through the
//! [`ResponseReader`].
//!
//! ```text
//!  router                                                  dyno
//!  DynoHandle::call ── DynoRequest { head, RequestBody } ─▶ guest
//!  ResponseReader   ◀────────── Exchange ────────── Reply ─ guest
//!  Call::poll, Call::kill ────────────────────────────────▶ guest
//! ```
//!
//! This crate owns both sides' types, the bounded response buffer (memory first, then disk), the minimum reading rate
//! of clients, and the rules for headers that cross the border. It must not know routing, sockets, or what a dyno is
//! made of. It opens no socket and no listening task; its only tasks move a response to disk or back, on threads that
//! may block.

mod call;
mod dyno_handle;
mod exchange;
pub mod headers;
pub mod limits;
mod memory_budget;
mod reader_rate;
mod reply;
mod request_body;
mod response_buffer;
mod response_head;
mod spill;
mod tunnel;

pub use call::{Call, CallEnd, Kill};
pub use dyno_handle::{DynoHandle, DynoRequest};
pub use exchange::{
    CallOrders, CutReader, Exchange, ResponsePiece, ResponseReader, UploadProgress,
};
pub use headers::{AddForwardedHeaders, host_without_port};
pub use memory_budget::{MemoryBudget, MemoryShare};
pub use reply::{InterimSink, Reply};
pub use request_body::{RequestBody, RequestBodyError};
pub use response_head::BadResponse;
pub use spill::SpillFolder;
pub use tunnel::Tunnel;
