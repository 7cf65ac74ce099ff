//! The built `dyno` binary under measurement, its servers and its logs.

pub(crate) mod binary;
pub(crate) mod boot_times;
pub(crate) mod child_server;
pub(crate) mod dyno_serve;
pub(crate) mod router_log;
pub(crate) mod unique_component;
