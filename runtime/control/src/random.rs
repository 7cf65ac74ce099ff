//! Chance from the operating system.
//!
//! Owns the one call for it. Must not know what it is for.

/// This many random bytes, fit for secrets.
///
/// # Panics
/// Where the operating system has no chance to give, which none that runs this program lacks; going on
/// without would be worse.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
