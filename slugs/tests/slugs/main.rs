//! The crate at its boundary: round trips, hostile archives, random input, and real builds.

mod support;

mod build;
mod component;
mod hostile;
mod manifest;
mod pack;
mod parsers;
mod random;
mod site;
mod store;
