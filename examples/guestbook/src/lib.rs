//! A guest book: the code that the web process and the release process share.

pub mod cache;
pub mod database;
pub mod page;
pub mod seal;
