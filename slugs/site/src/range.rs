//! Owns `Range: bytes=…` (RFC 9110, 14.2). Must not know files.

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range, one that is not understood, or several, which a server may ignore.
    All,
    /// This part: the first byte, and how many.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
}

/// Reads a `Range` header for a file of this size.
pub(crate) fn parse_range(header: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = header.and_then(bounds) else {
        return Asked::All;
    };
    match (first, last) {
        (Some(first), _) if first >= size => Asked::Outside,
        (Some(first), last) => {
            let last = last.unwrap_or(u64::MAX).min(size - 1);
            Asked::Part(first, last - first + 1)
        }
        (None, Some(0)) => Asked::Outside,
        (None, Some(_)) if size == 0 => Asked::Outside,
        (None, Some(bytes)) => {
            let bytes = bytes.min(size);
            Asked::Part(size - bytes, bytes)
        }
        (None, None) => Asked::All,
    }
}

/// The two numbers of a single, sound range.
fn bounds(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        text if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        // More digits than any file has.
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
    fn ranges_of_rfc_9110() {
        for (header, expected) in [
            ("bytes=0-0", Asked::Part(0, 1)),
            ("bytes=0-499", Asked::Part(0, 500)),
            ("bytes=500-", Asked::Part(500, 500)),
            ("bytes=-200", Asked::Part(800, 200)),
            ("bytes=-2000", Asked::Part(0, 1_000)),
            ("bytes=999-5000", Asked::Part(999, 1)),
            ("Bytes = 1-1", Asked::Part(1, 1)),
            ("bytes=0-99999999999999999999999", Asked::Part(0, 1_000)),
            ("bytes=1000-", Asked::Outside),
            ("bytes=99999999999999999999999-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-4", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=a-b", Asked::All),
            ("bytes=+1-2", Asked::All),
            ("bytes=0-1,5-6", Asked::All),
            ("lines=0-1", Asked::All),
            ("bytes", Asked::All),
        ] {
            assert_eq!(parse_range(Some(header), 1_000), expected, "{header}");
        }
        assert_eq!(parse_range(None, 1_000), Asked::All);
        assert_eq!(parse_range(Some("bytes=-1"), 0), Asked::Outside);
        assert_eq!(parse_range(Some("bytes=0-"), 0), Asked::Outside);
    }
}
