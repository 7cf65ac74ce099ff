"""The component of a Python app: it answers `wasi:http` by the app's WSGI callable, or by a plain function.

Imported twice in its life. While building, it imports what the app will (`wanted.txt`), so that the snapshot of this
interpreter has it in memory; the app's own modules are left alone. In a dyno, at the first request, it imports the app
itself from the slug's files: it sees its config vars from the first line on.

The packages lie at `/0` both times: componentize-py names the folders of its path by number, and code remembers where
it came from.
"""

import importlib
import io
import os
import sys
import traceback

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.preopens import get_directories
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.wasi_filesystem_types import DescriptorFlags, OpenFlags, PathFlags
from wit_world.imports.wasi_http_types import (
    Fields,
    IncomingRequest,
    Method_Connect,
    Method_Delete,
    Method_Get,
    Method_Head,
    Method_Options,
    Method_Other,
    Method_Patch,
    Method_Post,
    Method_Put,
    Method_Trace,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
    Scheme_Https,
)

PACKAGES = "/0"
BUILD = "/1"  # the build's own folder, of which nothing is there later
ENTRY = "/.dyno/entry.txt"  # MODULE:NAME
READ_BYTES = 64 * 1024
CALLABLES = ("app", "application", "handler", "handle")

METHODS = {
    Method_Connect: "CONNECT",
    Method_Delete: "DELETE",
    Method_Get: "GET",
    Method_Head: "HEAD",
    Method_Options: "OPTIONS",
    Method_Patch: "PATCH",
    Method_Post: "POST",
    Method_Put: "PUT",
    Method_Trace: "TRACE",
}


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        answer = app()
        body = Input(request)
        reply = Reply(response_out, request.method())
        try:
            answer(request, body, reply)
        except Exception:
            traceback.print_exc()
            if reply.stream is not None:
                # Half a response must not look like a whole one: the dyno ends here.
                raise
            reply.start(500, [("content-type", "text/plain")])
            reply.write(b"Internal Server Error\n")
        reply.finish()
        body.release()


loaded = None


def app():
    """The app, imported at the first request. One that cannot be is a crash."""
    global loaded
    if loaded is None:
        sys.path[:] = ["/", *(path for path in sys.path if path not in ("/", BUILD))]
        sys.argv[:] = ["app"]
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        # The snapshot has the numbers of the build in it, the same for all dynos.
        import random

        random.seed()
        with open(ENTRY) as file:
            module, _, name = file.read().strip().partition(":")
        try:
            loaded = find(importlib.import_module(module), name)
        except BaseException:
            traceback.print_exc()
            raise
    return loaded


def find(module, name):
    names = [name] if name else CALLABLES
    for name in names:
        found = module
        for part in name.removesuffix("()").split("."):
            found = getattr(found, part, None)
        if callable(found) and name.endswith("()"):
            return wsgi(found())
        if callable(found):
            return plain(found) if name.rpartition(".")[2] in ("handler", "handle") else wsgi(found)
    factory = getattr(module, "create_app", None)
    if callable(factory):
        return wsgi(factory())
    wanted = " or ".join(f"`{name}`" for name in names)
    raise SystemExit(f"{module.__file__} has no callable {wanted}: define one, or name it in the Procfile")


class Reply:
    """The response: its head once, then parts of the body."""

    def __init__(self, response_out, method):
        self.response_out = response_out
        self.is_head = isinstance(method, Method_Head)
        self.body = None
        self.stream = None

    def start(self, status, headers):
        # The host holds a body to the length that its head names, and the answer to HEAD has none.
        left_out = "content-length" if self.is_head else None
        entries = [(name.lower(), value.encode("latin-1")) for name, value in headers if name.lower() != left_out]
        response = OutgoingResponse(Fields.from_list(entries))
        response.set_status_code(status)
        self.body = response.body()
        ResponseOutparam.set(self.response_out, Ok(response))
        self.stream = self.body.write()

    def write(self, data):
        """Waits for room, so that a slow client slows the app down."""
        data = memoryview(data)
        while data and not self.is_head:
            part = data[:READ_BYTES]
            detour().send(part, self.stream)
            data = data[len(part) :]

    def finish(self):
        self.stream.__exit__(None, None, None)
        OutgoingBody.finish(self.body, None)


