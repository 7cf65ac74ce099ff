"""`https://` from Python: what its HTTP clients take for a TLS connection is a request of `wasi:http`.

A dyno's Python has no TLS, but its host has. The clients write requests in HTTP/1.1 into a connection and read responses
from it. `Upstream` reads such a request, sends it through the host, and writes the response in HTTP/1.1. The host keeps
connections open for later requests, so each request here is a connection of its own.

The coroutines of `Upstream` wait by `self.wait`, which either blocks or lets the event loop go on.
"""

import asyncio
import errno
import http.client
import io
import socket
import ssl

from componentize_py_types import Err, Ok
from wit_world.imports import monotonic_clock, outgoing_handler, wasi_http_types as types
from wit_world.imports.poll import poll
from wit_world.imports.streams import StreamError_Closed

from dyno_loop import Wait
from dyno_streams import METHODS, READ_BYTES, detour

HEAD_BYTES_MAX = 256 * 1024
# Headers of a connection, which the host makes itself.
OF_CONNECTION = {
    "connection", "keep-alive", "host", "http2-settings", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "transfer-encoding", "upgrade",
}  # fmt: skip
METHOD_TYPES = {name: kind for kind, name in METHODS.items()}
NO_PROXY = "a dyno reaches https:// without a proxy: unset HTTPS_PROXY, or set NO_PROXY=*"
NO_CERTIFICATE = "a dyno's https:// has no client certificates"

DNS_ERRORS = (types.ErrorCode_DnsTimeout, types.ErrorCode_DnsError, types.ErrorCode_DestinationNotFound)
UNREACHABLE = (types.ErrorCode_DestinationUnavailable, types.ErrorCode_DestinationIpUnroutable)
DENIED = (types.ErrorCode_DestinationIpProhibited, types.ErrorCode_HttpRequestDenied)
TIMEOUTS = (
    types.ErrorCode_ConnectionReadTimeout, types.ErrorCode_ConnectionWriteTimeout, types.ErrorCode_HttpResponseTimeout,
)  # fmt: skip
CUT_OFF = (types.ErrorCode_ConnectionTerminated, types.ErrorCode_HttpResponseIncomplete)
TLS_ERRORS = (types.ErrorCode_TlsProtocolError, types.ErrorCode_TlsAlertReceived)


class ConnectTimeout(TimeoutError):
    """The host could not connect in time."""


def error_of(code, place):
    """Returns an error of `wasi:http` as the error that a TLS connection of Python raises."""
    name = type(code).__name__.removeprefix("ErrorCode_")
    if isinstance(code, DNS_ERRORS):
        return socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {place}")
    if isinstance(code, types.ErrorCode_ConnectionRefused):
        return ConnectionRefusedError(errno.ECONNREFUSED, f"Connection refused: {place}")
    if isinstance(code, UNREACHABLE):
        return OSError(errno.EHOSTUNREACH, f"Host is unreachable: {place}")
    if isinstance(code, DENIED):
        return PermissionError(errno.EACCES, f"this platform does not let the app connect to {place}")
    if isinstance(code, types.ErrorCode_ConnectionTimeout):
        return ConnectTimeout("timed out")
    if isinstance(code, TIMEOUTS):
        return TimeoutError("timed out")
    if isinstance(code, CUT_OFF):
        return http.client.RemoteDisconnected("Remote end closed connection without response")
    if isinstance(code, types.ErrorCode_ConnectionLimitReached):
        return OSError(errno.EMFILE, "the dyno has too many open connections")
    if isinstance(code, types.ErrorCode_TlsCertificateError):
        return ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {place}")
    if isinstance(code, TLS_ERRORS):
        return ssl.SSLError(1, f"[SSL] {name}: {place}")
    value = getattr(code, "value", None)
    return OSError(f"the request to {place} failed: {name}{f' ({value})' if value else ''}")


# Errors before any byte has been sent.
CONNECT_ERRORS = (socket.gaierror, ConnectionRefusedError, PermissionError, ConnectTimeout, ssl.SSLError)


async def wait_blocking(pollable, timeout, held):
    """Waits without the event loop; this coroutine never suspends."""
    with pollable:
        if timeout is None:
            pollable.block()
            return
        with monotonic_clock.subscribe_duration(int(timeout * 1e9)) as timer:
            if 0 not in poll([pollable, timer]):
                raise TimeoutError("timed out")


async def wait_in_loop(pollable, timeout, held):
    try:
        async with asyncio.timeout(timeout):
            await Wait(pollable, held)
    except TimeoutError:
        raise TimeoutError("timed out") from None


