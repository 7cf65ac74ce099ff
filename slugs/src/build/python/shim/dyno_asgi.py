"""ASGI 3.0 (and 2.0), for apps that are coroutines. Must not know `wasi:http`: the caller passes requests and replies as
plain objects, so that ordinary Python can test this file.

All requests of an instance and its lifespan share one event loop. Between two requests the loop stands still; while a
request is answered, all tasks of the app go on. Requests and replies are those of `dyno_wsgi`; besides, a body has the
coroutine `read_soon()` and a reply the coroutine `write_soon(data)`, `finish()` and `has_content`.
"""

import asyncio
import inspect
import time
from urllib.parse import unquote

from dyno_report import print_line
from dyno_wsgi import HOP_BY_HOP, READ_BYTES, ClientLeft, checked_name, headers_of, host_and_port

ASGI = {"version": "3.0", "spec_version": "2.4"}
EXTENSIONS = {"http.response.pathsend": {}}
# Tasks that a request has started and not awaited get this long after its response. Later they go on during other
# requests. A host ends a dyno that is busy for 30 s after a response.
AFTERWORK_SECONDS = 5
# How long the loop sleeps at a time while an app waits only for its client to leave: the host tells that by ending the call.
DISCONNECT_SLEEP_SECONDS = 1
CONTROL_BYTES = frozenset([*range(9), *range(10, 32), 127])
STALLED = (
    "the app waits for something that nothing can bring about any more: no timer, no socket, no stream and no other task "
    "is left, and a dyno has no other thread"
)


servers = []


def is_asgi(app):
    """Whether an app is one of ASGI and not of WSGI, by what it is: a coroutine function, an object with such a `__call__`,
    a callable of three arguments, or one of a single argument (ASGI 2)."""
    if inspect.iscoroutinefunction(app) or inspect.isclass(app) and hasattr(app, "__await__"):
        return True
    is_object = not inspect.isroutine(app) and not inspect.isclass(app)
    if is_object and inspect.iscoroutinefunction(type(app).__call__):
        return True
    return arguments_of(app) in (1, 3)


