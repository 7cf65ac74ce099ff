"""What Flask's users do that needs more of Python than a page of HTML."""

import asyncio

from flask import Flask, Response, jsonify, request, send_file, stream_with_context
from werkzeug.security import check_password_hash, generate_password_hash

app = Flask(__name__)


@app.get("/hashes")
def hashes():
    methods = []
    for method in ("scrypt", "pbkdf2", "pbkdf2:sha512:5000"):
        made = generate_password_hash("pässword", method=method)
        assert check_password_hash(made, "pässword") and not check_password_hash(made, "password")
        methods.append(made.partition("$")[0])
    return jsonify(methods)


@app.get("/async")
async def view():
    return jsonify(await asyncio.gather(*(asyncio.sleep(0.001, value) for value in range(3))))


@app.get("/query")
def query():
    return jsonify(q=request.args.get("q"), path=request.full_path, name=request.headers.get("X-Name"))


@app.get("/file")
def file():
    return send_file("words.txt", conditional=True)


@app.post("/upload")
def upload():
    sent = request.files["file"]
    return jsonify(name=sent.filename, bytes=len(sent.read()))


@app.get("/stream")
def stream():
    def parts():
        yield "half"
        raise ValueError("no more of stream")

    return Response(stream_with_context(parts()))


@app.get("/broken")
def broken():
    return {}["nothing of broken"]
