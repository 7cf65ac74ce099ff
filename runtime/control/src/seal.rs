//! Encryption of ledger entries, so that a file or an engine that stores them does not reveal them.
//!
//! Owns the cipher and the sealed format. Must not know the content, nor where sealed bytes are stored.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of the format: 1 |
//! | 24 | the nonce, random |
//! | the rest | XChaCha20-Poly1305 |
//!
//! The ledger's name and the entry's place and id are authenticated as well: an entry that was moved, swapped or
//! changed does not open.

mod key;

pub(crate) use key::sync_folder;
pub use key::{SealKey, SealKeyError};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use std::fmt;

/// The version of the sealed format.
const FORM: u8 = 1;
/// Bytes of a nonce: enough that random nonces do not collide.
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
    /// Creates the sealer of the ledger with this name.
    pub(crate) fn new(key: &SealKey, ledger: &'static str) -> Self {
        Sealer {
            cipher: XChaCha20Poly1305::new(&(*key.bytes()).into()),
            ledger,
        }
    }

    /// Seals an entry's bytes; `None` above the cipher's limit of 256 GiB.
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

    /// Opens sealed bytes; `None` if they were changed, moved to another place, or sealed with another key.
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

    /// The associated data that an entry is bound to. The name is last, since only the name has no fixed length.
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
