"""A WSGI app that breaks the rules in every way that PEP 3333 has a word for, one path each."""

import os
import sys

served = 0


def application(environ, start_response):
    global served
    served += 1
    path = environ["PATH_INFO"].strip("/").replace("-", "_")
    if not path:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{served} {os.environ['DYNO']}".encode()]
    return globals()[path](environ, start_response)


def yields_then_raises(environ, start_response):
    start_response("200 OK", [("Content-Length", "1000")])
    yield b"half"
    raise RuntimeError("no more of yields_then_raises")


def without_length(environ, start_response):
    start_response("200 OK", [])
    yield b"half"
    raise RuntimeError("no more of without_length")


def writes_then_raises(environ, start_response):
    start_response("200 OK", [])(b"half")
    raise OSError("no more of writes_then_raises")


def exits(environ, start_response):
    start_response("200 OK", [])(b"half")
    sys.exit("no more of exits")


def generator_exits(environ, start_response):
    start_response("200 OK", [])
    yield b"half"
    raise GeneratorExit("no more of generator_exits")


def yields_text(environ, start_response):
    start_response("200 OK", [])
    return [b"half", "no more of yields_text"]


class Closing:
    def __iter__(self):
        return iter([b"half"])

    def close(self):
        raise ValueError("no more of close_raises")


def close_raises(environ, start_response):
    start_response("200 OK", [])
    return Closing()


def late_exc_info(environ, start_response):
    start_response("200 OK", [])
    yield b"half"
    try:
        {}["no more of late_exc_info"]
    except KeyError:
        start_response("500 Oops", [], sys.exc_info())


def raises(environ, start_response):
    raise LookupError("nothing of raises")


def interrupts(environ, start_response):
    raise KeyboardInterrupt("nothing of interrupts")


def exits_at_once(environ, start_response):
    sys.exit("nothing of exits_at_once")


def starts_twice(environ, start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])


def never_starts(environ, start_response):
    return [b"x"]


def bad_header(environ, start_response):
    start_response("200 OK", [("X-A", "b\r\nSet-Cookie: c=d")])
    return [b"x"]


def bad_status(environ, start_response):
    start_response(200, [])
    return [b"x"]


def returns_nothing(environ, start_response):
    start_response("200 OK", [])


def takes_the_head_back(environ, start_response):
    start_response("200 OK", [("X-A", "1")])
    yield b""
    try:
        raise KeyError
    except KeyError:
        start_response("503 Later", [("X-B", "2")], sys.exc_info())
    yield b"sorry"


def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "30")])
    return [b"half"]


def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"half", b" and more"]


def announces(environ, start_response):
    start_response("200 OK", [("Content-Length", "1234")])
    return [b""] if environ["REQUEST_METHOD"] == "HEAD" else [b"x" * 1234]


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("Content-Length", "1234"), ("ETag", '"a"')])
    return []


def strings(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    text = [environ[key] for key in ("QUERY_STRING", "RAW_URI", "HTTP_X_NAME")]
    return ["\n".join(text).encode("latin-1")]


def leaves_input(environ, start_response):
    first = environ["wsgi.input"].read(4)
    rest = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [first, b"|", rest, b"|", environ["wsgi.input"].read(10), environ["wsgi.input"].readline()]
