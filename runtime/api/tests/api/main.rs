//! The control API over real sockets: every route, every role, and what is refused.

mod access;
mod addons;
mod apps;
mod bodies;
mod deploys;
mod document;
mod dynos;
mod foreign;
mod hosts;
mod logs;
mod once;
mod support;
mod uploads;
