//! Load generators and clients: the requests of a scenario.

pub(crate) mod client;
pub(crate) mod closed_loop;
pub(crate) mod http1_response;
pub(crate) mod misuse;
pub(crate) mod open_loop;
pub(crate) mod paced;
pub(crate) mod workload;
