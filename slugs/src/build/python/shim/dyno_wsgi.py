"""WSGI (PEP 3333), and plain functions that answer a request. Must not know `wasi:http`: the caller passes requests and
replies as plain objects, so that ordinary Python can test this file.

A request has `method`, `target` (path and query), `scheme`, `authority` and `headers` (pairs of a name and bytes). A
reply has `start(status, headers)`, `write(data)` and `is_started`. A body is an `io.RawIOBase`.
"""

import io
import re
import sys
from urllib.parse import unquote_to_bytes

READ_BYTES = 64 * 1024
# Headers that belong to the server (PEP 3333, "Other HTTP Features"). gunicorn also ignores them when an app sets them.
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
}  # fmt: skip
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
CONTROL = re.compile(r"[\0-\x08\n-\x1f\x7f]")


class ClientLeft(BrokenPipeError):
    """The client has gone: nobody reads the response. `write` of a reply raises it."""


def wsgi(call):
    """Turns a WSGI callable into a function of a request, its body and a reply."""

    def answer(request, body, reply):
        exchange = Exchange(reply)
        parts = call(environ_of(request, body), exchange.start_response)
        try:
            exchange.send(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer


class Exchange:
    """One call of an app. The head is sent with the first byte of the body: until then, the app may replace it."""

    def __init__(self, reply):
        self.reply = reply
        self.head = None

    def start_response(self, status, headers, exc_info=None, /):
        if exc_info:
            try:
                if self.reply.is_started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.head is not None:
            raise AssertionError("start_response was called twice without exc_info")
        self.head = checked_head(status, headers)
        return self.write

    def write(self, data, /):
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a WSGI app sends bytes, and this one sent {type(data).__name__}: {data!r:.60}")
        self.begin()
        self.reply.write(data)

    def begin(self):
        if self.head is None:
            raise AssertionError("the app sent no head: it did not call start_response")
        if not self.reply.is_started:
            self.reply.start(*self.head)

    def send(self, parts):
        if isinstance(parts, str):
            raise TypeError(f"a WSGI app returns an iterable of bytes, and this one returned str: {parts!r:.60}")
        for part in parts:
            if part or not isinstance(part, bytes):
                self.write(part)
        self.begin()


def checked_head(status, headers):
    """Checks the status and headers of `start_response`, and returns code and headers."""
    if not isinstance(status, str):
        raise TypeError(f"the status is {type(status).__name__}, not str: {status!r:.60}")
    code, _, reason = status.partition(" ")
    if len(code) != 3 or not (code.isascii() and code.isdigit()) or CONTROL.search(reason):
        raise ValueError(f"the status is to be three digits, a space and a reason: {status!r:.60}")
    if not 200 <= int(code) <= 999:
        raise ValueError(f"the status of a response is 200 or more: {status!r:.60}")
    if not isinstance(headers, (list, tuple)):
        raise TypeError(f"the headers are {type(headers).__name__}, not a list of pairs")
    return int(code), [header for header in map(checked_header, headers) if header]


def checked_header(header):
    """Returns name and bytes of a header; None for a header that belongs to the server."""
    if not isinstance(header, tuple) or len(header) != 2:
        raise TypeError(f"a header is to be a pair of a name and a value: {header!r:.60}")
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a header's name and value are to be str: {header!r:.60}")
    lower = known_names.get(name)
    if lower is None:
        lower = checked_name(name)
    if not value.isprintable() and CONTROL.search(value):
        raise ValueError(f"the header {name!r:.60} has a line break or another control character in its value")
    if lower in HOP_BY_HOP:
        return None
    try:
        return lower, value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the header {name!r:.60} has characters that are not of Latin-1: {value!r:.60}") from None


NAMES_MAX = 256  # an app has a few dozen; one that makes them up gains nothing by this
known_names = {}


def checked_name(name):
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r:.60} is not the name of a header")
    if len(known_names) < NAMES_MAX:
        known_names[name] = name.lower()
    return name.lower()


def native(text):
    """Decodes bytes as Latin-1, as PEP 3333 requires ("Unicode Issues")."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def headers_of(request):
    return [(name, value.decode("latin-1")) for name, value in request.headers]


def environ_of(request, body):
    headers = headers_of(request)
    given = dict(headers)
    target = request.target or "/"
    path, _, query = target.partition("?")
    scheme = given.get("x-forwarded-proto") or request.scheme
    host, port = host_and_port(request.authority or given.get("host") or "localhost", scheme)
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path_info(path),
        "QUERY_STRING": native(query),
        "RAW_URI": native(target),
        "REQUEST_URI": native(target),
        "SERVER_NAME": native(host),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "dyno",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": given.get("x-forwarded-for", "").rpartition(",")[2].strip(),
        "HTTP_HOST": native(request.authority or given.get("host") or host),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BufferedReader(body, READ_BYTES),
        "wsgi.input_terminated": True,  # the body has an end of its own, with and without a length
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        if key == "HTTP_HOST":
            continue
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    return environ


def path_info(path):
    if path == "*":
        return "/"  # `OPTIONS *` asks about the server; RAW_URI says so
    if not path.startswith("/"):
        _, _, rest = path.partition("://")
        path = "/" + rest.partition("/")[2]
    return unquote_to_bytes(path).decode("latin-1") if "%" in path else native(path)


def host_and_port(authority, scheme):
    host, _, port = authority.rpartition(":")
    if host and port.isdigit():
        return host, port
    return authority, "443" if scheme == "https" else "80"


class FileWrapper:
    """`wsgi.file_wrapper`: a file as an iterable of its parts."""

    def __init__(self, file, block_bytes=READ_BYTES):
        self.file = file
        self.block_bytes = block_bytes
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.file.read(self.block_bytes)
        if data:
            return data
        raise StopIteration


class Request:
    """The request that a plain handler function receives."""

    def __init__(self, request, body):
        self.method = request.method
        self.path, _, self.query = (request.target or "/").partition("?")
        self.headers = dict(headers_of(request))
        self._input = body
        self._body = None

    @property
    def body(self):
        """The whole body, in bytes."""
        if self._body is None:
            self._body = self._input.readall()
        return self._body


def plain(call):
    """Adapts a function of a Request that returns a body, (body, status) or (body, status, headers)."""

    def answer(request, body, reply):
        result = call(Request(request, body))
        content, *rest = result if isinstance(result, tuple) else (result,)
        status, headers = (*rest, *(200, {})[len(rest) :])
        data, kind = encoded(content)
        given = {"content-type": kind, **{name.lower(): value for name, value in headers.items()}}
        given.setdefault("content-length", str(len(data)))
        reply.start(*checked_head(f"{status} ", [*given.items()]))
        reply.write(data)

    return answer


def encoded(body):
    import json

    if isinstance(body, (bytes, bytearray)):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        kind = "text/html" if body.lstrip().startswith("<") else "text/plain"
        return body.encode(), f"{kind}; charset=utf-8"
    return json.dumps(body).encode(), "application/json"
