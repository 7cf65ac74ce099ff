"""Requests and responses of a handler over `wasi:http`: their heads, and their bodies as streams.

Each body has two sides: one that blocks, for WSGI, and one for coroutines (`read_soon`, `write_soon`), which lets other
tasks of the event loop go on while it waits.
"""

import io
import os

from componentize_py_types import Err, Ok
from wit_world.imports.preopens import get_directories
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.wasi_filesystem_types import DescriptorFlags, OpenFlags, PathFlags
from wit_world.imports.wasi_http_types import (
    Fields,
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

from dyno_loop import Wait
from dyno_report import print_line
from dyno_wsgi import ClientLeft

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
        self.waits = set()

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
        data = self.accepted(data)
        while data:
            data = data[self.send_part(data[:READ_BYTES]) :]

    async def write_soon(self, data):
        """As `write`, and other tasks go on while the output buffer has no space."""
        data = self.accepted(data)
        while data:
            data = data[self.send_part(data[: min(await self.space(), READ_BYTES)]) :]

    def accepted(self, data):
        """Returns the part of `data` that belongs to the body."""
        data = memoryview(data).cast("B")
        if not self.has_content:
            return data[:0]
        if self.length is not None and self.sent + len(data) > self.length:
            data = data[: self.length - self.sent]
            self.is_cut = True
        self.sent += len(data)
        return data

    def send_part(self, part):
        try:
            detour().send(part, self.stream)
        except Err:
            raise ClientLeft("the client has left") from None
        return len(part)

    async def space(self):
        """Waits until the output buffer has space, and returns how much."""
        while True:
            if self.stream is None:
                raise ClientLeft("the response has ended")
            try:
                space = self.stream.check_write()
            except Err:
                raise ClientLeft("the client has left") from None
            if space:
                return space
            await Wait(self.stream.subscribe(), self.waits)

    def release_waits(self):
        for wait in [*self.waits]:
            wait.close()

    def finish(self):
        """Ends the body, if it has not ended. Logs an error if its length is not the announced one."""
        if self.is_started and self.body is None:
            return
        self.release_waits()
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
        self.release_waits()
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
        self.waits = set()

    def release(self):
        """Releases all handles, in the order that the host requires, even if the app still refers to this object."""
        for wait in [*self.waits]:
            wait.close()
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.__exit__(None, None, None)
            self.body.__exit__(None, None, None)

    def readable(self):
        return True

    def readinto(self, into):
        if self.stream is None:
            return 0  # the request is over
        while True:
            data = self.taken(self.stream.blocking_read, min(len(into), READ_BYTES))
            if data is None:
                return 0
            if data:
                into[: len(data)] = data
                return len(data)

    async def read_soon(self):
        """Returns the next part of the body; None at its end."""
        while self.stream is not None:
            data = self.taken(self.stream.read, READ_BYTES)
            if data is None or data:
                return data
            await Wait(self.stream.subscribe(), self.waits)
        return None

    def taken(self, read, size):
        try:
            return read(size)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return None
            raise OSError("the request's body broke off") from None
