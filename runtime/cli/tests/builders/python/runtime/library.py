"""Python's library in a dyno: what was left out of the snapshot once, what OpenSSL gave, and what one thread can do."""

import asyncio
import hashlib
import importlib
import sys
import unittest


class Library(unittest.TestCase):
    def test_modules_that_are_imported_when_they_are_needed(self):
        from datetime import datetime

        self.assertEqual(datetime.strptime("2026-03-04", "%Y-%m-%d").month, 3)
        for name in ("_pydecimal", "_pyio", "_strptime", "email.mime.audio", "encodings.cp437", "encodings.shift_jis",
                     "json.tool", "logging.config", "unittest.mock", "wsgiref.validate", "xml.sax.expatreader"):
            importlib.import_module(name)
        self.assertEqual("日本".encode("euc_jp").decode("euc_jp"), "日本")

    def test_every_module_is_there_or_lacks_something_of_the_system(self):
        lacking = "_bz2 _lzma _zstd _winapi _overlapped nt msvcrt fcntl termios _posixshmem _interpreters _interpchannels " \
            "_interpqueues _gdbm _dbm mmap bz2 lzma ctypes _remote_debugging readline _ctypes compression"
        for name in sorted(sys.stdlib_module_names - {"antigravity", "this"}):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                is_private = name.startswith("_") or error.name in lacking.split()
                is_system = name in ("winreg", "winsound", "msvcrt", "nt", "posixshmem", "grp", "pwd", "resource", "syslog", "spwd", "crypt")
                is_told = "a dyno" in str(error)
                is_left_out = name in ("idlelib", "ensurepip", "venv", "turtledemo")
                self.assertTrue(is_private or is_system or is_told or is_left_out, f"{name}: {error}")

    def test_sources(self):
        """For tracebacks, `inspect`, `importlib.reload` and `python -m`."""
        import graphlib
        import inspect

        self.assertIn("class TopologicalSorter", inspect.getsource(graphlib))
        self.assertIsNot(importlib.reload(graphlib).TopologicalSorter, None)

    def test_time_zones(self):
        from datetime import datetime
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

        vienna = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Vienna"))
        self.assertEqual(vienna.isoformat(), "2026-07-01T12:00:00+02:00")
        self.assertIn("America/Argentina/Buenos_Aires", available_timezones())
        with self.assertRaises(ZoneInfoNotFoundError):
            ZoneInfo("Europe/Nowhere")

    def test_sqlite_keeps_its_file_in_tmp(self):
        import sqlite3

        for path in ("tmp/notes.db", "/tmp/notes.db", "./tmp/../tmp/notes.db"):
            with sqlite3.connect(path) as connection:
                connection.execute("create table if not exists notes (text)")
                connection.execute("insert into notes values (?)", (path,))
            connection.close()
        self.assertEqual(sqlite3.connect("tmp/notes.db").execute("select count(*) from notes").fetchone(), (3,))

    def test_absent_modules_say_what_to_do(self):
        for name, word in (("ctypes", "shared libraries"), ("bz2", "gzip"), ("tkinter", "screen")):
            with self.assertRaisesRegex(ModuleNotFoundError, f"No module named '{name}': .*{word}"):
                importlib.import_module(name)

    def test_ssl_can_be_imported_and_set_and_its_connections_say_why_not(self):
        import ssl
        import urllib.request

        for context in (ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.options |= ssl.OP_NO_TLSv1_3
            context.set_alpn_protocols(["http/1.1"])
            self.assertEqual((context.verify_mode, context.minimum_version), (ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2))
            self.assertIn(ssl.OP_NO_TLSv1_3, context.options)
            with self.assertRaisesRegex(ssl.SSLError, "a dyno's Python has no OpenSSL"):
                context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
        self.assertTrue(issubclass(ssl.SSLCertVerificationError, ValueError))
        self.assertTrue(hasattr(urllib.request, "HTTPSHandler"))

    def test_json_that_is_too_deep_is_an_error_and_no_end(self):
        import json

        for text in ("[" * 100_000, '{"a":' * 100_000, '["[[", ' * 5_000, "[" * 501 + "]" * 501):
            self.assertRaises(RecursionError, json.loads, text)
        text = "[" * 500 + "]" * 500
        self.assertEqual(json.dumps(json.loads(text)), text)
        wide = [{"n": [1, [2]], "text": '[[[{{{ " ]'}] * 5_000
        self.assertEqual(json.loads(json.dumps(wide)), wide)

    def test_the_apps_own_modules_come_first(self):
        self.assertEqual(importlib.import_module("statistics").mine, "of the app")


class Hashes(unittest.TestCase):
    def test_pbkdf2_hmac_sha1(self):
        """RFC 6070."""
        cases = [
            (b"password", b"salt", 1, 20, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            (b"password", b"salt", 2, 20, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
            (b"password", b"salt", 4096, 20, "4b007901b765489abead49d926f721d065a429c1"),
            (b"passwordPASSWORDpassword", b"saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096, 25,
             "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"),
            (b"pass\0word", b"sa\0lt", 4096, 16, "56fa6aa75548099dcc37d7f03425e0c3"),
        ]
        for password, salt, count, length, wanted in cases:
            self.assertEqual(hashlib.pbkdf2_hmac("sha1", password, salt, count, length).hex(), wanted)

    def test_pbkdf2_hmac_sha256(self):
        """RFC 7914, 11."""
        found = hashlib.pbkdf2_hmac("sha256", b"passwd", b"salt", 1, 64)
        self.assertEqual(
            found.hex(),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        )
        found = hashlib.pbkdf2_hmac("sha256", b"Password", b"NaCl", 80000, 64)
        self.assertEqual(
            found.hex(),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
            "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        )

    def test_every_hash_and_length_agrees_with_the_definition(self):
        """RFC 8018, 5.2, by the letter."""
        import hmac

        for name in ("sha1", "sha256", "sha512", "md5", "sha224", "sha384", "sha3_256"):
            for password in (b"", b"x" * 63, b"x" * 64, b"x" * 65, b"y" * 127, b"y" * 128, b"y" * 129):
                wanted, block = b"", 0
                while len(wanted) < 100:
                    block += 1
                    last = hmac.digest(password, b"salt" + block.to_bytes(4), name)
                    total = int.from_bytes(last)
                    for _ in range(6):
                        last = hmac.digest(password, last, name)
                        total ^= int.from_bytes(last)
                    wanted += total.to_bytes(len(last))
                self.assertEqual(hashlib.pbkdf2_hmac(name, password, b"salt", 7, 100), wanted[:100], name)

    def test_scrypt(self):
        """RFC 7914, 12."""
        cases = [
            (b"", b"", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                                 "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
            (b"password", b"NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                                                "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
            (b"pleaseletmein", b"SodiumChloride", 16384, 8, 1,
             "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
             "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
        ]
        for password, salt, n, r, p, wanted in cases:
            found = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=64 * 1024 * 1024)
            self.assertEqual(found.hex(), wanted)

    def test_wrong_arguments_are_told_as_by_openssl(self):
        for call in (
            lambda: hashlib.scrypt(b"p", salt=b"s", n=15, r=8, p=1),
            lambda: hashlib.scrypt(b"p", salt=b"s", n=2**15, r=8, p=1),  # 32 MiB and a little: over the limit
            lambda: hashlib.scrypt(b"p", salt=b"s", n=16, r=0, p=1),
            lambda: hashlib.pbkdf2_hmac("sha256", b"p", b"s", 0),
            lambda: hashlib.pbkdf2_hmac("sha257", b"p", b"s", 1),
            lambda: hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1, 0),
        ):
            self.assertRaises(ValueError, call)
        self.assertRaises(TypeError, lambda: hashlib.pbkdf2_hmac("sha256", "p", b"s", 1))
        self.assertRaises(TypeError, lambda: hashlib.scrypt(b"p", n=16, r=8, p=1))


class Concurrency(unittest.TestCase):
    async def work(self):
        async def later(value):
            await asyncio.sleep(0.001)
            return value

        found = await asyncio.gather(*(later(value) for value in range(3)))
        task = asyncio.create_task(later("task"))
        async with asyncio.TaskGroup() as group:
            grouped = group.create_task(later("group"))
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            found.append("timeout")
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        except TimeoutError:
            found.append("wait_for")
        queue = asyncio.Queue()
        producer = asyncio.create_task(queue.put("queue"))
        found += [await queue.get(), await task, grouped.result(), await asyncio.to_thread(str.upper, "thread")]
        await producer
        return found

    def test_asyncio_run_again_and_again(self):
        wanted = [0, 1, 2, "timeout", "wait_for", "queue", "task", "group", "THREAD"]
        for debug in (False, True, False):
            self.assertEqual(asyncio.run(self.work(), debug=debug), wanted)

    def test_a_loop_in_a_thread_of_an_executor(self):
        """As asgiref runs async views."""

        async def outer():
            inner = lambda: asyncio.run(self.work())
            return await asyncio.get_running_loop().run_in_executor(None, inner)

        self.assertEqual(asyncio.run(outer())[-1], "THREAD")

    def test_waiting_for_nothing_is_told(self):
        async def forever():
            await asyncio.get_running_loop().create_future()

        with self.assertRaisesRegex(RuntimeError, "waits for something that nothing can bring about"):
            asyncio.run(forever())
        self.assertEqual(asyncio.run(self.work())[0], 0)

    def test_executors_work_and_threads_say_why_not(self):
        import multiprocessing
        import threading
        from concurrent.futures import ThreadPoolExecutor, as_completed
        from concurrent.futures.thread import BrokenThreadPool

        with ThreadPoolExecutor(max_workers=4) as pool:
            self.assertEqual(list(pool.map(abs, [-1, -2])), [1, 2])
            failed = pool.submit(int, "x")
            self.assertIsInstance(failed.exception(), ValueError)
            self.assertEqual({future.result() for future in as_completed([pool.submit(abs, -3)])}, {3})
        self.assertRaises(RuntimeError, pool.submit, abs, 1)
        begun = []
        with ThreadPoolExecutor(initializer=begun.append, initargs=("once",)) as pool:
            self.assertEqual(list(pool.map(abs, [-1, -2])), [1, 2])
        self.assertEqual(begun, ["once"])
        with ThreadPoolExecutor(initializer=int, initargs=("x",)) as pool:
            self.assertIsInstance(pool.submit(abs, 1).exception(), BrokenThreadPool)
            self.assertRaises(BrokenThreadPool, pool.submit, abs, 1)
        with self.assertRaisesRegex(RuntimeError, "a dyno's Python has one thread"):
            threading.Thread(target=print).start()
        with self.assertRaisesRegex(RuntimeError, "a dyno's Python is one process"):
            multiprocessing.Process(target=print).start()
        with self.assertRaisesRegex(OSError, "a dyno's Python is one process"):
            multiprocessing.Lock()


if __name__ == "__main__":
    unittest.main()
