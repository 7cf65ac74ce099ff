//! How a call ended, for handlers and server dynos alike.

/// How a guest came out of a call, if it did not trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// The whole response was sent.
    Complete,
    /// The guest returned without a response, or left it incomplete, for this reason.
    Incomplete(&'static str),
}
