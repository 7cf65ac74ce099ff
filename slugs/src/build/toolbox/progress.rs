//! Owns what a build reports while it runs. Must not know who shows it.

/// Events of a running build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildProgress {
    /// A step begins, such as `cargo build`. The text is for people.
    Step(String),
    /// A line of a tool's own output.
    Line(String),
}