def finished(coroutine):
    """Runs a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a blocking coroutine has suspended")


class Upstream:
    """One request and its response."""

    def __init__(self, host, port, wait):
        host = f"[{host}]" if ":" in host else host
        self.authority = host if port == 443 else f"{host}:{port}"
        self.wait = wait
        self.unread = bytearray()  # of the request's head, or of a chunk's frame
        self.left = None  # bytes of the request's body; None for chunks
        self.sink = self.body = self.answer = self.response = self.response_body = self.stream = None
        self.waits = set()
        self.is_sent = self.is_answered = False
        self.output = b""

    # The request

    async def write(self, data, timeout):
        self.unread += data
        if self.sink is None and not self.is_sent:
            head, end, rest = bytes(self.unread).partition(b"\r\n\r\n")
            if not end:
                if len(head) > HEAD_BYTES_MAX:
                    raise OSError("the head of the request is too long")
                return
            self.unread = bytearray(rest)
            self.begin(head.decode("latin-1").split("\r\n"), timeout)
        await (self.write_chunks(timeout) if self.left is None else self.write_rest(timeout))

    def begin(self, lines, timeout):
        """Sends the head of the request."""
        method, _, rest = lines[0].partition(" ")
        target, _, version = rest.rpartition(" ")
        if not version.startswith("HTTP/1."):
            raise ssl.SSLError(f"a dyno's TLS speaks only HTTP, and this is none: {lines[0]!r:.60}")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        given = dict(headers)
        if "upgrade" in given:
            raise OSError(f"a dyno's https:// has no WebSockets and no other upgrade: {given['upgrade']}")
        if given.get("host", self.authority).removesuffix(":443").lower() != self.authority.lower():
            raise OSError(f"a dyno's https:// sends the Host of the URL, {self.authority}, and not {given['host']}")
        self.left = None if "chunked" in given.get("transfer-encoding", "") else int(given.get("content-length", 0))
        fields = [(name, value.encode("latin-1")) for name, value in headers if name not in OF_CONNECTION]
        request = types.OutgoingRequest(types.Fields.from_list(fields))
        kind = METHOD_TYPES.get(method)
        request.set_method(kind() if kind else types.Method_Other(method))
        request.set_scheme(types.Scheme_Https())
        request.set_authority(self.authority)
        request.set_path_with_query(target)
        options = types.RequestOptions()
        if timeout is not None:
            options.set_connect_timeout(int(timeout * 1e9))
        self.body = request.body()
        self.sink = self.body.write()
        try:
            self.answer = outgoing_handler.handle(request, options)
        except Err as error:
            raise error_of(error.value, self.authority) from None

    async def write_rest(self, timeout):
        data, self.unread = bytes(self.unread[: self.left]), self.unread[self.left :]
        self.left -= len(data)
        await self.send_body(data, timeout)
        if self.left == 0:
            self.end_request()

    async def write_chunks(self, timeout):
        """Takes the frames of chunks away (RFC 9112, 7.1)."""
        while not self.is_sent:
            line, end, _ = bytes(self.unread[:64]).partition(b"\r\n")
            if not end:
                return
            size = int(line.partition(b";")[0], 16)
            start = len(line) + 2
            if len(self.unread) < start + size + 2:
                return
            data, self.unread = bytes(self.unread[start : start + size]), self.unread[start + size + 2 :]
            await self.send_body(data, timeout)
            if size == 0:
                self.end_request()

    async def send_body(self, data, timeout):
        data = memoryview(data)
        while data and self.sink is not None:
            try:
                space = self.sink.check_write()
                if space == 0:
                    await self.wait(self.sink.subscribe(), timeout, self.waits)
                    continue
                part = data[: min(space, READ_BYTES)]
                detour().send(part, self.sink)
            except Err:
                self.drop_request()  # the response, or its error, says why
                return
            data = data[len(part) :]

    def end_request(self):
        if self.is_sent:
            return
        self.is_sent = True
        body = self.drop_sink()
        if body is not None:
            try:
                types.OutgoingBody.finish(body, None)
            except Err:
                pass  # the response, or its error, says why

    def drop_sink(self):
        for wait in [*self.waits]:
            wait.close()
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.__exit__(None, None, None)
        body, self.body = self.body, None
        return body

    def drop_request(self):
        self.is_sent = True
        body = self.drop_sink()
        if body is not None:
            body.__exit__(None, None, None)

    # The response

    async def read(self, size, timeout):
        """Returns the next bytes of the response; none at its end."""
        if not self.output and not self.is_answered:
            if self.answer is None:
                raise OSError("a response was read before the request was sent")
            await self.read_head(timeout)
        if not self.output and self.stream is not None:
            self.output = await self.read_body(size, timeout)
        data, self.output = self.output[:size], self.output[size:]
        return data

    async def read_head(self, timeout):
        while (found := self.answer.get()) is None:
            await self.wait(self.answer.subscribe(), timeout, self.waits)
        if not isinstance(found, Ok) or not isinstance(found.value, Ok):
            code = found.value.value if isinstance(found, Ok) else types.ErrorCode_InternalError("no response")
            raise error_of(code, self.authority)
        self.is_answered = True
        self.response = found.value.value
        status = self.response.status()
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}".encode()]
        with self.response.headers() as headers:
            for name, value in headers.entries():
                if name not in OF_CONNECTION:
                    lines.append(name.encode("latin-1") + b": " + value)
        self.output = b"\r\n".join([*lines, b"connection: close", b"", b""])
        self.response_body = self.response.consume()
        self.stream = self.response_body.stream()

    async def read_body(self, size, timeout):
        while True:
            try:
                data = self.stream.read(min(max(size, 1), READ_BYTES))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    self.close()
                    return b""
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer") from None
            if data:
                return data
            await self.wait(self.stream.subscribe(), timeout, self.waits)

    def close(self):
        """Releases all handles, in the order that the host requires."""
        self.drop_request()
        for name in ("stream", "response_body", "response", "answer"):
            handle = getattr(self, name)
            if handle is not None:
                handle.__exit__(None, None, None)
                setattr(self, name, None)

    def __del__(self):
        self.close()  # else its handles would be released in any order


class HttpsSocket:
    """What `http.client` and urllib3 take for a TLS socket."""

    def __init__(self, host, port, timeout, translate=None, is_eager=False):
        self.upstream = Upstream(host, port, wait_blocking)
        self.translate = translate
        self.is_eager = is_eager  # whether a sent request waits for the head of its response
        self.failure = None  # of that wait
        self.is_closed = False
        self.reader = None
        self.settimeout(timeout)

    def settimeout(self, timeout):
        is_given = timeout is None or isinstance(timeout, (int, float))
        self.timeout = timeout if is_given else socket.getdefaulttimeout()

    def gettimeout(self):
        return self.timeout

    def sendall(self, data, flags=0):
        self.done(self.upstream.write(bytes(memoryview(data).cast("B")), self.timeout))
        if self.is_eager and self.upstream.is_sent and not self.upstream.is_answered:
            self.wait_for_head()

    def wait_for_head(self):
        """Raises why no connection was made, as the clients expect it while they send. Other errors are for those who read."""
        try:
            finished(self.upstream.read_head(self.timeout))
        except CONNECT_ERRORS:
            raise
        except OSError as error:
            self.failure = error

    def send(self, data, flags=0):
        self.sendall(data)
        return len(memoryview(data).cast("B"))

    def recv(self, size, flags=0):
        if self.failure is not None:
            raise self.failure
        return self.done(self.upstream.read(size, self.timeout))

    def recv_into(self, buffer, size=0, flags=0):
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def done(self, coroutine):
        try:
            return finished(coroutine)
        except OSError as error:
            translated = self.translate(error) if self.translate else None
            if translated is not None:
                raise translated from error
            raise

    def makefile(self, mode="r", buffering=None, **named):
        if mode not in ("rb", "br"):
            raise ValueError(f"a connection to https:// is read as a file of mode 'rb', not {mode!r}")
        self.reader = ResponseReader(self)
        return io.BufferedReader(self.reader, READ_BYTES)

    def close(self):
        """As with sockets, a file that reads from it goes on."""
        self.is_closed = True
        if self.reader is None or self.reader.closed:
            self.upstream.close()

    def shutdown(self, how):
        self.upstream.close()

    def fileno(self):
        return -1

    def getpeercert(self, binary_form=False):
        return b"" if binary_form else {}

    def version(self):
        return "TLSv1.3"

    def cipher(self):
        return None

    def selected_alpn_protocol(self):
        return "http/1.1"

    def setsockopt(self, *args):
        return None


class ResponseReader(io.RawIOBase):
    def __init__(self, sock):
        self.sock = sock

    def readable(self):
        return True

    def readinto(self, into):
        return self.sock.recv_into(into)

    def close(self):
        if not self.closed:
            super().close()
            if self.sock.is_closed:
                self.sock.upstream.close()


def connect(connection):
    """`http.client.HTTPSConnection.connect`."""
    if connection._tunnel_host:
        raise OSError(NO_PROXY)
    if getattr(connection._context, "has_certificate", False):
        raise ssl.SSLError(NO_CERTIFICATE)
    connection.sock = HttpsSocket(connection.host, connection.port, connection.timeout, is_eager=True)
