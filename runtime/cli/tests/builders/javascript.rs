//! Apps in JavaScript and TypeScript.

mod errors;
mod example_api;
mod handlers;
mod node_frameworks;
mod node_http;
mod node_library;
mod project_shapes;
mod web_interfaces;
