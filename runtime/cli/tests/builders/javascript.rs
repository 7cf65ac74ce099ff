//! Apps in JavaScript and TypeScript.

mod errors;
mod example_api;
mod handlers;
mod project_shapes;
mod web_interfaces;
