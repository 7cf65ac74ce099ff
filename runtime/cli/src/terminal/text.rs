//! Sizes, times and numbers in the form that people read.

use std::time::{Duration, SystemTime};

/// Digits of a slug's id that people see.
const SLUG_DIGITS: usize = 12;

/// A size in bytes for people: `1.4 MB`.
pub(crate) fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1_000.0, next);
    }
    format!("{value:.1} {unit}")
}

/// The first digits of a slug's id, which tell it from other slugs.
pub(crate) fn short_slug_id(id: &str) -> String {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    clean(&hex.chars().take(SLUG_DIGITS).collect::<String>())
}

/// `1 file`, `2 files`.
pub(crate) fn format_count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A time in seconds by its largest unit: `12s`, `5m`, `3h`, `2d`.
pub(crate) fn format_span(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m", secs / 60),
        3_600..86_400 => format!("{}h", secs / 3_600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// How long ago a moment in RFC 3339 was; the text itself if it cannot be told.
pub(crate) fn format_age(moment: &str, now: SystemTime) -> String {
    match parse(moment) {
        // A server's clock may be ahead of this one.
        Some(at) => {
            let past = now.duration_since(at).unwrap_or(Duration::ZERO);
            format!("{} ago", format_span(past.as_secs()))
        }
        None => clean(moment),
    }
}

/// A moment in RFC 3339 as `2026-11-22 00:53:12 UTC`; the text itself if it is not of that form.
pub(crate) fn format_moment(text: &str) -> String {
    match parse(text) {
        Some(at) => {
            let plain = humantime::format_rfc3339_seconds(at).to_string();
            plain.replace('T', " ").replace('Z', " UTC")
        }
        None => clean(text),
    }
}

fn parse(moment: &str) -> Option<SystemTime> {
    let utc = match moment.strip_suffix("+00:00") {
        Some(plain) => format!("{plain}Z"),
        None => moment.to_owned(),
    };
    humantime::parse_rfc3339(&utc).ok()
}

/// Text of a server or file without characters that would move a terminal's cursor, set colours or reorder text: each
/// becomes a space.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |c: char| {
        if grid::text::is_control(c) && c != '\n' && c != '\t' {
            ' '
        } else {
            c
        }
    };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_in_short_form() {
        let sizes = [0, 999, 1_000, 135_433, 1_400_000, 2_000_000_000];
        let texts = sizes.map(format_size);
        assert_eq!(
            texts,
            ["0 B", "999 B", "1.0 kB", "135.4 kB", "1.4 MB", "2.0 GB"]
        );
    }

    #[test]
    fn durations_are_printed_in_short_form() {
        let texts = [0, 59, 60, 3_599, 3_600, 86_399, 86_400].map(format_span);
        assert_eq!(texts, ["0s", "59s", "1m", "59m", "1h", "23h", "1d"]);
    }

    #[test]
    fn timestamps_are_parsed_with_both_notations_of_utc() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_130);
        for text in ["2026-11-18T11:06:40.123456+00:00", "2026-11-18T11:06:40Z"] {
            assert_eq!(format_age(text, now), "2m ago", "{text}");
            assert_eq!(format_moment(text), "2026-11-18 11:06:40 UTC", "{text}");
        }
        assert_eq!(format_age("2036-11-18T11:06:40Z", now), "0s ago");
        assert_eq!(format_age("yesterday", now), "yesterday");
    }

    #[test]
    fn foreign_text_is_escaped() {
        assert_eq!(clean("a\u{1b}[31mb\r\u{7}c\nd"), "a [31mb  c\nd");
    }
}
