//! Apps in Ruby.

mod apps;
mod commands;
mod example_notes;
mod faults;
mod gems;
mod library;
mod projects;
mod rack_site;
mod sinatra;
