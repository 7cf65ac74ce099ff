"""An ASGI app without a framework, and without a lifespan. Its faults end requests before and after the head."""

import asyncio
import functools
import os
import sys

served = 0
log = []


async def app(scope, receive, send):
    assert scope["type"] == "http", "only requests"
    global served
    served += 1
    await ROUTES.get(scope["path"], index)(scope, receive, send)


async def reply(send, text, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": [(b"X-Kind", b"asgi"), *headers]})
    await send({"type": "http.response.body", "body": text.encode()})


async def begin(send, text="half", headers=()):
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def index(scope, receive, send):
    await reply(send, f"{served} {os.environ['DYNO']}")


async def shows(scope, receive, send):
    names = ("type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "server")
    await reply(send, repr({name: scope[name] for name in names} | {"x": dict(scope["headers"]).get(b"x-name")}))


async def echoes(scope, receive, send):
    """Sends each part back as soon as it is there."""
    await send({"type": "http.response.start", "status": 201, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def raises(scope, receive, send):
    raise LookupError("nothing of raises")


async def exits(scope, receive, send):
    sys.exit("nothing of exits")


async def sends_no_head(scope, receive, send):
    await send({"type": "http.response.body", "body": b"x"})


async def returns_nothing(scope, receive, send):
    return None


async def bad_header(scope, receive, send):
    await reply(send, "x", headers=[(b"x-a", b"a\nb")])


async def waits_for_nothing(scope, receive, send):
    await asyncio.get_running_loop().create_future()


async def accepts_a_socket(scope, receive, send):
    await send({"type": "websocket.accept"})


async def starts_then_raises(scope, receive, send):
    await begin(send)
    raise RuntimeError("no more of starts_then_raises")


async def starts_then_returns(scope, receive, send):
    await begin(send)


async def sends_text(scope, receive, send):
    await begin(send)
    await send({"type": "http.response.body", "body": "more"})


async def raises_at_the_end(scope, receive, send):
    await reply(send, "whole")
    raise ValueError("no more of raises_at_the_end")


async def too_short(scope, receive, send):
    await begin(send, headers=[(b"content-length", b"30")])
    await send({"type": "http.response.body"})


async def announces(scope, receive, send):
    await reply(send, "x" * 1234, headers=[(b"content-length", b"1234")])


async def not_modified(scope, receive, send):
    await reply(send, "left out", 304, [(b"etag", b'"a"')])


async def no_content(scope, receive, send):
    await reply(send, "", 204)


async def sends_a_file(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": __file__})


async def ticks(scope, receive, send):
    """An endless response."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        await asyncio.sleep(0.02)


async def counts(limit):
    for _ in range(limit):
        await asyncio.sleep(0.01)
        log.append("count")


async def starts_tasks(scope, receive, send):
    global counting
    counting = asyncio.create_task(counts(3))
    await reply(send, "started")


async def uses_threads(scope, receive, send):
    loop = asyncio.get_running_loop()
    nested = functools.partial(asyncio.run, asyncio.sleep(0, "nested"))
    results = await asyncio.gather(asyncio.to_thread(sum, [1, 2]), loop.run_in_executor(None, nested))
    await reply(send, repr(results))


async def disconnects(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    waiting = asyncio.create_task(receive())
    await asyncio.sleep(0)
    before = waiting.done()
    await reply(send, str(before))
    log.append((await waiting)["type"])


async def uploads(scope, receive, send):
    """Begins its response before it reads the rest of the request."""
    await receive()
    await begin(send)
    while (message := await receive()).get("more_body"):
        pass
    log.append(message["type"])


async def shows_log(scope, receive, send):
    text = ",".join(log)
    log.clear()
    await reply(send, text)


ROUTES = {
    f"/{call.__name__.replace('_', '-')}": call
    for call in (
        shows, echoes, raises, exits, sends_no_head, returns_nothing, bad_header, waits_for_nothing, accepts_a_socket,
        starts_then_raises, starts_then_returns, sends_text, raises_at_the_end, too_short, announces, not_modified,
        no_content, sends_a_file, ticks, starts_tasks, uses_threads, disconnects, uploads,
        shows_log,
    )
}  # fmt: skip
