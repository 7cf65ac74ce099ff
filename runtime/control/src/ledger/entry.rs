//! One entry of a ledger.
//!
//! Owns the fields and the encoding. Must not know where entries are stored, nor the effect of a change.

use super::error::{AppendError, ENTRY_BYTES_MAX};
use crate::access;
use grid::desired::Fact;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Maximum length in bytes of an idempotency key's text.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The id of an entry, by which its writer recognises it: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(u128);

impl EntryId {
    /// A new random id.
    pub fn random() -> Self {
        EntryId(u128::from_be_bytes(crate::random::bytes()))
    }

    /// The id with these bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        EntryId(u128::from_be_bytes(bytes))
    }

    /// The bits, most significant byte first.
    pub const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// The changes of one command, or facts that the reconciler recorded. Stored completely or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The name.
    pub id: EntryId,
    /// Time in milliseconds since 1970, by the writer's clock, but not before the time of an earlier entry.
    pub at_ms: u64,
    /// The actor: the name of a token, or `reconciler`.
    pub by: String,
    /// The idempotency key of the request.
    pub key: Option<IdempotencyKey>,
    /// The changes, in order. An entry without changes only occupies a place in the ledger.
    pub changes: Vec<LedgerChange>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerChange {
    /// A fact about apps or nodes.
    Fact(Fact),
    /// A change of access.
    Access(access::AccessChange),
}

/// A client's name for a request, so that the request is executed once even if it is sent several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The text that the client chose.
    pub text: String,
    /// The SHA-256 digest of the request, so that a different request with the same key is refused.
    pub digest: [u8; 32],
}

/// The text is not a valid idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// Creates the key with this text for a request. `request` is everything that defines the request, such as
    /// method, path and body.
    pub fn new(text: &str, request: &[u8]) -> Result<Self, IdempotencyKeyError> {
        let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdempotencyKeyError);
        }
        Ok(IdempotencyKey {
            text: text.to_owned(),
            digest: Sha256::digest(request).into(),
        })
    }
}

impl LedgerEntry {
    /// Encodes the entry, unless it is above the size limit.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, AppendError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|source| AppendError::Unavailable(Arc::new(source)))?;
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Decodes an entry.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
