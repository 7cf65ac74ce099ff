//! The work of `/cpu`. Shared as a file with the harness, which finds out how long a round takes,
//! and written again in JavaScript for the peers; all give the same number.

/// `rounds` steps of xorshift32 (Marsaglia, 2003), each of which needs the one before. A step is
/// three shifts and three exclusive ors of 32 bits, so that an engine for JavaScript, whose integers
/// are as wide, has no more to do than native code.
pub(crate) fn work(rounds: u32) -> u32 {
    /// Any number but 0 will do; this is the one of the paper.
    const SEED: u32 = 2_463_534_242;
    let mut state = SEED;
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    state
}
