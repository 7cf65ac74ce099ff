//! Request ids.
//!
//! Owns how an id is made and which of a client's own is kept. Must not know what ids are used for.

use crate::limits::REQUEST_ID_MAX;
use bytes::Bytes;
use http::HeaderValue;
use std::hash::{BuildHasher, RandomState};

/// Makes ids that nobody outside can guess, without a system call for each: a keyed hash (SipHash, its keys
/// from the system's randomness) of numbers that are used once.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    key: RandomState,
}

/// Length of a UUID in text.
const UUID_CHARS: usize = 36;

impl Ids {
    /// The id of the `number`th request of a connection, in the form of a random UUID (RFC 9562, version 4).
    pub(crate) fn make(&self, connection: u64, number: u64) -> HeaderValue {
        let high = self.key.hash_one((connection, number, 0_u8));
        let low = self.key.hash_one((connection, number, 1_u8));
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        // Owned by what it is shared through: it is cloned for the app and for the client.
        let text = Bytes::from_owner(text(high, low));
        HeaderValue::from_maybe_shared(text).expect("hexadecimal digits and dashes are valid")
    }
}

fn text(high: u64, low: u64) -> [u8; UUID_CHARS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = u128::from(high) << 64 | u128::from(low);
    let mut out = [b'-'; UUID_CHARS];
    let mut shift = 128;
    for (at, slot) in out.iter_mut().enumerate() {
        if !matches!(at, 8 | 13 | 18 | 23) {
            shift -= 4;
            *slot = DIGITS[(bits >> shift) as usize & 15];
        }
    }
    out
}

/// Whether a client's own id is kept: short, and nothing that needs quoting anywhere.
pub(crate) fn is_sane(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=~@".contains(byte);
    (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_looks_like_a_random_uuid() {
        let id = Ids::default().make(1, 1);
        let id = id.to_str().expect("text");
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn ids_differ() {
        let ids = Ids::default();
        let all: std::collections::HashSet<_> =
            (0..1000).map(|n| ids.make(n / 10, n % 10)).collect();
        assert_eq!(all.len(), 1000);
        assert_ne!(Ids::default().make(1, 1), Ids::default().make(1, 1));
    }

    #[test]
    fn sane_ids() {
        let is = |text: &str| is_sane(&HeaderValue::from_str(text).expect("a value"));
        assert!(is("a") && is("550e8400-e29b-41d4-a716-446655440000") && is(&"x".repeat(200)));
        assert!(!is("") && !is("a b") && !is("a\"b") && !is("a,b") && !is(&"x".repeat(201)));
    }
}
