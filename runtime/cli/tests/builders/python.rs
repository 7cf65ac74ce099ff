//! Apps in Python.

mod apps;
mod django;
mod example_blog;
mod projects;
mod runtime;
