"""The functions of hashlib that the shim supplies, beside those of ordinary Python, which are OpenSSL's."""

import hashlib
import unittest

import dyno_hash

LENGTHS = (0, 1, 20, 63, 64, 65, 127, 128, 129, 300)


class Pbkdf2(unittest.TestCase):
    def test_results(self):
        for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b"):
            for length in LENGTHS:
                for dklen in (None, 1, 20, 100):
                    given = (name, b"p" * length, b"s" * (length % 7), 3, dklen)
                    self.assertEqual(dyno_hash.pbkdf2_hmac(*given), hashlib.pbkdf2_hmac(*given), given)

    def test_any_bytes_are_taken(self):
        given = (bytearray(b"password"), memoryview(b"salt"), 5)
        self.assertEqual(dyno_hash.pbkdf2_hmac("sha256", *given), hashlib.pbkdf2_hmac("sha256", *given))
        named = {"hash_name": "SHA256", "password": b"p", "salt": b"s", "iterations": 2, "dklen": 9}
        self.assertEqual(dyno_hash.pbkdf2_hmac(**named), hashlib.pbkdf2_hmac(**named))


class WrongArguments(unittest.TestCase):
    def same(self, call):
        with self.assertRaises(Exception) as theirs:
            call(hashlib)
        with self.assertRaises((TypeError, ValueError)) as ours:
            call(dyno_hash)
        self.assertIsInstance(theirs.exception, type(ours.exception))

    def test_pbkdf2(self):
        for given in (
            ("sha256", b"p", b"s", 0),
            ("sha256", b"p", b"s", -1),
            ("sha256", b"p", b"s", 1, 0),
            ("sha256", b"p", b"s", 1, -1),
            ("sha257", b"p", b"s", 1),
            ("sha256", "p", b"s", 1),
            ("sha256", b"p", "s", 1),
            ("sha256", None, b"s", 1),
            (b"sha256", b"p", b"s", 1),
        ):
            with self.subTest(given=given):
                self.same(lambda module: module.pbkdf2_hmac(*given))

    def test_scrypt(self):
        for given in (
            {},
            {"salt": b"s"},
            {"salt": b"s", "n": 16, "r": 8},
            {"salt": "s", "n": 16, "r": 8, "p": 1},
            {"salt": b"s", "n": 15, "r": 8, "p": 1},
            {"salt": b"s", "n": 1, "r": 8, "p": 1},
            {"salt": b"s", "n": 0, "r": 8, "p": 1},
            {"salt": b"s", "n": 16, "r": 0, "p": 1},
            {"salt": b"s", "n": 16, "r": 8, "p": 0},
            {"salt": b"s", "n": 2**15, "r": 8, "p": 1},
            {"salt": b"s", "n": 16, "r": 8, "p": 1, "dklen": 0},
            {"salt": b"s", "n": 16, "r": 8, "p": 1, "maxmem": -1},
            {"salt": b"s", "n": 2**20, "r": 8, "p": 1, "maxmem": 2**20},
        ):
            with self.subTest(given=given):
                self.same(lambda module: module.scrypt(b"p", **given))


if __name__ == "__main__":
    unittest.main()
