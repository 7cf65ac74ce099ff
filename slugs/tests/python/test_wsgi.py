"""PEP 3333, held of the shim by ordinary Python: with `wsgiref.validate`, and case by case."""

import io
import sys
import unittest
from wsgiref.validate import validator

import dyno_wsgi


class Request:
    def __init__(self, target="/", method="GET", headers=(), authority="shop.localhost:5000", scheme="http"):
        self.method, self.target, self.scheme, self.authority = method, target, scheme, authority
        self.headers = [(name, value if isinstance(value, bytes) else value.encode()) for name, value in headers]


class Reply:
    def __init__(self):
        self.status, self.headers, self.parts, self.is_started = None, None, [], False

    def start(self, status, headers):
        assert not self.is_started
        self.status, self.headers, self.is_started = status, dict(headers), True

    def write(self, data):
        assert self.is_started
        self.parts.append(bytes(data))

    @property
    def body(self):
        return b"".join(self.parts)


class Body(io.BytesIO):
    def readinto(self, into):
        return super().readinto(memoryview(into)[:3])  # in small parts, as a network gives it


def serve(app, request=None, body=b""):
    reply = Reply()
    dyno_wsgi.wsgi(app)(request or Request(), Raw(body), reply)
    return reply


class Raw(io.RawIOBase):
    def __init__(self, data):
        self.file = Body(data)

    def readable(self):
        return True

    def readinto(self, into):
        return self.file.readinto(into)


def environ_of(request, body=b""):
    return dyno_wsgi.environ_of(request, Raw(body))


class Validated(unittest.TestCase):
    """The library's own checker wraps the app and looks at both sides."""

    def check(self, request, body=b"", status="200 OK", headers=(("Content-Type", "text/plain"),), parts=(b"a", b"", b"b")):
        def app(environ, start_response):
            self.assertEqual(environ["wsgi.input"].read(100), body)
            start_response(status, list(headers))
            return iter(parts)

        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return serve(validator(app), request, body)

    def test_get(self):
        reply = self.check(Request("/a?b=c"))
        self.assertEqual((reply.status, reply.body), (200, b"ab"))

    def test_post(self):
        headers = [("content-type", "text/plain"), ("content-length", "5"), ("x-two", "1"), ("x-two", "2")]
        self.check(Request("/", "POST", headers), b"hello")

    def test_no_content(self):
        reply = self.check(Request("/", "DELETE"), status="204 No Content", headers=(), parts=())
        self.assertEqual((reply.status, reply.body), (204, b""))

    def test_without_path_or_with_a_whole_address(self):
        for target in (None, "/", "*", "http://shop.localhost/x?y"):
            self.check(Request(target, "OPTIONS"))


class Environ(unittest.TestCase):
    def test_strings_are_bytes_as_latin_1(self):
        """PEP 3333, "Unicode Issues": raw UTF-8 in an address is as many characters as it has bytes."""
        environ = environ_of(Request("/caf%C3%A9/é?q=grün&r=%C3%BC", headers=[("x-name", "é".encode())]))
        self.assertEqual(environ["PATH_INFO"].encode("latin-1").decode(), "/café/é")
        self.assertEqual(environ["QUERY_STRING"].encode("latin-1"), "q=grün&r=%C3%BC".encode())
        self.assertEqual(environ["RAW_URI"].encode("latin-1"), "/caf%C3%A9/é?q=grün&r=%C3%BC".encode())
        self.assertEqual(environ["HTTP_X_NAME"].encode("latin-1"), "é".encode())
        for key, value in environ.items():
            if isinstance(value, str):
                value.encode("latin-1")

    def test_a_path_keeps_what_is_encoded_in_it(self):
        self.assertEqual(environ_of(Request("/a%2Fb%00%3Fc?d"))["PATH_INFO"], "/a/b\0?c")
        self.assertEqual(environ_of(Request("/?a?b"))["QUERY_STRING"], "a?b")
        self.assertEqual(environ_of(Request("/a?"))["QUERY_STRING"], "")

    def test_headers_that_come_twice_are_one(self):
        """RFC 9110, 5.3; cookies by RFC 9113, 8.2.3."""
        headers = [("x-a", "1"), ("x-a", "2"), ("cookie", "a=1"), ("cookie", "b=2"), ("content-type", "text/plain")]
        environ = environ_of(Request(headers=headers))
        self.assertEqual((environ["HTTP_X_A"], environ["HTTP_COOKIE"]), ("1,2", "a=1; b=2"))
        self.assertEqual(environ["CONTENT_TYPE"], "text/plain")
        self.assertNotIn("HTTP_CONTENT_TYPE", environ)

    def test_server_and_client(self):
        headers = [("x-forwarded-for", "6.6.6.6, 192.0.2.7"), ("x-forwarded-proto", "https")]
        environ = environ_of(Request(headers=headers, authority="shop.example"))
        self.assertEqual((environ["SERVER_NAME"], environ["SERVER_PORT"]), ("shop.example", "443"))
        self.assertEqual((environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]), ("192.0.2.7", "https"))
        self.assertEqual(environ["SERVER_PROTOCOL"], "HTTP/1.1")
        environ = environ_of(Request(authority="[::1]:8080"))
        self.assertEqual((environ["SERVER_NAME"], environ["SERVER_PORT"]), ("[::1]", "8080"))
        environ = environ_of(Request(authority="[::1]"))
        self.assertEqual((environ["SERVER_NAME"], environ["SERVER_PORT"]), ("[::1]", "80"))

    def test_input_has_an_end(self):
        stream = environ_of(Request(method="POST"), b"line 1\nline 2")["wsgi.input"]
        self.assertEqual(stream.readline(), b"line 1\n")
        self.assertEqual(stream.read(1000), b"line 2")
        for read in (stream.read, stream.readline, lambda: stream.read(1), lambda: b"".join(stream)):
            self.assertEqual(read(), b"")

    def test_file_wrapper(self):
        file = io.BytesIO(b"x" * 100_000)
        wrapper = environ_of(Request())["wsgi.file_wrapper"]
        reply = serve(lambda environ, start: start("200 OK", []) and wrapper(file, 30_000))
        self.assertEqual(([len(part) for part in reply.parts]), [30_000, 30_000, 30_000, 10_000])
        self.assertTrue(file.closed)


