"""The module `_ssl`, on which Python's `ssl` is built, without TLS, since a dyno's Python has no OpenSSL.

Many libraries import `ssl` and make a context long before they connect to anything, or for plain connections alone: so
contexts can be made and set. Every attempt to speak TLS fails with an `SSLError` that says why.
"""

import os
import types

NO_TLS = (
    "a dyno's Python has no OpenSSL, so no TLS of its own: urllib, http.client, requests, urllib3 and httpx reach https:// "
    "through the host; connect without TLS elsewhere (sslmode=disable, redis://)"
)
# The numbers of OpenSSL 3.0 and CPython.
NUMBERS = {
    "ALERT_DESCRIPTION_": dict(
        CLOSE_NOTIFY=0, UNEXPECTED_MESSAGE=10, BAD_RECORD_MAC=20, RECORD_OVERFLOW=22, DECOMPRESSION_FAILURE=30,
        HANDSHAKE_FAILURE=40, BAD_CERTIFICATE=42, UNSUPPORTED_CERTIFICATE=43, CERTIFICATE_REVOKED=44,
        CERTIFICATE_EXPIRED=45, CERTIFICATE_UNKNOWN=46, ILLEGAL_PARAMETER=47, UNKNOWN_CA=48, ACCESS_DENIED=49,
        DECODE_ERROR=50, DECRYPT_ERROR=51, PROTOCOL_VERSION=70, INSUFFICIENT_SECURITY=71, INTERNAL_ERROR=80,
        USER_CANCELLED=90, NO_RENEGOTIATION=100, UNSUPPORTED_EXTENSION=110, CERTIFICATE_UNOBTAINABLE=111,
        UNRECOGNIZED_NAME=112, BAD_CERTIFICATE_STATUS_RESPONSE=113, BAD_CERTIFICATE_HASH_VALUE=114,
        UNKNOWN_PSK_IDENTITY=115,
    ),
    "CERT_": dict(
        NONE=0, OPTIONAL=1, REQUIRED=2,
    ),
    "ENCODING_": dict(
        PEM=1, DER=2,
    ),
    "HOSTFLAG_": dict(
        ALWAYS_CHECK_SUBJECT=1, NO_WILDCARDS=2, NO_PARTIAL_WILDCARDS=4, MULTI_LABEL_WILDCARDS=8,
        SINGLE_LABEL_SUBDOMAINS=16, NEVER_CHECK_SUBJECT=32,
    ),
    "OP_": dict(
        NO_SSLv2=0, SINGLE_DH_USE=0, SINGLE_ECDH_USE=0, IGNORE_UNEXPECTED_EOF=128, NO_TICKET=16384,
        NO_COMPRESSION=131072, ENABLE_MIDDLEBOX_COMPAT=1048576, CIPHER_SERVER_PREFERENCE=4194304, NO_SSLv3=33554432,
        NO_TLSv1=67108864, NO_TLSv1_2=134217728, NO_TLSv1_1=268435456, NO_TLSv1_3=536870912,
        NO_RENEGOTIATION=1073741824, ALL=2147483728,
    ),
    "PROTOCOL_": dict(
        SSLv23=2, TLS=2, TLSv1=3, TLSv1_1=4, TLSv1_2=5, TLS_CLIENT=16, TLS_SERVER=17,
    ),
    "PROTO_": dict(
        MINIMUM_SUPPORTED=-2, MAXIMUM_SUPPORTED=-1, SSLv3=768, TLSv1=769, TLSv1_1=770, TLSv1_2=771, TLSv1_3=772,
    ),
    "SSL_ERROR_": dict(
        SSL=1, WANT_READ=2, WANT_WRITE=3, WANT_X509_LOOKUP=4, SYSCALL=5, ZERO_RETURN=6, WANT_CONNECT=7, EOF=8,
        INVALID_ERROR_CODE=10,
    ),
    "VERIFY_": dict(
        DEFAULT=0, CRL_CHECK_LEAF=4, CRL_CHECK_CHAIN=12, X509_STRICT=32, ALLOW_PROXY_CERTS=64,
        X509_TRUSTED_FIRST=32768, X509_PARTIAL_CHAIN=524288,
    ),
}  # fmt: skip
ABILITIES = "SNI ECDH ALPN TLSv1 TLSv1_1 TLSv1_2 TLSv1_3 TLS_UNIQUE PSK PHA".split()
LACKING = "NPN SSLv2 SSLv3".split()
PURPOSES = {
    "1.3.6.1.5.5.7.3.1": (129, "serverAuth", "TLS Web Server Authentication"),
    "1.3.6.1.5.5.7.3.2": (130, "clientAuth", "TLS Web Client Authentication"),
}
PROTOCOL_TLS_CLIENT = NUMBERS["PROTOCOL_"]["TLS_CLIENT"]
CERT_REQUIRED = NUMBERS["CERT_"]["REQUIRED"]


