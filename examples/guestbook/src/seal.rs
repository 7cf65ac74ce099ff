//! Seals for texts in a cache that other apps share: a text that comes back unsealed, changed or too old is refused.
//!
//! The other apps can still read the text.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the time of sealing, in seconds since 1970, which come first.
const TIME_BYTES: usize = 8;
/// Bytes of the mark (HMAC-SHA256), which come next; the text is the rest.
const MARK_BYTES: usize = 32;

/// Seals texts, and checks seals. Only this app can do either.
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// `secret` must not be known to other apps.
    pub fn new(secret: &str) -> Option<Seal> {
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Seal)
    }

    /// Seals `text` for storing under `key`, at the time `now`, in seconds since 1970.
    pub fn close(&self, key: &str, text: &str, now: u64) -> Vec<u8> {
        let time = now.to_be_bytes();
        let mark = self.over(key, &time, text.as_bytes()).finalize();
        [&time[..], &mark.into_bytes(), text.as_bytes()].concat()
    }

    /// Returns the text, if this app sealed it for `key` at most `age_max` seconds before `now`.
    pub fn open(&self, key: &str, sealed: &[u8], now: u64, age_max: u64) -> Option<String> {
        let (time, rest) = sealed.split_first_chunk::<TIME_BYTES>()?;
        let (mark, text) = rest.split_first_chunk::<MARK_BYTES>()?;
        // Another app could store an old sealed page again. Clocks may differ in both directions.
        if u64::from_be_bytes(*time).abs_diff(now) > age_max {
            return None;
        }
        self.over(key, time, text).verify_slice(mark).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn over(&self, key: &str, time: &[u8; TIME_BYTES], text: &[u8]) -> Hmac<Sha256> {
        let Seal(mac) = self;
        // Keys have no zero byte, so the end of the key is clear.
        [key.as_bytes(), b"\0", time, text]
            .iter()
            .fold(mac.clone(), |mac, part| mac.chain_update(part))
    }
}

#[cfg(test)]
mod tests {
    use super::Seal;

    #[test]
    fn only_values_sealed_with_this_key_open() {
        let seal = Seal::new("postgres://shop:secret@db/shop").unwrap();
        let sealed = seal.close("shop:page", "<p>Hello", 1_000);
        let opened = seal.open("shop:page", &sealed, 1_010, 10);
        assert_eq!(opened.as_deref(), Some("<p>Hello"));
        assert_eq!(seal.open("shop:page", &sealed, 1_011, 10), None);
        assert_eq!(seal.open("shop:other", &sealed, 1_000, 10), None);
        let other = Seal::new("postgres://blog:secret@db/blog").unwrap();
        assert_eq!(other.open("shop:page", &sealed, 1_000, 10), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open("shop:page", &changed, 1_000, 10), None);
            assert_eq!(seal.open("shop:page", &sealed[..at], 1_000, 10), None);
        }
    }
}
