//! For tests and benches alone: guests, servers, folders, and the rig that drives the built binary.
