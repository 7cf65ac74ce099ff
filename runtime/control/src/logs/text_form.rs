//! Writes lines to files and parses them: the documented form, one line each.
//!
//! Owns that writing and parsing agree. Must not know files.

use super::line::{AppLogLine, AppLogSource, timestamp};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// Microseconds per second.
const MICROS: u64 = 1_000_000;
/// Length of `2026-11-21T19:09:12`.
const SECOND_CHARS: usize = 19;
/// The UTC offset in this form.
const OFFSET: &str = "+00:00";

/// Writes lines. Caches the formatted second, since most lines follow within the same second.
#[derive(Debug, Default)]
pub(super) struct AppLogLineWriter {
    /// The cached second, since 1970.
    second: u64,
    /// Empty until the first line.
    date: String,
}

impl AppLogLineWriter {
    /// Appends a line and a line end.
    pub(super) fn write_line(&mut self, out: &mut Vec<u8>, line: &AppLogLine) {
        let since = line.at.duration_since(SystemTime::UNIX_EPOCH);
        let since = since.unwrap_or(Duration::ZERO);
        if self.second != since.as_secs() || self.date.is_empty() {
            self.second = since.as_secs();
            self.date = timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(self.second));
            self.date.truncate(SECOND_CHARS);
        }
        out.extend_from_slice(self.date.as_bytes());
        let mut digits = *b".000000";
        let mut micros = since.subsec_micros();
        for digit in digits[1..].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&digits);
        out.extend_from_slice(OFFSET.as_bytes());
        // Writing to a vector cannot fail.
        let _ = write!(out, " {}: ", line.source);
        out.extend_from_slice(line.text.as_bytes());
        out.push(b'\n');
    }
}

/// Parses a line; `None` if the text is damaged.
pub(super) fn parse_line(text: &str) -> Option<AppLogLine> {
    let (at, rest) = text.split_once(' ')?;
    let (source, text) = rest.split_once(": ")?;
    let utc = at.strip_suffix(OFFSET)?;
    let at = humantime::parse_rfc3339(&format!("{utc}Z")).ok()?;
    Some(AppLogLine {
        at: truncate_to_micros(at),
        source: parse_source(source)?,
        text: text.to_owned(),
    })
}

/// Truncates a time to microseconds.
fn truncate_to_micros(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO);
    let micros = since.as_secs() * MICROS + u64::from(since.subsec_micros());
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

fn parse_source(text: &str) -> Option<AppLogSource> {
    let (side, name) = text.strip_suffix(']')?.split_once('[')?;
    match (side, name) {
        ("dyno", "router") => Some(AppLogSource::Router),
        ("dyno", "api") => Some(AppLogSource::Api),
        ("dyno", name) => name.parse().ok().map(AppLogSource::Dyno),
        ("app", name) => name.parse().ok().map(AppLogSource::App),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(micros: u64, source: AppLogSource, text: &str) -> AppLogLine {
        AppLogLine {
            at: SystemTime::UNIX_EPOCH + Duration::from_micros(micros),
            source,
            text: text.to_owned(),
        }
    }

    #[test]
    fn written_lines_have_the_documented_form_and_parse_back() {
        let dyno: grid::name::DynoId = "web.1".parse().expect("a dyno");
        let second = 1_795_000_000_000_000;
        let lines = [
            line(0, AppLogSource::Api, ""),
            line(second + 5, AppLogSource::App(dyno.clone()), "a: b]: c  "),
            line(second + 999_999, AppLogSource::Router, "at=info path=\"/\""),
            line(second + 1_000_000, AppLogSource::Dyno(dyno), "\u{e4}\t[x"),
        ];
        let (mut writer, mut bytes) = (AppLogLineWriter::default(), Vec::new());
        for line in &lines {
            writer.write_line(&mut bytes, line);
        }
        let text = String::from_utf8(bytes).expect("text");
        let expected: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let read: Vec<AppLogLine> = text.lines().filter_map(parse_line).collect();
        assert_eq!(read, lines);
    }

    #[test]
    fn damaged_lines_are_not_parsed() {
        let whole = "2026-11-18T11:06:40.123456+00:00 app[web.1]: hello";
        assert!(parse_line(whole).is_some());
        for damaged in [
            "",
            "\0\0\0\0",
            &whole[5..],
            &whole[..40],
            &whole.replace("+00:00", "Z"),
            &whole.replace("app", "apps"),
            &whole.replace("web.1", "web"),
        ] {
            assert_eq!(parse_line(damaged), None, "{damaged:?}");
        }
    }
}
