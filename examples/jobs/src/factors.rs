//! The work: a computation that takes some time.

/// Largest number that is accepted: a prime of this size takes a second or two.
pub const NUMBER_MAX: u64 = 1_000_000_000_000_000_000;

/// The prime factors of `number`, the smallest first. 0 and 1 have none.
pub fn factors(mut number: u64) -> Vec<u64> {
    let mut found = Vec::new();
    if number < 2 {
        return found;
    }
    let mut divisor = 2;
    while divisor * divisor <= number {
        while number.is_multiple_of(divisor) {
            found.push(divisor);
            number /= divisor;
        }
        divisor += if divisor == 2 { 1 } else { 2 };
    }
    if number > 1 {
        found.push(number);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::factors;

    #[test]
    fn factors_multiply_to_the_number() {
        assert_eq!(factors(360), [2, 2, 2, 3, 3, 5]);
        assert_eq!(factors(97), [97]);
        assert_eq!(factors(1), []);
        for number in 2..2_000 {
            assert_eq!(factors(number).iter().product::<u64>(), number);
        }
    }
}
