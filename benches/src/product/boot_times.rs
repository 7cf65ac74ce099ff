//! How long dynos took to boot, from the log lines about their states.
//!
//! Reads text alone. The times are those that `dyno` put on its lines: when its control plane had
//! said that the dyno is starting, and when it had heard that it is up.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Text that every line about a change of state contains.
pub(crate) const STATE_CHANGED: &str = ": State changed from ";

/// A dyno on its way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootTime {
    /// Since the epoch.
    pub(crate) starting: Duration,
    pub(crate) up: Duration,
}

impl BootTime {
    pub(crate) fn micros(&self) -> f64 {
        self.up.saturating_sub(self.starting).as_secs_f64() * 1e6
    }
}

/// All boots that were completed, in the order of their ends.
pub(crate) fn boots<T: AsRef<str>>(lines: &[T]) -> Vec<BootTime> {
    let mut starting = BTreeMap::new();
    let mut boots = Vec::new();
    for change in lines.iter().filter_map(|line| change(line.as_ref())) {
        match change.to {
            "starting" => drop(starting.insert(change.dyno, change.at)),
            "up" => {
                let begun = starting.remove(change.dyno);
                boots.extend(begun.map(|starting| BootTime {
                    starting,
                    up: change.at,
                }));
            }
            _ => drop(starting.remove(change.dyno)),
        }
    }
    boots
}

/// From the first `starting` to the last `up`, in µs.
pub(crate) fn span_micros(boots: &[BootTime]) -> f64 {
    let first = boots.iter().map(|boot| boot.starting).min();
    let last = boots.iter().map(|boot| boot.up).max();
    let span = last
        .zip(first)
        .map(|(last, first)| last.saturating_sub(first));
    span.map_or(f64::NAN, |span| span.as_secs_f64() * 1e6)
}

struct StateChange<'a> {
    at: Duration,
    dyno: &'a str,
    to: &'a str,
}

/// `TIME dyno[web.1]: State changed from down to starting`
fn change(line: &str) -> Option<StateChange<'_>> {
    let (head, states) = line.split_once(STATE_CHANGED)?;
    let (at, source) = head.split_once(' ')?;
    let (_, to) = states.trim_end().split_once(" to ")?;
    Some(StateChange {
        at: time(at)?,
        dyno: source,
        to,
    })
}

/// RFC 3339, in UTC.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let utc = text
        .strip_suffix("+00:00")
        .or_else(|| text.strip_suffix('Z'))?;
    let at: SystemTime = humantime::parse_rfc3339(&format!("{utc}Z")).ok()?;
    at.duration_since(UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 8] = [
        "2026-11-18T11:06:40.000100+00:00 dyno[web.1]: State changed from down to starting",
        "2026-11-18T11:06:40.000150+00:00 dyno[web.2]: State changed from down to starting",
        "2026-11-18T11:06:40.000160+00:00 dyno[web.3]: State changed from down to starting",
        "2026-11-18T11:06:40.000300+00:00 dyno[web.2]: State changed from starting to up",
        "2026-11-18T11:06:40.000350+00:00 dyno[web.3]: State changed from starting to crashed",
        "2026-11-18T11:06:40.000400+00:00 dyno[web.1]: State changed from starting to up",
        "2026-11-18T11:06:40.000500+00:00 dyno[web.3]: State changed from crashed to starting",
        "2026-11-18T11:06:41.000500+00:00 dyno[web.3]: State changed from starting to up",
    ];

    #[test]
    fn boot_times_end_with_the_state_up() {
        let boots = boots(&LINES);
        let micros: Vec<f64> = boots.iter().map(|boot| boot.micros().round()).collect();
        assert_eq!(micros, [150.0, 300.0, 1_000_000.0]);
        assert_eq!(span_micros(&boots).round(), 1_000_400.0);
        assert!(span_micros(&[]).is_nan());
    }

    #[test]
    fn other_log_lines_are_ignored() {
        let others = [
            "hello is up: http://localhost:5000/",
            "2026-11-18T11:06:40.000100+00:00 app[web.1]: hello number 1",
            "yesterday dyno[web.1]: State changed from down to starting",
            "",
        ];
        assert!(boots(&others).is_empty());
    }
}