def arguments_of(call):
    """Counts the positional arguments that a callable requires; None if nothing tells."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for one in parameters if one.kind in positional and one.default is one.empty)


def as_asgi3(app):
    """ASGI 2 apps are called with the scope, and what they return with `receive` and `send`."""
    is_class = inspect.isclass(app) and not hasattr(app, "__await__")
    if inspect.iscoroutinefunction(app) or not is_class and arguments_of(app) != 1:
        return app

    async def call(scope, receive, send):
        await app(scope)(receive, send)

    return call


def asgi(app, root_path=""):
    """Starts an ASGI app, and returns it as a function of a request, its body and a reply."""
    server = Server(as_asgi3(app), root_path)
    servers.append(server)  # kept after a failure as well: asyncio complains about tasks that are lost
    server.start()
    return server.answer


class StartupFailed(Exception):
    """The app sent `lifespan.startup.failed`."""


class Server:
    """An app with its event loop."""

    def __init__(self, app, root_path):
        self.app = app
        self.root_path = root_path.rstrip("/")
        self.state = {}
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop._selector.stalled = self.end_stalled
        self.lasting = set()  # tasks that no request waits for
        self.task = None
        self.exchange = None
        self.is_stalled = False

    def run(self, coroutine):
        """Runs a coroutine to its end; other tasks go on meanwhile."""
        self.task = self.loop.create_task(coroutine)
        try:
            return self.loop.run_until_complete(self.task)
        except asyncio.CancelledError:
            if self.is_stalled:
                raise RuntimeError(STALLED) from None
            raise
        finally:
            self.is_stalled = False
            if self.task.done() and not self.task.cancelled():
                self.task.exception()  # it was raised: asyncio need not log it as well
            self.task = None

    def end_stalled(self):
        """Called by the loop when there is nothing left to wait for."""
        if self.exchange and self.exchange.is_waiting_for_end:
            time.sleep(DISCONNECT_SLEEP_SECONDS)
            return
        self.is_stalled = True
        self.task.cancel()

    def start(self):
        self.run(Lifespan(self).start())
        self.lasting = asyncio.all_tasks(self.loop)

    def answer(self, request, body, reply):
        exchange = self.exchange = Exchange(body, reply)
        scope = scope_of(request, self.root_path, self.state)
        try:
            self.run(exchange.run(self.app, scope))
        finally:
            exchange.end()
            self.exchange = None
        self.finish_tasks()

    def finish_tasks(self):
        """Lets the tasks end that this request has started, so that they need not wait for the next request."""
        started = asyncio.all_tasks(self.loop) - self.lasting
        if started:
            self.run(asyncio.wait(started, timeout=AFTERWORK_SECONDS))
            self.lasting = asyncio.all_tasks(self.loop)


class Lifespan:
    """The `lifespan` of an app. A dyno stops without a notice, so an app's shutdown is never called."""

    def __init__(self, server):
        self.server = server
        self.started = server.loop.create_future()
        self.is_received = False

    async def start(self):
        """Returns when the app has started, or does not take part. Raises why the app did not start."""
        task = asyncio.ensure_future(self.run())
        await asyncio.wait([task, self.started], return_when=asyncio.FIRST_COMPLETED)
        if not self.started.done():
            error = task.exception()
            if error and not isinstance(error, Exception):
                raise error
            return  # as servers do, since an app without a lifespan is free to raise anything
        failed = self.started.result()
        if failed is None:
            return
        # Frameworks raise the app's own error next, which tells more than their message.
        await asyncio.wait([task], timeout=1)
        if task.done() and task.exception():
            raise task.exception()
        if "\n" in failed.strip():
            print_line(failed.rstrip())
        raise StartupFailed(failed.strip().rpartition("\n")[2] or "the app sent lifespan.startup.failed")

    async def run(self):
        scope = {"type": "lifespan", "asgi": ASGI, "state": self.server.state}
        await self.server.app(scope, self.receive, self.send)

    async def receive(self):
        if not self.is_received:
            self.is_received = True
            return {"type": "lifespan.startup"}
        await asyncio.get_running_loop().create_future()  # for ever

    async def send(self, message):
        kind = message["type"]
        if kind not in ("lifespan.startup.complete", "lifespan.startup.failed"):
            raise RuntimeError(f"{kind!r} is no message of an app that starts")
        if self.started.done():
            raise RuntimeError(f"{kind!r} was sent after the app had started")
        failed = kind.endswith("failed")
        self.started.set_result(message.get("message") or "" if failed else None)


