//! How many descriptors this program may have: more for a while, and then as before.
//!
//! Servers are started with the limit that the harness was started with, so that they are measured under
//! what their user has.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit as it was; put back when this is dropped.
#[derive(Debug)]
pub(crate) struct DescriptorLimit(Rlimit);

impl DescriptorLimit {
    /// Takes as many as this process may have. If that fails, the limit stays as it is.
    pub(crate) fn make() -> DescriptorLimit {
        let before = getrlimit(Resource::Nofile);
        let all = Rlimit {
            current: before.maximum,
            maximum: before.maximum,
        };
        let _ = setrlimit(Resource::Nofile, all);
        DescriptorLimit(before)
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        // A limit that was allowed before is allowed again.
        let _ = setrlimit(Resource::Nofile, self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_limit_is_restored() {
        let current = || getrlimit(Resource::Nofile).current;
        let before = current();
        let room = DescriptorLimit::make();
        assert!(current().is_none() || current() >= before);
        drop(room);
        assert_eq!(current(), before);
    }
}
