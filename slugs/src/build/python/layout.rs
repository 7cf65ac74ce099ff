//! Owns where the parts of a Python app are in a slug. Must not know how they are made.

/// The component.
pub(super) const COMPONENT: &str = ".dyno/python.wasm";
/// The file that tells the component what to import.
pub(super) const ENTRY: &str = ".dyno/entry.json";
/// The folder of the packages. componentize-py gives this name to the first folder of its path, and compiled code
/// remembers where it was loaded from: a dyno has to have the packages at the same path.
pub(super) const PACKAGES: &str = "0";