class Exchange:
    """One request and its response: the `receive` and `send` of an app. The head is sent with the first part of the body."""

    def __init__(self, body, reply):
        self.body = body
        self.reply = reply
        self.head = None
        self.is_received = False  # the whole body of the request
        self.is_complete = False  # the response
        self.is_over = False
        self.waiting = []

    @property
    def is_waiting_for_end(self):
        return bool(self.waiting)

    async def run(self, app, scope):
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:
            if self.is_over and not self.is_complete and is_of_leaving(error):
                raise ClientLeft("the client has left") from error
            raise
        if not self.is_complete:
            if self.is_over:
                raise ClientLeft("the client has left")
            missing = "http.response.start" if self.head is None else "the end of its body (more_body=False)"
            raise RuntimeError(f"the app returned without a whole response: it did not send {missing}")

    async def receive(self):
        if not self.is_received and not self.is_over:
            try:
                data = await self.body.read_soon()
            except OSError:
                self.end()
            else:
                self.is_received = data is None
                return {"type": "http.request", "body": data or b"", "more_body": data is not None}
        if not self.is_over and not self.is_complete:
            end = asyncio.get_running_loop().create_future()
            self.waiting.append(end)
            await end
        return {"type": "http.disconnect"}

    def end(self):
        """The response is complete, or nobody reads it."""
        self.is_over = True
        waiting, self.waiting = self.waiting, []
        for end in waiting:
            if not end.done():
                end.set_result(None)

    async def send(self, message):
        kind = message["type"]
        if self.is_over and not self.is_complete:
            raise ClientLeft("the client has left")
        if self.is_complete:
            raise RuntimeError(f"{kind!r} was sent after the end of the response")
        if kind == "http.response.start":
            if self.head is not None:
                raise RuntimeError("'http.response.start' was sent twice")
            self.head = checked_head(message)
            return
        if kind not in ("http.response.body", "http.response.pathsend"):
            raise RuntimeError(f"{kind!r} is no message of an HTTP response in a dyno")
        if self.head is None:
            raise RuntimeError(f"{kind!r} was sent before 'http.response.start'")
        if not self.reply.is_started:
            self.reply.start(*self.head)
        try:
            await self.send_content(message)
        except ClientLeft:
            self.end()
            raise
        if not message.get("more_body", False):
            self.reply.finish()
            self.is_complete = True
            self.end()

    async def send_content(self, message):
        if "path" in message:
            await self.send_file(message["path"])
            return
        data = message.get("body", b"")
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"the body of a response is bytes, and the app sent {type(data).__name__}: {data!r:.60}")
        if data:
            await self.reply.write_soon(data)

    async def send_file(self, path):
        with open(path, "rb") as file:
            while self.reply.has_content and (data := file.read(READ_BYTES)):
                await self.reply.write_soon(data)


def is_of_leaving(error):
    """Whether an exception only says that the client has left: ours, or a framework's own."""
    return isinstance(error, ClientLeft) or type(error).__name__ == "ClientDisconnect"


def checked_head(message):
    """Checks the status and headers of `http.response.start`, and returns them."""
    status = message["status"]
    if not isinstance(status, int) or not 200 <= status <= 999:
        raise ValueError(f"the status of a response is a number from 200 on: {status!r:.60}")
    return int(status), [header for header in map(checked_header, message.get("headers") or ()) if header]


def checked_header(header):
    """Returns name and bytes of a header; None for a header that belongs to the server."""
    name, value = header
    if not isinstance(name, bytes) or not isinstance(value, bytes):
        raise TypeError(f"a header's name and value are to be bytes: {header!r:.60}")
    lower = checked_name(name.decode("latin-1"))
    if not CONTROL_BYTES.isdisjoint(value):
        raise ValueError(f"the header {lower!r:.60} has a line break or another control character in its value")
    return None if lower in HOP_BY_HOP else (lower, value.strip())


def scope_of(request, root_path, state):
    given = dict(headers_of(request))
    path, _, query = (request.target or "/").partition("?")
    scheme = given.get("x-forwarded-proto") or request.scheme
    authority = request.authority or given.get("host") or "localhost"
    host, port = host_and_port(authority, scheme)
    client = given.get("x-forwarded-for", "").rpartition(",")[2].strip()
    headers = [(name.lower().encode("latin-1"), value) for name, value in request.headers]
    if "host" not in given:
        headers.insert(0, (b"host", authority.encode("latin-1", "replace")))
    return {
        "type": "http",
        "asgi": ASGI,
        "http_version": "1.1",
        "method": request.method,
        "scheme": scheme,
        "path": root_path + path_of(path),
        "raw_path": root_path.encode() + path.encode("utf-8", "surrogateescape"),
        "query_string": query.encode("utf-8", "surrogateescape"),
        "root_path": root_path,
        "headers": headers,
        "client": (client, 0) if client else None,
        "server": (host, int(port)),
        "state": state.copy(),
        "extensions": EXTENSIONS,
    }


def path_of(path):
    if path == "*":
        return "/"  # `OPTIONS *` asks about the server
    if not path.startswith("/"):
        _, _, rest = path.partition("://")
        path = "/" + rest.partition("/")[2]
    return unquote(path) if "%" in path else path
