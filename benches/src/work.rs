//! The work of `/cpu`, natively: the harness measures how long one round takes.
//!
//! The guest (`guests/bench/src/work.rs`) and the peers' JavaScript have the same function, each for itself, since
//! they are built apart. All must return the same number.

/// Takes `rounds` steps of xorshift32 (Marsaglia, 2003). Each step needs the result of the step before it, and is
/// three shifts and three exclusive ors of 32 bits: JavaScript's integers are as wide, so its engines have no more to
/// do than native code.
pub(crate) fn work(rounds: u32) -> u32 {
    /// The seed in the paper; any number but 0 is as good.
    const SEED: u32 = 2_463_534_242;
    let mut state = SEED;
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::work;

    #[test]
    fn first_steps_give_the_published_numbers() {
        assert_eq!((work(1), work(2)), (723_471_715, 2_497_366_906));
    }
}
