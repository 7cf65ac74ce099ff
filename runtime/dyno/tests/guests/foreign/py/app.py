"""A web app on the plain `wasi:http` bindings, as componentize-py generates them."""

import os

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    Method_Post,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

READ_MAX = 64 * 1024
WRITE_MAX = 4096  # what blocking-write-and-flush takes at once


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        path = (request.path_with_query() or "/").split("?")[0]
        if path == "/":
            reply(response_out, 200, b"hello from Python\n")
        elif path == "/echo" and isinstance(request.method(), Method_Post):
            reply(response_out, 200, read_all(request))
        elif path.startswith("/env/"):
            value = os.environ.get(path.removeprefix("/env/"))
            if value is None:
                reply(response_out, 404, b"not set\n")
            else:
                reply(response_out, 200, value.encode())
        elif path == "/file":
            reply(response_out, 200, round_trip("written by Python\n").encode())
        else:
            reply(response_out, 404, b"not found\n")


def read_all(request: IncomingRequest) -> bytes:
    body, chunks = request.consume(), []
    with body.stream() as stream:
        while True:
            try:
                chunks.append(stream.blocking_read(READ_MAX))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(chunks)
                raise


def round_trip(text: str) -> str:
    """Writes a file in ./tmp and reads it back."""
    with open(os.path.join("tmp", "py.txt"), "w") as file:
        file.write(text)
    with open("/tmp/py.txt") as file:
        return file.read()


def reply(response_out: ResponseOutparam, status: int, content: bytes) -> None:
    length = str(len(content)).encode()
    response = OutgoingResponse(
        Fields.from_list([("content-type", b"text/plain"), ("content-length", length)])
    )
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    with body.write() as stream:
        for start in range(0, len(content), WRITE_MAX):
            stream.blocking_write_and_flush(content[start : start + WRITE_MAX])
    OutgoingBody.finish(body, None)
