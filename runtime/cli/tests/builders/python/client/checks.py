"""Checks of HTTP clients and database drivers, in a request: the path names a class of checks."""

import asyncio
import io
import os
import ssl
import unittest
import urllib.error
import urllib.parse
import urllib.request

import httpx
import pg8000.native
import redis
import redis.asyncio
import requests
import urllib3

URL = os.environ.get("HTTPS_URL", "")
WRONG_NAME = URL.replace("localhost", "127.0.0.1")
REFUSED, UNKNOWN = "https://localhost:9/", "https://no-such-name.invalid/"
LARGE = bytes(range(251)) * 8000


class Urllib(unittest.TestCase):
    def test_a_request_and_its_errors(self):
        request = urllib.request.Request(f"{URL}/echo", data=b"sent", headers={"X-Own": "a"}, method="PUT")
        with urllib.request.urlopen(request) as response:
            text = response.read().decode()
            self.assertEqual((response.status, response.headers["x-kind"]), (200, "echo"))
        self.assertTrue(text.startswith("put /echo http/1.1") and text.endswith("sent"), text)
        self.assertIn("x-own: a", text)
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"{URL}/missing")
        self.assertEqual((raised.exception.code, raised.exception.read()), (404, b"none"))
        for url, reason in [(REFUSED, ConnectionRefusedError), (WRONG_NAME, ssl.SSLCertVerificationError)]:
            with self.assertRaises(urllib.error.URLError) as raised:
                urllib.request.urlopen(url)
            self.assertIsInstance(raised.exception.reason, reason)
        with self.assertRaises(TimeoutError):
            urllib.request.urlopen(f"{URL}/never", timeout=0.2)


class Requests(unittest.TestCase):
    def test_redirects_cookies_and_bodies(self):
        with requests.Session() as session:
            response = session.get(f"{URL}/redirects")
            self.assertEqual((response.status_code, response.url), (200, f"{URL}/echo"))
            self.assertIn("cookie: a=b", response.text)
            self.assertEqual(len(session.get(f"{URL}/large").content), 2_000_000)
            sent = session.post(f"{URL}/echo", data=LARGE)
            self.assertTrue(sent.content.endswith(LARGE))
            sent = session.post(f"{URL}/echo", data=iter([b"first,", b"second"]))
            self.assertTrue(sent.content.endswith(b"first,second"))
            head = session.head(f"{URL}/large")
            self.assertEqual((head.headers["content-length"], head.content), ("2000000", b""))
            streamed = session.get(f"{URL}/streams", stream=True)
            self.assertEqual([*streamed.iter_lines()], [b"one", b"two"])

    def test_errors_are_those_of_the_documentation(self):
        for url, error in [
            (REFUSED, requests.exceptions.ConnectionError),
            (UNKNOWN, requests.exceptions.ConnectionError),
            (WRONG_NAME, requests.exceptions.SSLError),
            (f"{URL}/cut", requests.exceptions.ChunkedEncodingError),
            (f"{URL}/never", requests.exceptions.ReadTimeout),
        ]:
            with self.assertRaises(error, msg=url):
                requests.get(url, timeout=(5, 0.2))
        with self.assertRaisesRegex(requests.exceptions.ConnectionError, "the Host of the URL"):
            requests.get(URL, headers={"Host": "other.test"})


class Urllib3(unittest.TestCase):
    def test_a_pool_and_its_errors(self):
        pool = urllib3.PoolManager(retries=False)
        for number in range(3):
            self.assertIn(f"/echo?{number}", pool.request("GET", f"{URL}/echo?{number}").data.decode())
        part = pool.request("GET", f"{URL}/large", preload_content=False)
        self.assertEqual(part.read(5), b"xxxxx")
        part.close()
        for url, error in [
            (REFUSED, urllib3.exceptions.NewConnectionError),
            (UNKNOWN, urllib3.exceptions.NameResolutionError),
            (f"{URL}/never", urllib3.exceptions.ReadTimeoutError),
        ]:
            with self.assertRaises(error, msg=url):
                pool.request("GET", url, timeout=0.5)


class Httpx(unittest.TestCase):
    def test_a_client_and_its_errors(self):
        with httpx.Client(follow_redirects=True) as client:
            self.assertEqual(client.get(f"{URL}/redirects").url, f"{URL}/echo")
            self.assertTrue(client.post(f"{URL}/echo", content=LARGE).content.endswith(LARGE))
        for url, error in [
            (REFUSED, httpx.ConnectError),
            (WRONG_NAME, httpx.ConnectError),
            (f"{URL}/cut", httpx.ReadError),
            (f"{URL}/never", httpx.ReadTimeout),
        ]:
            with self.assertRaises(error, msg=url):
                httpx.get(url, timeout=0.5)

    def test_requests_of_coroutines_wait_together(self):
        async def run():
            async with httpx.AsyncClient() as client:
                waiting = asyncio.create_task(client.get(f"{URL}/never", timeout=1))
                several = await asyncio.gather(*(client.get(f"{URL}/streams") for _ in range(3)))
                self.assertEqual([response.text for response in several], ["one\ntwo\n"] * 3)
                self.assertFalse(waiting.done(), "a request that waits holds up no other")
                with self.assertRaises(httpx.ReadTimeout):
                    await waiting

        asyncio.run(run())


class Databases(unittest.TestCase):
    def test_postgresql_by_pg8000(self):
        at = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
        names = {"host": at.hostname, "port": at.port, "database": at.path[1:] or "postgres"}
        connection = pg8000.native.Connection(urllib.parse.unquote(at.username), password=at.password, **names)
        connection.run("CREATE TEMPORARY TABLE notes (text TEXT)")
        connection.run("INSERT INTO notes VALUES (:text)", text="grüße")
        self.assertEqual(connection.run("SELECT text, 1 + 1 FROM notes"), [["grüße", 2]])
        with self.assertRaises(pg8000.native.DatabaseError):
            connection.run("SELECT nothing")
        connection.close()

    def test_redis_by_redis_py(self):
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.set("name", "grüße")
            self.assertEqual(client.get("name").decode(), "grüße")

        async def run():
            async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as client:
                counted = await asyncio.gather(*(client.incr("count") for _ in range(5)))
                self.assertEqual(sorted(counted), [1, 2, 3, 4, 5])
                self.assertIsNone(await client.blpop("nothing", timeout=0.05))

        asyncio.run(run())


class Sockets(unittest.TestCase):
    def test_tls_over_a_socket_says_why_not(self):
        async def connect():
            at = urllib.parse.urlsplit(URL)
            await asyncio.open_connection(at.hostname, at.port, ssl=True)

        with self.assertRaisesRegex(ssl.SSLError, "a dyno's Python has no OpenSSL"):
            asyncio.run(connect())


def handler(request):
    report = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(globals()[request.path[1:]])
    unittest.TextTestRunner(report).run(suite)
    return report.getvalue()
