//! Apps in Python.

mod apps;
mod asgi;
mod asgi_frameworks;
mod client;
mod django;
mod example_blog;
mod projects;
mod runtime;
