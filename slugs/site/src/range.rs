//! Owns `Range: bytes=…` (RFC 9110, 14.2). Must not know files.

/// The meaning of a `Range` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeRequest {
    /// The whole file: there is no range, or one that is not understood, or several, which a server may ignore.
    All,
    /// A part: the first byte, and the number of bytes.
    Part(u64, u64),
    /// A part outside of the file.
    Outside,
}

/// Parses a `Range` header for a file of this size.
pub(crate) fn parse_range(header: Option<&str>, size: u64) -> RangeRequest {
    let Some((first, last)) = header.and_then(parse_bounds) else {
        return RangeRequest::All;
    };
    match (first, last) {
        (Some(first), _) if first >= size => RangeRequest::Outside,
        (Some(first), last) => {
            let last = last.unwrap_or(u64::MAX).min(size - 1);
            RangeRequest::Part(first, last - first + 1)
        }
        (None, Some(0)) => RangeRequest::Outside,
        (None, Some(_)) if size == 0 => RangeRequest::Outside,
        (None, Some(bytes)) => {
            let bytes = bytes.min(size);
            RangeRequest::Part(size - bytes, bytes)
        }
        (None, None) => RangeRequest::All,
    }
}

/// Parses the two numbers of a single range.
fn parse_bounds(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        text if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        // A number too large for u64 is beyond the end of any file.
        text => Some(Some(text.parse().unwrap_or(u64::MAX))),
    };
    let (first, last) = (number(first)?, number(last)?);
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if first > last => None,
        sound => Some(sound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_headers_follow_rfc9110() {
        for (header, expected) in [
            ("bytes=0-0", RangeRequest::Part(0, 1)),
            ("bytes=0-499", RangeRequest::Part(0, 500)),
            ("bytes=500-", RangeRequest::Part(500, 500)),
            ("bytes=-200", RangeRequest::Part(800, 200)),
            ("bytes=-2000", RangeRequest::Part(0, 1_000)),
            ("bytes=999-5000", RangeRequest::Part(999, 1)),
            ("Bytes = 1-1", RangeRequest::Part(1, 1)),
            (
                "bytes=0-99999999999999999999999",
                RangeRequest::Part(0, 1_000),
            ),
            ("bytes=1000-", RangeRequest::Outside),
            ("bytes=99999999999999999999999-", RangeRequest::Outside),
            ("bytes=-0", RangeRequest::Outside),
            ("bytes=5-4", RangeRequest::All),
            ("bytes=-", RangeRequest::All),
            ("bytes=a-b", RangeRequest::All),
            ("bytes=+1-2", RangeRequest::All),
            ("bytes=0-1,5-6", RangeRequest::All),
            ("lines=0-1", RangeRequest::All),
            ("bytes", RangeRequest::All),
        ] {
            assert_eq!(parse_range(Some(header), 1_000), expected, "{header}");
        }
        assert_eq!(parse_range(None, 1_000), RangeRequest::All);
        assert_eq!(parse_range(Some("bytes=-1"), 0), RangeRequest::Outside);
        assert_eq!(parse_range(Some("bytes=0-"), 0), RangeRequest::Outside);
    }
}
