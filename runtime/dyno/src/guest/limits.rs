//! The limits of a guest's memory, tables, handles and headers.
//!
//! Must not know which interface a handle or a header belongs to.

pub(crate) mod handles;
pub(crate) mod headers;
pub(crate) mod memory;
