"""`https://` of urllib3 (and so of requests) and of httpcore (and so of httpx): their connections become requests of
`wasi:http`, and their errors stay those that they document.
"""

import socket
import ssl

from dyno_client import (
    CONNECT_ERRORS, NO_CERTIFICATE, NO_PROXY, ConnectTimeout, HttpsSocket, Upstream, finished, wait_blocking, wait_in_loop,
)  # fmt: skip

NO_FINGERPRINT = "a dyno's host checks certificates itself: a fingerprint cannot be checked"


def adapt_urllib3(module):
    def connect(self):
        if getattr(self, "proxy", None) or self._tunnel_host:
            raise OSError(NO_PROXY)
        if self.cert_file or getattr(self.ssl_context, "has_certificate", False):
            raise ssl.SSLError(NO_CERTIFICATE)
        if self.assert_fingerprint:
            raise ssl.SSLError(NO_FINGERPRINT)
        translate = lambda error: error_of_urllib3(self, error)
        self.sock = HttpsSocket(self.host, self.port, self.timeout, translate)
        self.is_verified = True

    module.HTTPSConnection.connect = connect


def error_of_urllib3(connection, error):
    """Returns the error that urllib3 raises when a connection cannot be made; None if `error` has another cause."""
    from urllib3 import exceptions

    if isinstance(error, ssl.SSLError) or not isinstance(error, CONNECT_ERRORS):
        return None
    if isinstance(error, ConnectTimeout):
        text = f"Connection to {connection.host} timed out. (connect timeout={connection.timeout})"
        return exceptions.ConnectTimeoutError(connection, text)
    if isinstance(error, socket.gaierror) and hasattr(exceptions, "NameResolutionError"):
        return exceptions.NameResolutionError(connection.host, connection, error)
    return exceptions.NewConnectionError(connection, f"Failed to establish a new connection: {error}")


def adapt_httpcore(module):
    is_async = hasattr(module, "AsyncHTTPConnection")
    owner = module.AsyncHTTPConnection if is_async else module.HTTPConnection
    owner._connect = (connect_async if is_async else connect_sync)(owner._connect)


def connect_sync(before):
    def _connect(self, request):
        return SyncStream(*place_of(self)) if is_https(self) else before(self, request)

    return _connect


def connect_async(before):
    async def _connect(self, request):
        return AsyncStream(*place_of(self)) if is_https(self) else await before(self, request)

    return _connect


def is_https(connection):
    return connection._origin.scheme == b"https" and connection._uds is None


def place_of(connection):
    if getattr(connection._ssl_context, "has_certificate", False):
        import httpcore

        raise httpcore.ConnectError(NO_CERTIFICATE)
    return connection._origin.host.decode("ascii"), connection._origin.port


class Stream:
    """What streams of both kinds have in common, for httpcore."""

    wait = None

    def __init__(self, host, port):
        self.upstream = Upstream(host, port, type(self).wait)

    def get_extra_info(self, info):
        return None

    def start_tls(self, *args, **named):
        import httpcore

        raise httpcore.ConnectError(NO_PROXY)

    async def read_part(self, size, timeout):
        import httpcore

        try:
            return await self.upstream.read(size, timeout)
        except OSError as error:
            raise error_of_httpcore(error, httpcore.ReadTimeout, httpcore.ReadError) from error

    async def write_part(self, data, timeout):
        import httpcore

        try:
            await self.upstream.write(data, timeout)
        except OSError as error:
            raise error_of_httpcore(error, httpcore.WriteTimeout, httpcore.WriteError) from error


class SyncStream(Stream):
    wait = staticmethod(wait_blocking)

    def read(self, max_bytes, timeout=None):
        return finished(self.read_part(max_bytes, timeout))

    def write(self, buffer, timeout=None):
        finished(self.write_part(buffer, timeout))

    def close(self):
        self.upstream.close()


class AsyncStream(Stream):
    wait = staticmethod(wait_in_loop)

    async def read(self, max_bytes, timeout=None):
        return await self.read_part(max_bytes, timeout)

    async def write(self, buffer, timeout=None):
        await self.write_part(buffer, timeout)

    async def aclose(self):
        self.upstream.close()


def error_of_httpcore(error, timeout, other):
    import httpcore

    if isinstance(error, ConnectTimeout):
        return httpcore.ConnectTimeout(str(error))
    if isinstance(error, CONNECT_ERRORS):
        return httpcore.ConnectError(str(error))
    return (timeout if isinstance(error, TimeoutError) else other)(str(error))
