//! The exports of the component.

use crate::crypto::{self, Hasher};

wit_bindgen::generate!({ world: "module", path: "wit" });

use exports::dyno::javascript::native::{self, Guest, GuestHasher};

struct Native;

export!(Native);

impl Guest for Native {
    type Hasher = Hasher;

    fn digest(hash: String, key: Option<Vec<u8>>, data: Vec<u8>) -> Option<Vec<u8>> {
        crypto::digest(&hash, key.as_deref(), &data)
    }

    fn pbkdf2(
        hash: String,
        password: Vec<u8>,
        salt: Vec<u8>,
        rounds: u32,
        length: u32,
    ) -> Option<Vec<u8>> {
        crypto::pbkdf2(&hash, &password, &salt, rounds, length)
    }

    fn scrypt(
        password: Vec<u8>,
        salt: Vec<u8>,
        log_cost: u8,
        block_size: u32,
        parallelization: u32,
        length: u32,
    ) -> Option<Vec<u8>> {
        crypto::scrypt(
            &password,
            &salt,
            log_cost,
            block_size,
            parallelization,
            length,
        )
    }
}

impl GuestHasher for Hasher {
    fn create(hash: String, key: Option<Vec<u8>>) -> Option<native::Hasher> {
        Hasher::new(&hash, key.as_deref()).map(native::Hasher::new)
    }

    fn update(&self, data: Vec<u8>) {
        self.add(&data);
    }

    fn copy(&self) -> native::Hasher {
        native::Hasher::new(self.clone())
    }

    fn finish(&self) -> Vec<u8> {
        self.result()
    }
}
