//! One entry of a ledger.
//!
//! Owns its shape and its encoding. Must not know where it is kept, nor what its changes do.

use super::error::{AppendError, ENTRY_BYTES_MAX};
use crate::access;
use grid::desired::Fact;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Bytes of an idempotency key's text at most.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The name of an entry, by which its writer knows it again: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(u128);

impl EntryId {
    /// A new one.
    pub fn random() -> Self {
        EntryId(u128::from_be_bytes(crate::random::bytes()))
    }

    /// The id with these bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        EntryId(u128::from_be_bytes(bytes))
    }

    /// Its bits.
    pub const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// What one command did, or what the reconciler noted: wholly there, or wholly absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its name.
    pub id: EntryId,
    /// When, in milliseconds since 1970 on its writer's clock.
    pub at_ms: u64,
    /// Who wanted it: the name of a token, or the reconciler's own.
    pub by: String,
    /// What makes a repeated request known.
    pub key: Option<IdempotencyKey>,
    /// What changed, in this order. An entry without changes marks a place in the ledger.
    pub changes: Vec<LedgerChange>,
}

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerChange {
    /// Of apps, and of what runs them.
    Fact(Fact),
    /// Of who may do what.
    Access(access::AccessChange),
}

/// What a client names a request by, so that it is carried out once however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// As the client chose it.
    pub text: String,
    /// The SHA-256 digest of the request, so that another one with this key is refused.
    pub digest: [u8; 32],
}

/// A text that is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The key with this text for this request, which is all that makes the request what it is, such as
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
    /// The entry as bytes, if it is not too large for a ledger.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, AppendError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|source| AppendError::Unavailable(Arc::new(source)))?;
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The entry that became these bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
