//! The control API over real sockets: every route, every role, and what is refused.

mod access;
mod apps;
mod bodies;
mod deploys;
mod document;
mod dynos;
mod logs;
mod once;
mod support;
mod uploads;
