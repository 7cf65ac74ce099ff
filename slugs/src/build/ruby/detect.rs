//! Owns the files and commands by which a Ruby project is known. Must not know how it is built.

use std::path::Path;

/// Files by which a Ruby web app is known.
const PROJECT_FILES: [&str; 3] = ["config.ru", "Gemfile", "gems.rb"];
/// First words of commands of Ruby apps.
const COMMANDS: [&str; 12] = [
    "bundle",
    "ruby",
    "puma",
    "rackup",
    "thin",
    "unicorn",
    "falcon",
    "rails",
    "rake",
    "sidekiq",
    "passenger",
    "hanami",
];

/// Whether a folder holds a Ruby project.
pub(in crate::build) fn is_project(folder: &Path) -> bool {
    PROJECT_FILES.iter().any(|name| folder.join(name).is_file())
}

/// Whether a folder holds a Rack app: a `Gemfile` alone may be a tool's, beside an app of another language.
pub(in crate::build) fn is_rack_app(folder: &Path) -> bool {
    folder.join("config.ru").is_file()
}

/// Whether a program's name is one that starts Ruby apps.
pub(in crate::build) fn is_ruby_command(program: &str) -> bool {
    COMMANDS.contains(&program) || program.ends_with(".rb")
}
