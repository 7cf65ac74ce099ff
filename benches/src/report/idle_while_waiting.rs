//! Whether a request waited while a dyno was free: from when each dyno was busy.
//!
//! Pure. Times are since any one moment.

use std::time::Duration;

/// From, to.
pub(crate) type TimeSpan = (Duration, Duration);

/// The times when at least one dyno was free for longer than `slack` without a break. `busy` has the spans of each
/// dyno's requests, in any order. The result is sorted; its spans neither overlap nor touch.
pub(crate) fn idle(busy: Vec<Vec<TimeSpan>>, slack: Duration) -> Vec<TimeSpan> {
    let mut gaps: Vec<TimeSpan> = busy
        .into_iter()
        .flat_map(|spans| gaps(spans, slack))
        .collect();
    gaps.sort();
    let mut merged: Vec<TimeSpan> = Vec::new();
    for (from, to) in gaps {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn gaps(mut spans: Vec<TimeSpan>, slack: Duration) -> Vec<TimeSpan> {
    spans.sort();
    let (mut end, mut gaps) = (Duration::ZERO, Vec::new());
    let last = (Duration::MAX, Duration::MAX);
    for (from, to) in spans.into_iter().chain([last]) {
        if from > end.saturating_add(slack) {
            gaps.push((end, from));
        }
        end = end.max(to);
    }
    gaps
}

/// The longest time on end that `span` has in common with one of `idle`.
pub(crate) fn overlap(idle: &[TimeSpan], span: TimeSpan) -> Duration {
    let first = idle.partition_point(|(_, to)| *to <= span.0);
    let rest = idle[first..].iter().take_while(|(from, _)| *from < span.1);
    let common = rest.map(|(from, to)| (*to).min(span.1).saturating_sub((*from).max(span.0)));
    common.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> TimeSpan {
        (Duration::from_millis(from), Duration::from_millis(to))
    }

    const SLACK: Duration = Duration::from_millis(3);

    #[test]
    fn idle_spans_of_all_dynos_are_collected() {
        let one = vec![span(20, 30), span(0, 18)];
        let other = vec![span(0, 5), span(15, 40)];
        let idle = idle(vec![one, other], SLACK);
        let end = (Duration::from_millis(30), Duration::MAX);
        // The two milliseconds between two requests of the first dyno do not count as idle.
        assert_eq!(idle, [span(5, 15), end]);
    }

    #[test]
    fn an_unused_dyno_is_idle_all_the_time() {
        let all = (Duration::ZERO, Duration::MAX);
        assert_eq!(idle(vec![vec![span(0, 9)], vec![]], SLACK), [all]);
    }

    #[test]
    fn the_overlap_of_spans_is_measured() {
        let idle = [span(5, 15), span(30, 50)];
        let millis = |from, to| overlap(&idle, span(from, to)).as_millis();
        assert_eq!(millis(0, 5), 0);
        assert_eq!(millis(0, 8), 3);
        assert_eq!(millis(14, 60), 20);
        assert_eq!(millis(15, 30), 0);
        assert_eq!(overlap(&[], span(0, 9)), Duration::ZERO);
    }
}
