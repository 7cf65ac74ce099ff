//! Owns conditional requests (RFC 9110, 13): whether the client has the file already, or wants another version.
//! Must not know files or ranges.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};

/// The result of a request's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConditionOutcome {
    /// Send the file.
    Send,
    /// The client has this version: 304.
    NotModified,
    /// The client wants another version: 412.
    Failed,
}

/// The version of a file: a strong entity tag with its quotes, and a modification time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileVersion<'a> {
    pub(crate) tag: &'a str,
    pub(crate) modified: Option<SystemTime>,
    /// When this program began to serve the file.
    pub(crate) served_since: SystemTime,
}

impl FileVersion<'_> {
    /// Evaluates the conditions in the order of RFC 9110, 13.2.2.
    pub(crate) fn check(&self, headers: &HeaderMap) -> ConditionOutcome {
        let is_met = match joined(headers, IF_MATCH.as_str()) {
            Some(tags) => self.is_listed(&tags, false),
            None => text(headers, IF_UNMODIFIED_SINCE.as_str())
                .is_none_or(|date| !self.is_newer_than(date)),
        };
        if !is_met {
            return ConditionOutcome::Failed;
        }
        let is_known = match joined(headers, IF_NONE_MATCH.as_str()) {
            Some(tags) => self.is_listed(&tags, true),
            None => text(headers, IF_MODIFIED_SINCE.as_str())
                .is_some_and(|date| self.is_of(date) || self.is_served_at(date)),
        };
        if is_known {
            ConditionOutcome::NotModified
        } else {
            ConditionOutcome::Send
        }
    }

    /// Whether a range may be sent: if there is no `If-Range`, or it names this version.
    pub(crate) fn may_send_part(&self, headers: &HeaderMap) -> bool {
        text(headers, IF_RANGE.as_str()).is_none_or(|of| of.trim() == self.tag || self.is_of(of))
    }

    fn is_listed(&self, tags: &str, weakly: bool) -> bool {
        let plain = |tag: &str| tag == "*" || tag == self.tag;
        let mut tags = tags.split(',').map(str::trim);
        tags.any(|tag| plain(tag) || (weakly && tag.strip_prefix("W/").is_some_and(plain)))
    }

    /// Whether the client's copy has exactly this modification time.
    fn is_of(&self, date: &str) -> bool {
        let date = httpdate::parse_http_date(date.trim()).ok();
        date.is_some() && date.map(seconds) == self.modified.map(seconds)
    }

    /// Whether the client's copy was made while this version was served. A copy that is merely newer than the file proves
    /// nothing: after a rollback, older files are the current ones.
    fn is_served_at(&self, date: &str) -> bool {
        let date = httpdate::parse_http_date(date.trim());
        date.is_ok_and(|date| seconds(date) >= seconds(self.served_since))
    }

    fn is_newer_than(&self, date: &str) -> bool {
        match (httpdate::parse_http_date(date.trim()), self.modified) {
            (Ok(date), Some(modified)) => seconds(modified) > seconds(date),
            _ => false,
        }
    }
}

/// Seconds since 1970, which is all that a date in a header tells.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// All lines of a header that is a list.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn check(lines: &[(&'static str, &str)]) -> ConditionOutcome {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        let modified =
            httpdate::parse_http_date(DATE).expect("a date") + Duration::from_millis(400);
        let version = FileVersion {
            tag: "\"aa\"",
            modified: Some(modified),
            served_since: modified + Duration::from_secs(60),
        };
        version.check(&headers)
    }

    #[test]
    fn conditional_requests_follow_rfc9110() {
        use ConditionOutcome::{Failed, NotModified, Send};
        let (earlier, later) = (
            "Sun, 06 Nov 1994 08:49:36 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
        );
        for (lines, expected) in [
            (&[][..], Send),
            (&[("if-none-match", "\"aa\"")], NotModified),
            (&[("if-none-match", "W/\"aa\"")], NotModified),
            (&[("if-none-match", "\"bb\", \"aa\"")], NotModified),
            (
                &[("if-none-match", "\"bb\""), ("if-none-match", "\"aa\"")],
                NotModified,
            ),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"bb\"")], Send),
            (&[("if-none-match", "aa")], Send),
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", earlier)], Send),
            (&[("if-modified-since", later)], Send),
            (
                &[("if-modified-since", "Sun, 06 Nov 1994 08:55:00 GMT")],
                NotModified,
            ),
            (&[("if-modified-since", "yesterday")], Send),
            // The tag wins over the date.
            (
                &[("if-none-match", "\"bb\""), ("if-modified-since", DATE)],
                Send,
            ),
            (&[("if-match", "\"aa\"")], Send),
            (&[("if-match", "W/\"aa\"")], Failed),
            (&[("if-match", "\"bb\"")], Failed),
            (&[("if-unmodified-since", earlier)], Failed),
            (&[("if-unmodified-since", later)], Send),
        ] {
            assert_eq!(check(lines), expected, "{lines:?}");
        }
    }
}