class SSLError(OSError):
    """An error of TLS."""

    library = reason = None


def error_class(name, *bases):
    return type(name, (SSLError, *bases), {"__module__": "ssl"})


class Setting:
    """An attribute of a context that is stored and has no effect."""

    def __init__(self, default):
        self.default = default

    def __set_name__(self, owner, name):
        self.name = f"_setting_{name}"

    def __get__(self, context, owner=None):
        return self if context is None else context.__dict__.get(self.name, self.default)

    def __set__(self, context, value):
        context.__dict__[self.name] = value


class Context:
    """`_SSLContext`."""

    options = Setting(NUMBERS["OP_"]["ALL"])
    verify_flags = Setting(NUMBERS["VERIFY_"]["X509_TRUSTED_FIRST"])
    verify_mode = Setting(NUMBERS["CERT_"]["NONE"])
    check_hostname = Setting(False)
    minimum_version = Setting(NUMBERS["PROTO_"]["MINIMUM_SUPPORTED"])
    maximum_version = Setting(NUMBERS["PROTO_"]["MAXIMUM_SUPPORTED"])
    keylog_filename = Setting(None)
    num_tickets = Setting(2)
    post_handshake_auth = Setting(False)
    security_level = Setting(2)
    sni_callback = Setting(None)
    _host_flags = Setting(NUMBERS["HOSTFLAG_"]["NO_PARTIAL_WILDCARDS"])
    _msg_callback = Setting(None)

    def __new__(cls, protocol):
        context = object.__new__(cls)
        context._protocol = protocol
        if protocol == PROTOCOL_TLS_CLIENT:
            context.verify_mode, context.check_hostname = CERT_REQUIRED, True
        return context

    @property
    def protocol(self):
        return self._protocol

    def _wrap_socket(self, *args, **named):
        raise SSLError(NO_TLS)

    _wrap_bio = _wrap_socket

    def _set(self, *args, **named):
        return None

    has_certificate = False  # of a client

    def load_cert_chain(self, *args, **named):
        self.has_certificate = True

    load_verify_locations = set_default_verify_paths = load_dh_params = _set
    set_ciphers = set_ecdh_curve = _set_alpn_protocols = set_psk_client_callback = set_psk_server_callback = _set

    def get_ciphers(self):
        return []

    def get_ca_certs(self, binary_form=False):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def session_stats(self):
        return {}


def module():
    """Makes the module `_ssl`, for `sys.modules`."""
    made = types.ModuleType("_ssl", __doc__)
    for prefix, numbers in NUMBERS.items():
        made.__dict__.update({prefix + name: number for name, number in numbers.items()})
    made.__dict__.update({f"HAS_{name}": True for name in ABILITIES})
    made.__dict__.update({f"HAS_{name}": False for name in LACKING})
    SSLError.__module__ = "ssl"
    made.SSLError = SSLError
    for name in ("SSLZeroReturnError", "SSLWantReadError", "SSLWantWriteError", "SSLSyscallError", "SSLEOFError"):
        setattr(made, name, error_class(name))
    made.SSLCertVerificationError = error_class("SSLCertVerificationError", ValueError)
    made._SSLContext = Context
    made.MemoryBIO = type("MemoryBIO", (), {})
    made.SSLSession = type("SSLSession", (), {})
    made.Certificate = type("Certificate", (), {})
    # Libraries check that this is OpenSSL, and not too old.
    made.OPENSSL_VERSION = "OpenSSL 3.0.0 (absent: a dyno's Python has no TLS)"
    made.OPENSSL_VERSION_NUMBER = 0x30000000
    made.OPENSSL_VERSION_INFO = made._OPENSSL_API_VERSION = (3, 0, 0, 0, 0)
    made._DEFAULT_CIPHERS = "DEFAULT"
    made.txt2obj = lambda text, name=False: (*PURPOSES[text], text)
    made.nid2obj = lambda nid: next((*purpose, oid) for oid, purpose in PURPOSES.items() if purpose[0] == nid)
    made.RAND_bytes, made.RAND_status, made.RAND_add = os.urandom, lambda: True, lambda data, entropy: None
    made.get_default_verify_paths = lambda: ("SSL_CERT_FILE", "/cert.pem", "SSL_CERT_DIR", "/certs")
    return made
