//! Request ids.
//!
//! Owns how an id is made, and which ids of clients are kept. Must not know what ids are used for.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::HeaderValue;

use crate::limits::REQUEST_ID_MAX;

/// Makes ids that no client can guess.
///
/// An id is a keyed hash (SipHash, with keys from the system's randomness) of numbers that are used once. Random bytes
/// for each id would cost each request a system call.
#[derive(Debug, Default)]
pub(crate) struct RequestIds {
    key: RandomState,
}

/// Length of a UUID as text.
const UUID_CHARS: usize = 36;

impl RequestIds {
    /// The id of request `number` of a connection, in the form of a random UUID (RFC 9562, version 4).
    pub(crate) fn create(&self, connection: u64, number: u64) -> HeaderValue {
        let high = self.key.hash_one((connection, number, 0_u8));
        let low = self.key.hash_one((connection, number, 1_u8));
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        // Shared memory from the start: the id is cloned for the app and for the client.
        let text = Bytes::from_owner(uuid_text(high, low));
        HeaderValue::from_maybe_shared(text).expect("hexadecimal digits and dashes are valid")
    }
}

fn uuid_text(high: u64, low: u64) -> [u8; UUID_CHARS] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = u128::from(high) << 64 | u128::from(low);
    let mut text = [b'-'; UUID_CHARS];
    let mut shift = 128;
    for (at, byte) in text.iter_mut().enumerate() {
        if !matches!(at, 8 | 13 | 18 | 23) {
            shift -= 4;
            *byte = DIGITS[(bits >> shift) as usize & 15];
        }
    }
    text
}

/// Whether the id that a client sent is kept: short, and without bytes that need quoting anywhere.
pub(crate) fn is_valid_request_id(id: &HeaderValue) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=~@".contains(byte);
    (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_form_of_a_random_uuid_rfc9562_5_4() {
        let id = RequestIds::default().create(1, 1);
        let id = id.to_str().expect("text");
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn request_ids_differ() {
        let ids = RequestIds::default();
        let all: std::collections::HashSet<_> =
            (0..1000).map(|n| ids.create(n / 10, n % 10)).collect();
        assert_eq!(all.len(), 1000);
        let (one, other) = (RequestIds::default(), RequestIds::default());
        assert_ne!(one.create(1, 1), other.create(1, 1));
    }

    #[test]
    fn a_client_id_is_kept_if_it_is_short_and_plain() {
        let is_valid =
            |text: &str| is_valid_request_id(&HeaderValue::from_str(text).expect("a value"));
        assert!(is_valid("a") && is_valid("550e8400-e29b-41d4-a716-446655440000"));
        assert!(is_valid(&"x".repeat(200)));
        assert!(!is_valid("") && !is_valid("a b") && !is_valid("a\"b") && !is_valid("a,b"));
        assert!(!is_valid(&"x".repeat(201)));
    }
}
