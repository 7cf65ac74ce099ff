//! Apps in Python.

mod apps;
mod asgi;
mod asgi_frameworks;
mod django;
mod example_blog;
mod projects;
mod runtime;
