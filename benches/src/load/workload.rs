//! The routing workload, and what the best possible routing would make of it.
//!
//! Pure: a seed in, arrivals and service times out. The workload is the one that Rap Genius published
//! in 2013 with its simulation of random routing: 9,000 requests a minute as a Poisson process; service
//! times after Weibull with shape 0.46 and a median of 50 ms, cut off at 10 ms and 30 s.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;

/// Requests a second.
const RATE: f64 = 9_000.0 / 60.0;
/// Shape of the Weibull distribution of service times.
const SHAPE: f64 = 0.46;
/// Median of it, in ms.
const MEDIAN_MILLIS: f64 = 50.0;
/// Shortest and longest service, in ms.
const SERVICE_MILLIS: (f64, f64) = (10.0, 30_000.0);

/// A request that is to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WorkloadRequest {
    /// When it comes, after the start.
    pub(crate) at: Duration,
    /// How long a dyno works on it.
    pub(crate) service: Duration,
}

/// The requests of a span of time, in order. `speed` divides all times.
pub(crate) fn workload(seed: u64, span: Duration, speed: f64) -> Vec<WorkloadRequest> {
    let mut random = Rng::with_seed(seed);
    // The median of a Weibull distribution is its scale times ln(2)^(1/shape).
    let scale = MEDIAN_MILLIS / std::f64::consts::LN_2.powf(1.0 / SHAPE);
    let (mut at, mut jobs) = (0.0, Vec::new());
    loop {
        at += sample_exponential(&mut random) / RATE;
        if at >= span.as_secs_f64() {
            return jobs;
        }
        let millis = scale * sample_exponential(&mut random).powf(1.0 / SHAPE);
        let millis = millis.clamp(SERVICE_MILLIS.0, SERVICE_MILLIS.1);
        jobs.push(WorkloadRequest {
            at: Duration::from_secs_f64(at / speed),
            service: Duration::from_secs_f64(millis / 1e3 / speed),
        });
    }
}

/// With a mean of 1.
fn sample_exponential(random: &mut Rng) -> f64 {
    // `f64` gives 0 but never 1.
    -(1.0 - random.f64()).ln()
}

/// How long each request waits in one line before so many dynos: no routing can do better without
/// knowing service times beforehand.
pub(crate) fn ideal(jobs: &[WorkloadRequest], dynos: usize) -> Vec<Duration> {
    let mut free: BinaryHeap<Reverse<Duration>> =
        (0..dynos).map(|_| Reverse(Duration::ZERO)).collect();
    let wait = |job: &WorkloadRequest| {
        let Reverse(first) = free.pop().unwrap_or_default();
        let begins = first.max(job.at);
        free.push(Reverse(begins + job.service));
        begins - job.at
    };
    jobs.iter().map(wait).collect()
}

/// How much of the dynos' time the work takes, from 0 on.
pub(crate) fn utilisation(jobs: &[WorkloadRequest], dynos: usize) -> f64 {
    let work: f64 = jobs.iter().map(|job| job.service.as_secs_f64()).sum();
    let span = jobs.last().map_or(f64::NAN, |job| job.at.as_secs_f64());
    work / span / dynos as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::statistics::quantile;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn the_workload_has_the_published_figures() {
        let jobs = workload(1, HOUR, 1.0);
        let count = jobs.len() as f64;
        assert!((count / (RATE * 3_600.0) - 1.0).abs() < 0.01, "{count}");
        assert!(jobs.is_sorted_by_key(|job| job.at));
        let millis: Vec<f64> = jobs
            .iter()
            .map(|job| job.service.as_secs_f64() * 1e3)
            .collect();
        let median = quantile(&millis, 0.5);
        assert!((median / MEDIAN_MILLIS - 1.0).abs() < 0.02, "{median}");
        assert!(millis.iter().all(|ms| (10.0..=30_000.0).contains(ms)));
        // Published: 79 % of fifty dynos.
        let busy = utilisation(&jobs, 50);
        assert!((0.77..0.81).contains(&busy), "{busy}");
    }

    #[test]
    fn a_seed_determines_the_workload_and_speed_divides_its_times() {
        let minute = Duration::from_secs(60);
        let slow = workload(7, minute, 1.0);
        assert_eq!(slow, workload(7, minute, 1.0));
        assert_ne!(slow, workload(8, minute, 1.0));
        let fast = workload(7, minute, 4.0);
        assert_eq!(fast.len(), slow.len());
        for (fast, slow) in fast.iter().zip(&slow) {
            let ratio = slow.service.as_secs_f64() / fast.service.as_secs_f64();
            assert!((ratio - 4.0).abs() < 1e-3, "{ratio}");
        }
    }

    #[test]
    fn an_ideal_queue_waits_for_the_first_free_dyno() {
        let job = |at, service| WorkloadRequest {
            at: Duration::from_millis(at),
            service: Duration::from_millis(service),
        };
        let jobs = [
            job(0, 100),
            job(10, 20),
            job(20, 50),
            job(25, 5),
            job(200, 1),
        ];
        let waits: Vec<u128> = ideal(&jobs, 2).iter().map(Duration::as_millis).collect();
        assert_eq!(waits, [0, 0, 10, 55, 0]);
        // The published figures: with 75 dynos, almost no request waits.
        let jobs = workload(3, HOUR, 1.0);
        let waits = ideal(&jobs, 75);
        let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
        assert!(waited * 100 < waits.len(), "{waited}");
    }
}
