//! Who requests a change, and the time that the change gets.
//!
//! Owns the name and time that entries, releases and tokens record. Must not know what the actor may do, nor which
//! clock gives the time.

/// Who requests a change: the name of a token, or of a part of the server that acts on its own, such as `reconciler`.
///
/// A request carries no time: the reconciler gives each change its time when the change is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// The actor with this name.
    pub fn new(name: impl Into<String>) -> Actor {
        Actor(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Who requested a change, and the time of the change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeStamp<'a> {
    /// Who requested the change.
    pub(crate) actor: &'a Actor,
    /// Time of the change in milliseconds since 1970.
    pub(crate) at_ms: u64,
}
