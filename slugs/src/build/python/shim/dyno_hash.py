"""`hashlib.pbkdf2_hmac` and `hashlib.scrypt`, which Python otherwise takes from OpenSSL, with the same arguments, limits
and results. Their inner loops are WebAssembly (`dyno_hash.wat`): the hash of a password takes about what it takes
elsewhere, as it must. PBKDF2 with hashes other than SHA-1, SHA-256 and SHA-512 is plain Python.
"""

import hashlib
import hmac
import math
import struct
from array import array

MEMORY_BYTES = 32 * 1024 * 1024  # of scrypt where the caller names no other limit, as OpenSSL has it
PARALLEL_MAX = 2**30 - 1  # RFC 7914, 2


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."""
    if not isinstance(hash_name, str):
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {type(hash_name).__name__}")
    password, salt = bytes_of(password, "password"), bytes_of(salt, "salt")
    try:
        digest = hashlib.new(hash_name)
    except ValueError:
        raise ValueError(f"unsupported hash type {hash_name}") from None
    dklen = digest.digest_size if dklen is None else dklen
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if dklen < 1:
        raise ValueError("key length must be greater than 0.")
    if len(password) > digest.block_size:
        password = hashlib.new(hash_name, password).digest()
    key = password.ljust(digest.block_size, b"\0")
    blocks = []
    for number in range(1, -(-dklen // digest.digest_size) + 1):
        first = hmac.digest(password, salt + struct.pack(">I", number), hash_name)
        blocks.append(iterate(digest.name, key, first, iterations - 1))
    return b"".join(blocks)[:dklen]


def iterate(name, key, first, count):
    """Computes a block of the result: the XOR of `first` and the `count` values that follow from it."""
    loop = LOOPS.get(name)
    return loop.run(key, first, count) if loop else iterate_slowly(name, key, first, count)


def iterate_slowly(name, key, first, count):
    inner = hashlib.new(name, key.translate(bytes(byte ^ 0x36 for byte in range(256))))
    outer = hashlib.new(name, key.translate(bytes(byte ^ 0x5C for byte in range(256))))
    value, total = first, int.from_bytes(first)
    for _ in range(count):
        one, two = inner.copy(), outer.copy()
        one.update(value)
        two.update(one.digest())
        value = two.digest()
        total ^= int.from_bytes(value)
    return total.to_bytes(len(first))


class Loop:
    """The iterations of one hash in WebAssembly. `dyno_hash.wat` documents the layout of the memory."""

    def __init__(self, call, code, constants, initial, schedule):
        self.call = call
        self.code = code
        self.constants = [*constants, *initial]
        # The schedule, two states and a block.
        self.room = schedule + 2 * len(initial) + 16
        self.words = len(initial)

    def run(self, key, first, count):
        words = array(self.code, self.constants)
        for data in (key, first, first):
            part = array(self.code, data)
            part.byteswap()
            words += part
        at = len(words) - self.words
        size = words.itemsize
        memory = bytearray(words.tobytes() + count.to_bytes(size, "little") + bytes(self.room * size))
        self.call(memory)
        result = array(self.code, bytes(memory[at * size : (at + self.words) * size]))
        result.byteswap()
        return result.tobytes()


def loops():
    """Returns the loop of each hash by the hash's name. The constants are those of FIPS 180-4: fractions of the roots of
    the first primes.
    """
    try:
        import _dyno_hash as native
    except ImportError:
        return {}  # ordinary Python, which has OpenSSL
    primes = [number for number in range(2, 410) if all(number % part for part in range(2, number))]
    square = [math.isqrt(prime << 128) & (2**64 - 1) for prime in primes[:8]]
    cubic = [cube_root(prime << 192) & (2**64 - 1) for prime in primes]
    upper = lambda words: [word >> 32 for word in words]
    ones = [0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6]
    initial = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0]
    return {
        "sha1": Loop(native.sha1, "I", ones, initial, 80),
        "sha256": Loop(native.sha256, "I", upper(cubic[:64]), upper(square), 64),
        "sha512": Loop(native.sha512, "Q", cubic[:80], square, 80),
    }


def cube_root(number):
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


def scrypt(password, *, salt=None, n=None, r=None, p=None, maxmem=0, dklen=64):
    """scrypt password-based key derivation function (RFC 7914)."""
    for name, value in (("salt", salt), ("n", n), ("r", r), ("p", p)):
        if value is None:
            raise TypeError(f"{name} is required")
    password, salt = bytes_of(password, "password"), bytes_of(salt, "salt")
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if not 0 <= maxmem < 2**31:
        raise ValueError(f"maxmem must be positive and smaller than {2**31 - 1}")
    if not 0 < dklen < 2**31:
        raise ValueError(f"dklen must be greater than 0 and smaller than {2**31 - 1}")
    sound = r > 0 and p > 0 and r * p <= PARALLEL_MAX and (16 * r >= 64 or n < 1 << (16 * r))
    if not sound or 128 * r * (p + n + 2) > (maxmem or MEMORY_BYTES):
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    blocks = pbkdf2_hmac("sha256", password, salt, 1, 128 * r * p)
    mixed = b"".join(mix(blocks[at : at + 128 * r], n, r) for at in range(0, len(blocks), 128 * r))
    return pbkdf2_hmac("sha256", password, mixed, 1, dklen)


def mix(block, n, r):
    """scryptROMix. The words of each 64 bytes are in the order that `dyno_hash.wat` expects."""
    from _dyno_hash import scrypt as romix

    words = array("I", block)
    for at in range(0, len(words), 16):
        words[at : at + 16] = array("I", [words[at + 5 * i % 16] for i in range(16)])
    memory = bytearray(16 + 128 * r * (n + 2))
    memory[: 16 + len(block)] = struct.pack("<IIQ", n, r, 0) + words.tobytes()
    romix(memory)
    words = array("I", bytes(memory[16 : 16 + len(block)]))
    for at in range(0, len(words), 16):
        part = words[at : at + 16]
        for i in range(16):
            words[at + 5 * i % 16] = part[i]
    return words.tobytes()


def bytes_of(value, name):
    if isinstance(value, str):
        raise TypeError(f"a bytes-like object is required for {name}, not 'str'")
    return bytes(memoryview(value))


LOOPS = loops()
