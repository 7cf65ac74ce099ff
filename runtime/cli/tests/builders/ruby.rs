//! Apps in Ruby.

mod apps;
mod commands;
mod faults;
mod gems;
mod projects;
mod rack_site;
mod sinatra;
