"""The component of a Python app: the three interfaces that it exports, built on the other files of this folder.

While building, this module imports the packages that the app imports (`wanted.txt`), so that the snapshot of the
interpreter has them in memory, but none of the app's own modules. When a dyno boots, it imports the app itself from the
slug's files: the app sees its config vars from its first line on.

The packages are at `/0` in both cases: componentize-py names the folders of its path by number, and compiled code
remembers where it was loaded from.
"""

import io
import os

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import environment, exit
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

import dyno_command
import dyno_load
from dyno_report import flush, one_line, print_exception, print_line

READ_BYTES = 64 * 1024
# Statuses whose responses have no content (RFC 9110, 15.3.5 and 15.4.5).
WITHOUT_CONTENT = (204, 304)

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

loaded = None


def app():
    """The app, imported once."""
    global loaded
    if loaded is None:
        loaded = dyno_load.load()
    return loaded


class Boot(exports.Boot):
    def load(self) -> None:
        try:
            app()
        except BaseException as error:
            print_exception(error)
            raise Err(one_line(error)) from None
        finally:
            flush()


class Run(exports.Run):
    def run(self) -> None:
        code = dyno_command.run(environment.get_arguments()[1:])
        if code:
            exit.exit_with_code(code)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        head = RequestHead(request)
        reply = Reply(response_out, head.method)
        body = Input(request)
        try:
            load_or_exit()(head, body, reply)
            reply.finish()
        except ClientLeft:
            reply.break_off()
        except BaseException as error:  # sys.exit() in an app ends its request, not the dyno
            print_exception(error)
            reply.fail()
        finally:
            body.release()
            flush()


def load_or_exit():
    """Returns the app, for a host that has not called `load` before. Without its app, an instance is useless."""
    try:
        return app()
    except BaseException as error:
        print_exception(error)
        flush()
        exit.exit_with_code(1)


class ClientLeft(BrokenPipeError):
    """The client has gone: nobody reads the response."""


class RequestHead:
    """A request without its body."""

    def __init__(self, request):
        method = request.method()
        self.method = method.value if isinstance(method, Method_Other) else METHODS[type(method)]
        self.target = request.path_with_query()
        self.scheme = "https" if isinstance(request.scheme(), Scheme_Https) else "http"
        self.authority = request.authority()
        self.headers = request.headers().entries()


class Reply:
    """The response: its head is sent once, then parts of the body."""

    def __init__(self, response_out, method):
        self.response_out = response_out
        self.is_head = method == "HEAD"
        self.is_started = False
        self.has_content = True
        self.body = None
        self.stream = None
        self.length = None  # as announced
        self.sent = 0
        self.is_cut = False

    def start(self, status, headers):
        try:
            fields = Fields.from_list(headers)
        except Err as error:
            raise ValueError(f"these headers are not HTTP ({type(error.value).__name__}): {headers!r:.300}") from None
        response = OutgoingResponse(fields)
        response.set_status_code(status)
        self.has_content = not self.is_head and status not in WITHOUT_CONTENT
        self.length = announced_length(headers) if self.has_content else None
        self.body = response.body()
        ResponseOutparam.set(self.response_out, Ok(response))
        self.is_started = True
        self.stream = self.body.write()

    def write(self, data):
        """Waits for space in the output buffer, so that a slow client slows the app down."""
        data = memoryview(data).cast("B")
        if not self.has_content:
            return
        if self.length is not None and self.sent + len(data) > self.length:
            data = data[: self.length - self.sent]
            self.is_cut = True
        self.sent += len(data)
        while data:
            part = data[:READ_BYTES]
            try:
                detour().send(part, self.stream)
            except Err:
                raise ClientLeft("the client has left") from None
            data = data[len(part) :]

    def finish(self):
        """Ends the body. Logs an error if its length is not the announced one."""
        if self.is_cut:
            print_line(f"The app announced Content-Length: {self.length} and sent more: the rest was left out.")
        if self.length is not None and self.sent < self.length:
            print_line(f"The app announced Content-Length: {self.length} and sent {self.sent}: the response is broken off.")
            self.break_off()
            return
        self.stream.__exit__(None, None, None)
        self.stream = None
        body, self.body = self.body, None
        try:
            OutgoingBody.finish(body, None)
        except Err:
            pass  # the host breaks the response off, and says why

    def break_off(self):
        """Breaks the response off. A body that is dropped unfinished does not look complete to the client."""
        for resource in (self.stream, self.body):
            if resource is not None:
                resource.__exit__(None, None, None)
        self.stream = self.body = None

    def fail(self):
        """Handles an exception in the app: sends an error page if nothing was sent, else breaks the response off."""
        if self.is_started:
            self.break_off()
            return
        try:
            self.start(500, [("content-type", b"text/plain")])
            self.write(b"Internal Server Error\n")
            self.finish()
        except (Err, ClientLeft):
            self.break_off()


def announced_length(headers):
    for name, value in headers:
        if name == "content-length" and value.isdigit():
            return int(value)
    return None


class Detour:
    """Writes the body of a response through an unnamed file in ./tmp.

    The bindings never free the bytes that they get (componentize-py 0.25), so an app would leak the memory of all its
    responses. The file is written without the bindings, and a splice passes no bytes through them.
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
    """Writes the body directly, for the case that ./tmp has no space."""

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
    """The body of the request, as a stream."""

    def __init__(self, request):
        self.body = request.consume()
        self.stream = self.body.stream()

    def release(self):
        """Releases both handles, in the order that the host requires, even if the app still refers to this object."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.__exit__(None, None, None)
            self.body.__exit__(None, None, None)

    def readable(self):
        return True

    def readinto(self, into):
        if self.stream is None:
            return 0  # the request is over
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


if os.path.isdir(dyno_load.BUILD):
    import dyno_prepare

    dyno_prepare.prepare()
