//! Digests, HMAC, and keys from passwords, by the names that Node.js gives to hash functions.

use std::cell::RefCell;

use digest::core_api::BlockSizeUser;
use digest::{Digest, DynDigest};
use hmac::SimpleHmac;

/// The bytes that a key is combined with (RFC 2104, 2).
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5c;
/// Longest key that is derived, in bytes.
const KEY_BYTES_MAX: u32 = 1 << 20;

/// Calls a function with the type of a named hash function as `$hash`. `None` if there is no such function.
macro_rules! with_hash {
    ($name:expr, $hash:ident => $value:expr) => {
        match $name {
            "md5" => with_hash!(@of md5::Md5, $hash => $value),
            "sha1" => with_hash!(@of sha1::Sha1, $hash => $value),
            "sha224" => with_hash!(@of sha2::Sha224, $hash => $value),
            "sha256" => with_hash!(@of sha2::Sha256, $hash => $value),
            "sha384" => with_hash!(@of sha2::Sha384, $hash => $value),
            "sha512" => with_hash!(@of sha2::Sha512, $hash => $value),
            _ => None,
        }
    };
    (@of $type:ty, $hash:ident => $value:expr) => {{
        type $hash = $type;
        Some($value)
    }};
}

/// A digest or an HMAC of data that come in pieces.
#[derive(Clone)]
pub struct Hasher {
    inner: RefCell<Box<dyn DynDigest>>,
    /// The outer hash of HMAC, which has its key already.
    outer: Option<Box<dyn DynDigest>>,
}

impl Hasher {
    /// With a key, an HMAC (RFC 2104). `None` if there is no such hash function.
    pub fn new(hash: &str, key: Option<&[u8]>) -> Option<Self> {
        let (empty, block) = with_hash!(hash, Hash => {
            (Box::new(Hash::new()) as Box<dyn DynDigest>, Hash::block_size())
        })?;
        let Some(key) = key else {
            let inner = RefCell::new(empty);
            return Some(Self { inner, outer: None });
        };
        let mut padded = match key.len() > block {
            true => digest(hash, None, key)?,
            false => key.to_vec(),
        };
        padded.resize(block, 0);
        let keyed = |pad: u8| {
            let mut hasher = empty.clone();
            let key: Vec<u8> = padded.iter().map(|byte| byte ^ pad).collect();
            hasher.update(&key);
            hasher
        };
        Some(Self {
            inner: RefCell::new(keyed(INNER_PAD)),
            outer: Some(keyed(OUTER_PAD)),
        })
    }

    /// Adds a piece of the data.
    pub fn add(&self, data: &[u8]) {
        self.inner.borrow_mut().update(data);
    }

    /// The result of all data until now.
    pub fn result(&self) -> Vec<u8> {
        let inner = self.inner.borrow().clone().finalize();
        let Some(outer) = &self.outer else {
            return inner.into_vec();
        };
        let mut outer = outer.clone();
        outer.update(&inner);
        outer.finalize().into_vec()
    }
}

/// The digest of data; with a key, their HMAC. `None` if there is no such hash function.
pub fn digest(hash: &str, key: Option<&[u8]>, data: &[u8]) -> Option<Vec<u8>> {
    let hasher = Hasher::new(hash, key)?;
    hasher.add(data);
    Some(hasher.result())
}

/// RFC 8018, 5.2. `length` is in bytes.
pub fn pbkdf2(
    hash: &str,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    length: u32,
) -> Option<Vec<u8>> {
    if rounds == 0 || length > KEY_BYTES_MAX {
        return None;
    }
    let mut key = vec![0; length as usize];
    with_hash!(hash, Hash => {
        pbkdf2::pbkdf2::<SimpleHmac<Hash>>(password, salt, rounds, &mut key)
            .expect("any length is a key's");
    })?;
    Some(key)
}

/// RFC 7914. The cost is 2 to the power of `log_cost`; `length` is in bytes.
pub fn scrypt(
    password: &[u8],
    salt: &[u8],
    log_cost: u8,
    block_size: u32,
    parallelization: u32,
    length: u32,
) -> Option<Vec<u8>> {
    if length > KEY_BYTES_MAX {
        return None;
    }
    // These parameters limit the length to 64 bytes; the function below takes any length.
    let parameters = scrypt::Params::new(
        log_cost,
        block_size,
        parallelization,
        scrypt::Params::RECOMMENDED_LEN,
    );
    let mut key = vec![0; length as usize];
    scrypt::scrypt(password, salt, &parameters.ok()?, &mut key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: Option<Vec<u8>>) -> String {
        let bytes = bytes.expect("a known function");
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 1321, A.5, and the examples of FIPS 180-4.
    #[test]
    fn digests_are_those_of_the_standards() {
        assert_eq!(
            hex(digest("md5", None, b"abc")),
            "900150983cd24fb0d6963f7d28e17f72"
        );
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(hex(digest("sha1", None, b"abc")), sha1);
        let sha224 = "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7";
        assert_eq!(hex(digest("sha224", None, b"abc")), sha224);
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(digest("sha256", None, b"abc")), sha256);
        assert!(
            hex(digest("sha384", None, b"abc")).starts_with("cb00753f45a35e8bb5a03d699ac65007")
        );
        assert!(
            hex(digest("sha512", None, b"abc")).starts_with("ddaf35a193617abacc417349ae204131")
        );
        assert_eq!(digest("none", None, b"abc"), None);
    }

    /// RFC 4231, test case 2, and RFC 2202, test case 6 of HMAC-SHA-1: a key longer than a block.
    #[test]
    fn hmac_is_that_of_the_standards() {
        let mac = digest("sha256", Some(b"Jefe"), b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(mac), expected);
        let data = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let mac = digest("sha1", Some(&[0xaa; 80]), data);
        assert_eq!(hex(mac), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        let pieces = Hasher::new("sha256", Some(b"Jefe")).expect("a known function");
        pieces.add(b"what do ya want ");
        let copy = pieces.clone();
        copy.add(b"for something?");
        pieces.add(b"for nothing?");
        assert_eq!(hex(Some(pieces.result())), expected);
        assert_ne!(hex(Some(copy.result())), expected);
    }

    /// RFC 6070, test case 2, and RFC 7914, 12.
    #[test]
    fn keys_are_those_of_the_standards() {
        let key = pbkdf2("sha1", b"password", b"salt", 2, 20);
        assert_eq!(hex(key), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        assert!(hex(scrypt(b"", b"", 4, 1, 1, 64)).starts_with("77d6576238657b203b19ca42c18a0497"));
        assert_eq!(pbkdf2("sha1", b"", b"", 0, 20), None);
        assert_eq!(pbkdf2("sha1", b"", b"", 1, u32::MAX), None);
        assert_eq!(scrypt(b"", b"", 63, 1 << 20, 1 << 20, 64), None);
    }
}