class StartResponse(unittest.TestCase):
    def test_the_head_waits_for_the_first_byte(self):
        """PEP 3333, "The start_response() Callable": until then an app may take the head back with exc_info."""

        def app(environ, start):
            start("200 OK", [("x-a", "1")])
            yield b""
            try:
                raise KeyError("late")
            except KeyError:
                start("500 Oops", [("x-b", "2")], sys.exc_info())
            yield b"sorry"

        reply = serve(app)
        self.assertEqual((reply.status, reply.headers, reply.body), (500, {"x-b": b"2"}, b"sorry"))

    def test_an_error_after_the_head_is_the_apps_own(self):
        def app(environ, start):
            start("200 OK", [])
            yield b"half"
            try:
                raise KeyError("late")
            except KeyError:
                start("500 Oops", [], sys.exc_info())

        with self.assertRaisesRegex(KeyError, "late"):
            serve(app)

    def test_called_twice_or_never(self):
        with self.assertRaisesRegex(AssertionError, "twice"):
            serve(lambda environ, start: start("200 OK", []) and start("200 OK", []) and [])
        with self.assertRaisesRegex(AssertionError, "did not call start_response"):
            serve(lambda environ, start: [b"x"])
        with self.assertRaisesRegex(AssertionError, "did not call start_response"):
            serve(lambda environ, start: [])

    def test_heads_that_are_none(self):
        wrong = [
            (b"200 OK", [], TypeError),
            (200, [], TypeError),
            ("OK", [], ValueError),
            ("2000 OK", [], ValueError),
            ("199 Early", [], ValueError),
            ("200 OK\r\nX: y", [], ValueError),
            ("200 OK", {"a": "b"}, TypeError),
            ("200 OK", [["a", "b"]], TypeError),
            ("200 OK", [("a", b"b")], TypeError),
            ("200 OK", [("a", 1)], TypeError),
            ("200 OK", [("a b", "c")], ValueError),
            ("200 OK", [("", "c")], ValueError),
            ("200 OK", [("a", "b\r\nc: d")], ValueError),
            ("200 OK", [("a", "\u20ac")], ValueError),
        ]
        for status, headers, error in wrong:
            with self.subTest(status=status, headers=headers), self.assertRaises(error):
                serve(lambda environ, start: start(status, headers) and [])

    def test_hop_by_hop_headers_are_the_servers(self):
        headers = [("Connection", "close"), ("Transfer-Encoding", "chunked"), ("Keep-Alive", "5"), ("X-A", "é")]
        reply = serve(lambda environ, start: start("200 OK", headers) and [b"x"])
        self.assertEqual(reply.headers, {"x-a": "é".encode("latin-1")})


class Parts(unittest.TestCase):
    def test_only_bytes_are_sent(self):
        for parts in (["a"], "abc", [1], None, 5, [b"a", "b"]):
            with self.subTest(parts=parts), self.assertRaises(TypeError):
                serve(lambda environ, start: start("200 OK", []) and parts)

    def test_write_comes_before_the_parts(self):
        def app(environ, start):
            write = start("200 OK", [])
            write(b"1")
            write(bytearray(b"2"))
            return [b"3"]

        self.assertEqual(serve(app).body, b"123")

    def test_close_is_called_once_whatever_happens(self):
        class Closing:
            def __init__(self, parts):
                self.parts, self.closed = parts, 0

            def __iter__(self):
                yield b"x"
                if self.parts == "raise":
                    raise OSError("broken")

            def close(self):
                self.closed += 1

        good, bad = Closing("end"), Closing("raise")
        serve(lambda environ, start: start("200 OK", []) and good)
        with self.assertRaises(OSError):
            serve(lambda environ, start: start("200 OK", []) and bad)
        self.assertEqual((good.closed, bad.closed), (1, 1))


class Plain(unittest.TestCase):
    def answer(self, call, request=None, body=b""):
        reply = Reply()
        dyno_wsgi.plain(call)(request or Request(), Raw(body), reply)
        return reply

    def test_bodies_of_every_kind(self):
        kinds = {"hi": b"text/plain", "<p>": b"text/html", b"x": b"application/octet-stream"}
        for content, kind in kinds.items():
            reply = self.answer(lambda request: content)
            self.assertTrue(reply.headers["content-type"].startswith(kind), reply.headers)
            self.assertEqual(reply.headers["content-length"], str(len(reply.body)).encode())
        reply = self.answer(lambda request: ({"n": 1}, 201, {"X-A": "b"}))
        self.assertEqual((reply.status, reply.body, reply.headers["x-a"]), (201, b'{"n": 1}', b"b"))

    def test_request(self):
        request = Request("/a?b", "POST", [("x-a", "1")])
        reply = self.answer(lambda got: [got.method, got.path, got.query, got.headers["x-a"], got.body.decode()], request, b"in")
        self.assertEqual(reply.body, b'["POST", "/a", "b", "1", "in"]')


if __name__ == "__main__":
    unittest.main()
