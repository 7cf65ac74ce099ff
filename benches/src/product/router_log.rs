//! The router's own log lines about requests: who had one, when, and how long it waited.
//!
//! Reads text alone. Waits and service times are whole milliseconds there, rounded down.

use std::time::Duration;

use crate::product::boot_times;

/// Text between the source and the fields of a line of the router.
const SOURCE: &str = " dyno[router]: ";

/// A request as its line tells of it. Times are since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoutedRequest {
    pub(crate) id: String,
    /// `web.1`; empty if none had it.
    pub(crate) dyno: String,
    /// The time at which the last byte of the response left.
    pub(crate) ended: Duration,
    pub(crate) wait: Duration,
    pub(crate) service: Duration,
}

impl RoutedRequest {
    /// None: it is another line.
    pub(crate) fn parse(line: &str) -> Option<RoutedRequest> {
        let (at, fields) = line.split_once(SOURCE)?;
        let field = |name: &str| {
            let mut pairs = fields.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let millis = |name: &str| {
            let number = field(name)?.strip_suffix("ms")?.parse().ok()?;
            Some(Duration::from_millis(number))
        };
        Some(RoutedRequest {
            id: field("request_id")?.to_owned(),
            dyno: field("dyno")?.to_owned(),
            ended: boot_times::time(at)?,
            wait: millis("wait")?,
            service: millis("service")?,
        })
    }

    /// When a dyno began with it.
    pub(crate) fn began(&self) -> Duration {
        self.ended.saturating_sub(self.service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_log_line_is_parsed() {
        let line = "2026-11-21T19:09:12.345678+00:00 dyno[router]: at=info method=GET path=\"/sleep?ms=3\" \
                    host=a.localhost request_id=17 fwd=\"127.0.0.2\" dyno=web.4 queue=1 wait=12ms connect=0ms \
                    service=34ms status=200 bytes=6 protocol=http1.1 tls=false";
        let routed = RoutedRequest::parse(line).expect("a request");
        assert_eq!((&*routed.id, &*routed.dyno), ("17", "web.4"));
        assert_eq!(routed.wait, Duration::from_millis(12));
        assert_eq!(routed.ended - routed.began(), Duration::from_millis(34));
        assert_eq!(routed.ended.subsec_micros(), 345_678);
        let other = "2026-11-21T19:09:12.345678+00:00 dyno[web.1]: State changed from up to down";
        assert_eq!(RoutedRequest::parse(other), None);
    }
}
