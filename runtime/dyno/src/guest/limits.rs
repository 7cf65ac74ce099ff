//! What bounds a guest's memory, tables, handles and headers.

pub(crate) mod bounds;
