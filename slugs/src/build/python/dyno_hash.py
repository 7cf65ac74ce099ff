"""`hashlib.pbkdf2_hmac` and `hashlib.scrypt`, which Python otherwise takes from OpenSSL."""


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    raise NotImplementedError


def scrypt(password, *, salt=None, n=None, r=None, p=None, maxmem=0, dklen=64):
    raise NotImplementedError
