"""A Starlette app with what such apps use: lifespan, sessions, forms, files, templates, streams, background tasks."""

import asyncio
import contextlib
import os

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

templates = Jinja2Templates("templates")
log = []


@contextlib.asynccontextmanager
async def lifespan(app):
    if os.environ.get("STAGE") == "broken":
        raise ConnectionError("no database")
    yield {"started": os.environ["DYNO"]}


def page(request):
    """No coroutine: Starlette would run it in a thread."""
    visits = request.session["visits"] = request.session.get("visits", 0) + 1
    return templates.TemplateResponse(
        request, "page.html", {"name": request.query_params.get("name"), "visits": visits, "by": request.state.started}
    )


async def echo(request):
    return Response(await request.body(), headers={"x-kind": request.method})


async def streamed_echo(request):
    return StreamingResponse(request.stream())


async def form(request):
    async with request.form() as form:
        return JSONResponse([form["text"], form["file"].filename, len(await form["file"].read())])


async def numbers():
    for number in range(3):
        yield f"{number}\n"
        await asyncio.sleep(0.01)


async def stream(request):
    return StreamingResponse(numbers(), media_type="text/plain")


async def raises(request):
    raise LookupError("nothing of raises")


async def refuses(request):
    raise HTTPException(418, "a teapot")


async def fails_later(request):
    async def parts():
        yield "half"
        raise ValueError("no more of fails_later")

    return StreamingResponse(parts())


async def note(text):
    await asyncio.sleep(0.02)
    log.append(text)


async def later(request):
    return PlainTextResponse("begun", background=BackgroundTask(note, "noted"))


async def shows_log(request):
    return JSONResponse(log)


async def ticks(request):
    async def parts():
        while True:
            yield "tick\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(parts())


async def file(request):
    return FileResponse("static/style.css", headers={"x-path": request.url.path})


async def socket(websocket):
    await websocket.accept()


app = Starlette(
    lifespan=lifespan,
    middleware=[
        Middleware(SessionMiddleware, secret_key="0123456789abcdef"),
        Middleware(GZipMiddleware, minimum_size=500),
    ],
    routes=[
        Route("/", page),
        Route("/echo", echo, methods=["POST", "PUT"]),
        Route("/streamed-echo", streamed_echo, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/stream", stream),
        Route("/raises", raises),
        Route("/refuses", refuses),
        Route("/fails-later", fails_later),
        Route("/later", later),
        Route("/log", shows_log),
        Route("/ticks", ticks),
        Route("/file", file),
        WebSocketRoute("/socket", socket),
        Mount("/static", StaticFiles(directory="static")),
    ],
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run("app:app", host="0.0.0.0", port=int(os.environ["PORT"]))
