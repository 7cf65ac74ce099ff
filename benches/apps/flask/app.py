"""What the scenario `languages` asks of WSGI: this very source on a dyno, and on gunicorn."""

import json

from flask import Flask, Response, render_template, request

app = Flask(__name__)
ROWS = [{"id": at, "name": f"Tea & <biscuits> no. {at}", "price": at * 3} for at in range(1, 21)]


@app.get("/hello")
def hello():
    return Response("Hello, world!\n", mimetype="text/plain")


@app.get("/page")
def page():
    return render_template("page.html", title="Rows & columns", rows=ROWS)


@app.post("/json")
def change():
    items = request.get_json()
    for item in items:
        item["done"] = True
    return Response(json.dumps(items), mimetype="application/json")


@app.get("/fib")
def number():
    return Response(str(fib(int(request.args["n"]))), mimetype="text/plain")


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
