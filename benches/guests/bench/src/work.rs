//! The work of `/cpu`. The harness (`benches/src/work.rs`) has the same function to find out how long a round takes, and
//! the peers have it in JavaScript; all return the same number.

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
