//! Random bytes from the operating system.
//!
//! Owns the one call. Must not know the purpose of the bytes.

/// Returns `N` random bytes, fit for secrets.
///
/// # Panics
/// If the operating system has no source of random bytes. Every supported system has one, and continuing without it
/// would be unsafe.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
