//! An entry as a message of the stream.
//!
//! Owns the names of stream, subjects and headers, and the encoding of an entry. Must not know connections.
//!
//! The payload is the sealed entry, in the same bytes as in a ledger file. A header holds the entry's id.

use crate::ledger::entry::EntryId;
use crate::ledger::error::ENTRY_BYTES_MAX;
use crate::ledger::sealed::SealedEntry;
use crate::ledger::sequence::Seq;
use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_EXPECTED_STREAM, NATS_SEQUENCE};
use async_nats::jetstream::message::StreamMessage;

/// The name of the stream.
pub(super) const STREAM_NAME: &str = "LEDGER";
/// The subject of every entry.
pub(super) const ENTRY_SUBJECT: &str = "dyno.ledger";
/// The subject on which the stream's leader announces each stored entry, without its payload.
pub(super) const STORED_SUBJECT: &str = "dyno.ledger-stored";
/// Maximum size in bytes of a message: an entry, its seal, and its headers.
pub(super) const MESSAGE_BYTES_MAX: usize = ENTRY_BYTES_MAX + 4_096;
/// The header with an entry's id, as 32 hexadecimal digits.
const ENTRY_ID: &str = "Dyno-Entry-Id";
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// The headers of an entry that must follow `after`.
pub(super) fn entry_headers(after: Seq, id: EntryId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_STREAM, STREAM_NAME);
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, after.to_string());
    headers.insert(ENTRY_ID, id_text(id));
    headers
}

/// The entry in a message; `None` if no ledger wrote the message.
pub(super) fn entry_of(message: StreamMessage) -> Option<SealedEntry> {
    let id = parse_id(message.headers.get(ENTRY_ID)?.as_str())?;
    Some(SealedEntry {
        at: Seq(message.sequence),
        id,
        sealed: message.payload.into(),
    })
}

/// The place of the entry that an announcement is about.
pub(super) fn announced_place(headers: Option<&HeaderMap>) -> Option<Seq> {
    let text = headers?.get(NATS_SEQUENCE)?.as_str();
    text.parse().ok().map(Seq)
}

fn id_text(id: EntryId) -> String {
    format!("{:0ID_DIGITS$x}", u128::from_be_bytes(id.bytes()))
}

fn parse_id(text: &str) -> Option<EntryId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != ID_DIGITS || !digits {
        return None;
    }
    let bits = u128::from_str_radix(text, 16).ok()?;
    Some(EntryId::from_bytes(bits.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text() {
        for bytes in [[0; 16], [255; 16], [7; 16], EntryId::random().bytes()] {
            let id = EntryId::from_bytes(bytes);
            assert_eq!(id_text(id).len(), ID_DIGITS);
            assert_eq!(parse_id(&id_text(id)), Some(id));
        }
    }

    #[test]
    fn other_texts_are_no_ids() {
        let long = "0".repeat(ID_DIGITS + 1);
        let signed = format!("+{}", "0".repeat(ID_DIGITS - 1));
        for text in ["", "12", &long, &signed] {
            assert_eq!(parse_id(text), None, "{text}");
        }
    }
}
