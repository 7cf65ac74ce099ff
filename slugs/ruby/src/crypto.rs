//! Owns the cryptography that Ruby's `openssl` library would offer, and that Ruby code computes too slowly: AES and key
//! derivation. Must not know Ruby.
//!
//! A message is the number of the algorithm, then fields, each behind its length (4 bytes, little-endian).

use alloc::vec::Vec;

use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInPlace;
use aes_gcm::{AesGcm, Nonce, Tag};
use hmac::Hmac;

/// The bytes of a tag of AES-GCM.
const TAG_BYTES: usize = 16;

type Gcm<Cipher> = AesGcm<Cipher, aes::cipher::consts::U12>;

/// Performs one operation. `None`: the message is not understood, or what it decrypts is not authentic.
pub(crate) fn perform(message: &[u8]) -> Option<Vec<u8>> {
    let (operation, rest) = message.split_first()?;
    let fields = split_fields(rest)?;
    match (operation, fields.as_slice()) {
        (b'k', [digest, password, salt, rounds, bytes]) => derive_key(
            digest,
            password,
            salt,
            read_u32(rounds)?,
            read_u32(bytes)? as usize,
        ),
        (b'c', [mode, key, iv, data]) => match key.len() {
            16 => crypt::<Aes128>(mode, key, iv, data),
            24 => crypt::<Aes192>(mode, key, iv, data),
            32 => crypt::<Aes256>(mode, key, iv, data),
            _ => None,
        },
        (b'g', [mode, key, iv, associated, data]) => match key.len() {
            16 => crypt_authentic::<Aes128>(mode, key, iv, associated, data),
            24 => crypt_authentic::<Aes192>(mode, key, iv, associated, data),
            32 => crypt_authentic::<Aes256>(mode, key, iv, associated, data),
            _ => None,
        },
        _ => None,
    }
}

fn split_fields(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = rest.split_at_checked(4)?;
        let (field, behind) = behind.split_at_checked(read_u32(length)? as usize)?;
        fields.push(field);
        rest = behind;
    }
    Some(fields)
}

fn read_u32(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}

/// PBKDF2 (RFC 8018, 5.2).
fn derive_key(
    digest: &[u8],
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    bytes: usize,
) -> Option<Vec<u8>> {
    let mut key = alloc::vec![0; bytes];
    let derived = match digest {
        b"sha1" => pbkdf2::pbkdf2::<Hmac<sha1::Sha1>>(password, salt, rounds, &mut key),
        b"sha256" => pbkdf2::pbkdf2::<Hmac<sha2::Sha256>>(password, salt, rounds, &mut key),
        b"sha384" => pbkdf2::pbkdf2::<Hmac<sha2::Sha384>>(password, salt, rounds, &mut key),
        b"sha512" => pbkdf2::pbkdf2::<Hmac<sha2::Sha512>>(password, salt, rounds, &mut key),
        _ => return None,
    };
    derived.ok().map(|()| key)
}

/// AES in a mode of two letters: `c` (CBC with padding), `n` (CBC without padding) or `t` (CTR), then `e` or `d`.
fn crypt<Cipher>(mode: &[u8], key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>>
where
    Cipher: KeyInit
        + aes::cipher::BlockCipher
        + aes::cipher::BlockEncrypt
        + aes::cipher::BlockDecrypt
        + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    match mode {
        b"ce" => {
            let cipher = cbc::Encryptor::<Cipher>::new_from_slices(key, iv).ok()?;
            Some(cipher.encrypt_padded_vec_mut::<Pkcs7>(data))
        }
        b"cd" => {
            let cipher = cbc::Decryptor::<Cipher>::new_from_slices(key, iv).ok()?;
            cipher.decrypt_padded_vec_mut::<Pkcs7>(data).ok()
        }
        b"ne" if data.len().is_multiple_of(16) => {
            let cipher = cbc::Encryptor::<Cipher>::new_from_slices(key, iv).ok()?;
            Some(cipher.encrypt_padded_vec_mut::<NoPadding>(data))
        }
        b"nd" => {
            let cipher = cbc::Decryptor::<Cipher>::new_from_slices(key, iv).ok()?;
            cipher.decrypt_padded_vec_mut::<NoPadding>(data).ok()
        }
        b"te" | b"td" => {
            let mut cipher = ctr::Ctr128BE::<Cipher>::new_from_slices(key, iv).ok()?;
            let mut out = data.to_vec();
            cipher.apply_keystream(&mut out);
            Some(out)
        }
        _ => None,
    }
}

/// AES-GCM with a nonce of 12 bytes. What is encrypted has its tag behind it.
fn crypt_authentic<Cipher>(
    mode: &[u8],
    key: &[u8],
    iv: &[u8],
    associated: &[u8],
    data: &[u8],
) -> Option<Vec<u8>>
where
    Cipher: KeyInit
        + aes::cipher::BlockCipher
        + aes::cipher::BlockEncrypt
        + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let cipher = Gcm::<Cipher>::new_from_slice(key).ok()?;
    if iv.len() != 12 {
        return None;
    }
    let nonce = Nonce::from_slice(iv);
    match mode {
        b"e" => {
            let mut out = data.to_vec();
            let tag = cipher
                .encrypt_in_place_detached(nonce, associated, &mut out)
                .ok()?;
            out.extend_from_slice(&tag);
            Some(out)
        }
        b"d" => {
            let (encrypted, tag) = data.split_at_checked(data.len().checked_sub(TAG_BYTES)?)?;
            let mut out = encrypted.to_vec();
            cipher
                .decrypt_in_place_detached(nonce, associated, &mut out, Tag::from_slice(tag))
                .ok()?;
            Some(out)
        }
        _ => None,
    }
}
