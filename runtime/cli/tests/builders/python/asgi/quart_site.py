"""A Quart app: its own server is started as a program."""

import asyncio
import os

from quart import Quart, abort, render_template_string, request, session

app = Quart(__name__)
app.secret_key = "0123456789abcdef"
app.config["MAX_CONTENT_LENGTH"] = 16_000_000
log = []


@app.before_serving
async def begin():
    log.append("before")


@app.get("/")
async def index():
    session["visits"] = session.get("visits", 0) + 1
    return await render_template_string("{{ name }} {{ visits }}", name=request.args.get("name"), visits=session["visits"])


@app.get("/plain")
def plain():
    """No coroutine: Quart would run it in a thread."""
    return {"dyno": os.environ["DYNO"], "log": log}


@app.post("/echo")
async def echo():
    return await request.get_data()


@app.post("/json")
async def json():
    return {"received": await request.get_json()}


@app.get("/raises")
async def raises():
    raise LookupError("nothing of raises")


@app.get("/refuses")
async def refuses():
    abort(403)


@app.get("/fails-later")
async def fails_later():
    async def parts():
        yield b"half"
        raise ValueError("no more of fails_later")

    return parts()


@app.get("/cached")
async def cached():
    return "", 304


async def note():
    await asyncio.sleep(0.02)
    log.append("noted")


@app.get("/later")
async def later():
    app.add_background_task(note)
    return "begun"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", 5000)))
