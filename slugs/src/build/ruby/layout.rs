//! Owns where the parts of a Ruby app are in a slug. Must not know how they are made.

/// The component of all Ruby apps.
pub(super) const COMPONENT: &str = ".dyno/ruby.wasm";
/// The file that tells the component what to load.
pub(super) const ENTRY: &str = ".dyno/ruby.json";
/// The folder of the gems, each in a folder of its own.
pub(super) const GEMS: &str = ".dyno/gems";