class Detour:
    """The way of bytes to a response: through a file in ./tmp that has no name.

    The bindings never free what they are handed (componentize-py 0.25), so that an app would lose the memory of all that
    it ever sent. The file is written without them, and a splice hands over no bytes.
    """

    def __init__(self):
        name = ".dyno-response"
        self.file = None
        self.to = os.open(f"/tmp/{name}", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        for folder, path in get_directories():
            with folder:
                if path == "/tmp":
                    self.file = folder.open_at(PathFlags(0), name, OpenFlags(0), DescriptorFlags.READ)
        os.unlink(f"/tmp/{name}")
        if self.file is None:
            raise OSError("there is no ./tmp")

    def send(self, data, stream):
        try:
            left = os.pwrite(self.to, data, 0)
        except OSError:
            left = 0
        if left < len(data):
            return Direct().send(data, stream)
        with self.file.read_via_stream(0) as part:
            while left:
                left -= stream.blocking_splice(part, left)


class Direct:
    """Where there is no room in ./tmp."""

    def send(self, data, stream):
        while data:
            room = stream.check_write()
            if room == 0:
                with stream.subscribe() as room_is_there:
                    room_is_there.block()
                continue
            stream.write(bytes(data[:room]))
            data = data[room:]


way = None


def detour():
    global way
    if way is None:
        try:
            way = Detour()
        except (OSError, Err):
            way = Direct()
    return way


class Input(io.RawIOBase):
    """The request's body, as it comes."""

    def __init__(self, request):
        self.body = request.consume()
        self.stream = self.body.stream()

    def release(self):
        """Gives both back, in the order that the host asks for, whoever may still know this object."""
        self.stream.__exit__(None, None, None)
        self.body.__exit__(None, None, None)

    def readable(self):
        return True

    def readinto(self, into):
        try:
            while True:
                data = self.stream.blocking_read(min(len(into), READ_BYTES))
                if data:
                    into[: len(data)] = data
                    return len(data)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return 0
            raise OSError("the request's body broke off") from None


def method_of(request):
    method = request.method()
    return method.value if isinstance(method, Method_Other) else METHODS[type(method)]


def headers_of(request):
    return [(name, value.decode("latin-1")) for name, value in request.headers().entries()]


def wsgi(call):
    """A WSGI callable (PEP 3333), as a function of a request and a reply."""

    def answer(request, body, reply):
        begun = []

        def write(data):
            if reply.stream is None:
                status, headers = begun
                reply.start(int(status.split(" ", 1)[0]), headers)
            reply.write(data)

        def start_response(status, headers, exc_info=None):
            if exc_info and reply.stream is not None:
                raise exc_info[1].with_traceback(exc_info[2])
            if begun and not exc_info:
                raise AssertionError("start_response was called before")
            begun[:] = [status, headers]
            return write

        parts = call(environ_of(request, body), start_response)
        try:
            for part in parts:
                if part:
                    write(part)
            if reply.stream is None:
                write(b"")
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer


def environ_of(request, body):
    from urllib.parse import unquote_to_bytes

    path, _, query = (request.path_with_query() or "/").partition("?")
    headers = headers_of(request)
    given = dict(headers)
    https = isinstance(request.scheme(), Scheme_Https)
    scheme = given.get("x-forwarded-proto") or ("https" if https else "http")
    host, _, port = (request.authority() or given.get("host") or "localhost").rpartition(":")
    if not host or not port.isdigit():
        host, port = (f"{host}:{port}" if host else port), "443" if scheme == "https" else "80"
    environ = {
        "REQUEST_METHOD": method_of(request),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": request.path_with_query() or "/",
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": given.get("x-forwarded-for", "").rpartition(",")[2].strip(),
        "HTTP_HOST": request.authority() or given.get("host", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BufferedReader(body, READ_BYTES),
        "wsgi.input_terminated": True,  # the body has an end of its own, with and without a length
        "wsgi.errors": sys.stderr,
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


class Request:
    """What a plain handler function is given."""

    def __init__(self, request, body):
        self.method = method_of(request)
        self.path, _, self.query = (request.path_with_query() or "/").partition("?")
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
    """A function of a Request that returns a body, (body, status) or (body, status, headers)."""

    def answer(request, body, reply):
        result = call(Request(request, body))
        content, *rest = result if isinstance(result, tuple) else (result,)
        status, headers = (*rest, *(200, {})[len(rest) :])
        data, kind = encoded(content)
        given = {"content-type": kind, **{name.lower(): value for name, value in headers.items()}}
        reply.start(status, [*given.items(), ("content-length", str(len(data)))])
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


# What is tried while building, of Python's own library, so that it need not be there later: all but what makes no sense
# in a dyno, and what takes a screen.
LEFT_OUT = {
    "antigravity",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pip",
    "pydoc_data",
    "test",
    "this",
    "tkinter",
    "turtle",
    "turtledemo",
    "venv",
}
# Modules within packages that are looked up by name only when they are needed.
LAZY = """
concurrent.futures.thread email.mime.application email.mime.audio email.mime.image email.mime.multipart
email.mime.text html.entities html.parser http.client http.cookies http.server importlib.metadata importlib.resources
json.tool logging.config logging.handlers multiprocessing.pool os.path sqlite3.dbapi2 unittest.mock urllib.error
urllib.parse urllib.request urllib.robotparser wsgiref.handlers wsgiref.headers wsgiref.simple_server wsgiref.types
wsgiref.util xml.dom.minidom xml.etree.ElementTree xml.sax.expatreader xml.sax.handler xml.sax.saxutils xmlrpc.client
""".split()


def prepare():
    """The part while building: ends with an error if something is wrong, which `problems.txt` then tells."""
    sys.dont_write_bytecode = True
    problems = [*syntax_errors(), *missing_packages()]
    if problems:
        with open(f"{BUILD}/problems.txt", "w") as file:
            file.write("\n".join(problems))
        raise SystemExit("the app cannot be built")
    import encodings
    import pkgutil

    codecs = [f"encodings.{module.name}" for module in pkgutil.iter_modules(encodings.__path__)]
    library = [name for name in sys.stdlib_module_names if name not in LEFT_OUT and not name.startswith("_")]
    for name in [*library, *LAZY, *codecs]:
        try:
            importlib.import_module(name)
        except BaseException:
            pass  # what this system does not have
    importlib.invalidate_caches()


def lines_of(name):
    with open(f"{BUILD}/{name}") as file:
        return file.read().splitlines()


def syntax_errors():
    """What is wrong with the app's own files, copied to the build's folder."""
    for path in lines_of("sources.txt"):
        try:
            with open(f"{BUILD}/sources/{path}", "rb") as file:
                compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            yield f"{path}:{getattr(error, 'lineno', 0) or 1}: {getattr(error, 'msg', error)}"
            text = getattr(error, "text", None)
            if text:
                yield f"    {text.strip()}"


def missing_packages():
    """Imports what the app does, of its packages; tells which of them cannot be."""
    native = {}
    for line in lines_of("native.txt"):
        package, _, file = line.partition("\t")
        native.setdefault(package, file)
    refused = set()
    for line in lines_of("wanted.txt"):
        module, _, name = line.partition("\t")
        top = module.partition(".")[0]
        if top in refused:
            continue
        try:
            found = importlib.import_module(module)
            if name and name != "*" and not hasattr(found, name):
                importlib.import_module(f"{module}.{name}")
        except BaseException as error:
            if not installed(top):
                continue  # perhaps one of several that would do; a dyno's log says it if not
            refused.add(top)
            yield refusal(top, error, native)


def installed(top):
    return os.path.isdir(f"{PACKAGES}/{top}") or os.path.isfile(f"{PACKAGES}/{top}.py")


def refusal(top, error, native):
    blamed = [package for package in native if package == top or package in str(error) or package in frames(error)]
    if not blamed:
        return f"`import {top}` fails: {type(error).__name__}: {error}"
    package = blamed[0]
    through = "" if package == top else f" (which `{top}` imports)"
    return (
        f"{package}{through} is made of native code ({native[package]}), and a dyno runs WebAssembly: this package "
        f"cannot work here, unless it has a version in plain Python. Choose another in its place, or have a service of "
        f"another kind do that work. ({type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''})"
    )


def frames(error):
    found = []
    trace = error.__traceback__
    while trace:
        found.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    tops = {path.removeprefix(f"{PACKAGES}/").partition("/")[0] for path in found if path.startswith(f"{PACKAGES}/")}
    return tops


if os.path.isdir(BUILD):
    prepare()
