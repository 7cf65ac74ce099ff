//! The phases of planning one app, each in a file of its own.
//!
//! Owns nothing itself. A phase sees the draft as the phases before it left it, and adds steps to it.

pub(super) mod cycle;
pub(super) mod fill;
pub(super) mod leave;
mod place;
pub(super) mod prepare;
pub(super) mod promote;
pub(super) mod publish;
pub(super) mod retire;
