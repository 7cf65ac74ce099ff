//! Small statistics over samples of repeats. Knows nothing of what was measured.

use serde::Serialize;

/// The spread of the samples of several repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct SampleSpread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl SampleSpread {
    /// Of at least one sample; of none, all are `NaN`.
    pub(crate) fn of(samples: &[f64]) -> SampleSpread {
        let sorted = sorted(samples);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        SampleSpread {
            median,
            min: sorted.first().copied().unwrap_or(f64::NAN),
            max: sorted.last().copied().unwrap_or(f64::NAN),
        }
    }
}

/// The smallest sample that is at least as large as the share `share` of all samples (nearest rank); `NaN` if there are
/// none.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let sorted = sorted(samples);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let index = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Sample by sample: both were taken in the same round, so that what slowed one slowed the other.
pub(crate) fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_median_minimum_and_maximum() {
        let odd = SampleSpread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(SampleSpread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(SampleSpread::of(&[]).median.is_nan());
    }

    #[test]
    fn quantiles_are_values_of_the_samples() {
        let samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(quantile(&samples, 0.5), 100.0);
        assert_eq!(quantile(&samples, 0.99), 198.0);
        assert_eq!(quantile(&samples, 1.0), 200.0);
        assert_eq!(quantile(&samples, 0.0), 1.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn ratios_are_of_paired_runs() {
        assert_eq!(ratios(&[4.0, 9.0], &[2.0, 3.0]), [2.0, 3.0]);
    }
}
