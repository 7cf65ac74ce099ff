//! What keeps the ledger's contents from whoever finds its file.
//!
//! Owns the cipher and the form of what is sealed. Must not know what is inside, nor where it is kept.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the form: 1 |
//! | 24 | the nonce, random |
//! | the rest | XChaCha20-Poly1305 |
//!
//! The ledger's name and the entry's place and name are authenticated with it: an entry that was moved,
//! swapped or changed does not open.

mod key;

pub(crate) use key::sync_folder;
pub use key::{SealKey, SealKeyError};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use std::fmt;

/// The one form there is so far.
const FORM: u8 = 1;
/// Bytes of a nonce: so many that random ones never meet.
const NONCE_BYTES: usize = 24;

/// Seals and opens the entries of one ledger.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    ledger: &'static str,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// For the ledger of this name.
    pub(crate) fn new(key: &SealKey, ledger: &'static str) -> Self {
        Sealer {
            cipher: XChaCha20Poly1305::new(&(*key.bytes()).into()),
            ledger,
        }
    }

    /// The sealed form of an entry's bytes; none if they are too many for the cipher, which takes 256 GiB.
    pub(crate) fn seal(&self, sequence: u64, id: [u8; 16], plain: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = crate::random::bytes();
        let aad = self.context(sequence, id);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        let mut whole = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        whole.push(FORM);
        whole.extend(nonce);
        whole.extend(sealed);
        Some(whole)
    }

    /// The bytes of an entry; none if they are not what was sealed, for this place, with this key.
    pub(crate) fn open(&self, sequence: u64, id: [u8; 16], whole: &[u8]) -> Option<Vec<u8>> {
        let (form, rest) = whole.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *form != FORM {
            return None;
        }
        let aad = self.context(sequence, id);
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }

    /// What an entry is bound to. The name comes last, since it alone has no fixed length.
    fn context(&self, sequence: u64, id: [u8; 16]) -> Vec<u8> {
        let mut context = Vec::with_capacity(8 + 16 + self.ledger.len());
        context.extend(sequence.to_be_bytes());
        context.extend(id);
        context.extend(self.ledger.as_bytes());
        context
    }
}

#[cfg(test)]
mod tests;
