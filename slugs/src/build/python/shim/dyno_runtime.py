"""Supplies what Python's library lacks in a dyno where that is possible, and explains the lack where it is not.

A dyno has one thread, no OpenSSL and no files of the system. So `asyncio` gets a loop without a socket pair, executors
of threads run their work at once, `hashlib` gets `pbkdf2_hmac` and `scrypt`, and `zoneinfo` the data of time zones.
"""

import importlib.machinery
import io
import os
import re
import sys
import types

# Modules that need what a dyno does not have, each with what to do instead.
ABSENT = {
    "ctypes": "a dyno runs WebAssembly: there are no shared libraries to load",
    "_ctypes": "a dyno runs WebAssembly: there are no shared libraries to load",
    "bz2": "a dyno's Python is built without bzip2: use gzip or zlib",
    "_bz2": "a dyno's Python is built without bzip2",
    "lzma": "a dyno's Python is built without xz: use gzip or zlib",
    "_lzma": "a dyno's Python is built without xz",
    "curses": "a dyno has no terminal",
    "_curses": "a dyno has no terminal",
    "readline": "a dyno has no terminal",
    "tkinter": "a dyno has no screen",
    "turtle": "a dyno has no screen",
}
JSON_DEPTH_MAX = 500
CHUNK = 256  # characters
# Strings, and all other text without brackets.
NO_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^][{}"]++', re.DOTALL)
NO_THREADS = (
    "can't start new thread: a dyno's Python has one thread. Do the work in the request, in a process type of its own "
    "(Procfile), or with concurrent.futures.ThreadPoolExecutor, which runs it at once in a dyno"
)


def adapt_library(zone_folder):
    adapt_os()
    adapt_json()
    adapt_hashlib()
    adapt_threads()
    adapt_asyncio()
    adapt_https()
    adapt_zoneinfo(zone_folder)
    sys.meta_path.append(AbsentFinder)
    for name in [name for name in sys.modules if name.partition(".")[0] in ABSENT]:
        del sys.modules[name]


class AbsentFinder:
    """The last finder, for modules that no other finder has: an app may have packages of these names. `find_spec` finds
    them, as it finds `bz2.py` in a Python that was built without bzip2; the import fails."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, AbsentFinder) if name in ABSENT else None

    @staticmethod
    def create_module(spec):
        raise ModuleNotFoundError(f"No module named '{spec.name}': {ABSENT[spec.name]}", name=spec.name)

    @staticmethod
    def exec_module(module):
        raise AssertionError("an absent module is never made")


def adapt_os():
    if not hasattr(os, "umask"):
        os.umask = lambda mask: 0o022  # files of a dyno have no permissions to leave out


def adapt_json():
    """Limits the depth of JSON. Python measures the recursion of its C code by the memory that it takes, and in WebAssembly
    the JSON reader takes almost none: a request with some kilobytes of brackets would end the dyno."""
    import json.decoder

    before = json.decoder.JSONDecoder.raw_decode

    def raw_decode(self, s, idx=0):
        if too_deep(s):
            raise RecursionError(f"maximum recursion depth exceeded while decoding JSON: over {JSON_DEPTH_MAX} levels")
        return before(self, s, idx)

    json.decoder.JSONDecoder.raw_decode = raw_decode


def too_deep(text):
    """Checks the depth in three steps, each slower and more exact than the one before."""
    if text.count("[") + text.count("{") <= JSON_DEPTH_MAX:
        return False
    depth = deepest = 0
    for at in range(0, len(text), CHUNK):
        chunk = text[at : at + CHUNK]
        opened = chunk.count("[") + chunk.count("{")
        deepest = max(deepest, depth + opened)
        depth += opened - chunk.count("]") - chunk.count("}")
    if deepest <= JSON_DEPTH_MAX:
        return False
    depth = 0
    for bracket in NO_BRACKETS.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > JSON_DEPTH_MAX:
            return True
    return False


def adapt_hashlib():
    import hashlib

    import dyno_hash

    for name in ("pbkdf2_hmac", "scrypt"):
        if not hasattr(hashlib, name):
            setattr(hashlib, name, getattr(dyno_hash, name))
    if "pbkdf2_hmac" not in hashlib.__all__:
        hashlib.__all__ += ("pbkdf2_hmac",)


NO_PROCESSES = (
    "can't start a process: a dyno's Python is one process. Do the work in the request, or in a process type of its own "
    "(Procfile)"
)


def adapt_threads():
    import concurrent.futures.thread
    import multiprocessing.process
    import threading

    def start_thread(self):
        raise RuntimeError(NO_THREADS)

    def start_process(self):
        raise RuntimeError(NO_PROCESSES)

    threading.Thread.start = start_thread
    multiprocessing.process.BaseProcess.start = start_process
    concurrent.futures.thread.ThreadPoolExecutor.submit = submit


class SemLock:
    """`_multiprocessing.SemLock`: libraries import it long before they start a process."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, *args, **named):
        raise OSError(NO_PROCESSES)


def multiprocessing_module():
    """Makes the module `_multiprocessing`, for `sys.modules`: servers' packages import what is built on it."""
    made = types.ModuleType("_multiprocessing", multiprocessing_module.__doc__)
    made.SemLock, made.sem_unlink, made.flags = SemLock, lambda name: None, {}
    return made


def submit(self, fn, /, *args, **kwargs):
    """`ThreadPoolExecutor.submit` without threads: the work is done at once, as if a thread had been fast."""
    if self._broken:
        raise self.BROKEN(self._broken)
    if self._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    return done_at_once(run_in_worker, self, fn, args, kwargs)


def done_at_once(call, *args, **kwargs):
    """Returns the future of a call that is made now, as if by another thread."""
    import concurrent.futures

    future = concurrent.futures.Future()
    future.set_running_or_notify_cancel()
    try:
        future.set_result(outside_of_loop(call, *args, **kwargs))
    except BaseException as error:
        future.set_exception(error)
    return future


def run_in_worker(pool, fn, args, kwargs):
    import contextvars

    begin_worker(pool)
    return contextvars.Context().run(fn, *args, **kwargs)


def begin_worker(pool):
    """Calls the pool's `initializer`, once, as the start of a thread would."""
    if pool.__dict__.setdefault("_dyno_worker", None) is None:
        pool._dyno_worker = pool._create_worker_context()
        try:
            pool._dyno_worker.initialize()
        except BaseException:
            pool._initializer_failed()
            raise pool.BROKEN(pool._broken) from None


def outside_of_loop(call, *args, **kwargs):
    """A thread of its own would see no running event loop, and could run another one."""
    from asyncio import events, tasks

    loop = events._get_running_loop()
    if loop is None:
        return call(*args, **kwargs)
    task = tasks.current_task(loop)
    if task is not None:
        tasks._leave_task(loop, task)
    events._set_running_loop(None)
    try:
        return call(*args, **kwargs)
    finally:
        events._set_running_loop(loop)
        if task is not None:
            tasks._enter_task(loop, task)


def adapt_asyncio():
    import asyncio.selector_events

    from dyno_loop import Selector

    # The pipe would wake the loop up from another thread or a signal; a dyno has neither.
    loop = asyncio.selector_events.BaseSelectorEventLoop
    loop._make_self_pipe = lambda self: None
    loop._close_self_pipe = lambda self: None
    loop._write_to_self = lambda self: None
    loop.shutdown_default_executor = shutdown_default_executor
    before = loop.__init__

    def __init__(self, selector=None):
        before(self, selector or Selector())

    loop.__init__ = __init__
    adapt_asyncio_tls()


def adapt_asyncio_tls():
    """`asyncio` was imported when there was no `ssl` yet. With it, TLS fails with the reason."""
    import asyncio.sslproto
    import ssl

    for module in (asyncio.base_events, asyncio.selector_events, asyncio.sslproto):
        module.ssl = ssl
    asyncio.sslproto.SSLAgainErrors = (ssl.SSLWantReadError, ssl.SSLSyscallError)


def adapt_https():
    import http.client

    import dyno_client

    http.client.HTTPSConnection.connect = dyno_client.connect


async def shutdown_default_executor(self, timeout=None):
    """Shuts the executor down without the thread that would wait for its threads."""
    self._executor_shutdown_called = True
    if self._default_executor is not None:
        self._default_executor.shutdown()


def adapt_zoneinfo(folder):
    """Reads time zones from memory, unless the app has the package `tzdata`, whose data may be newer."""
    import zoneinfo
    import zoneinfo._common as common

    data = dict(read_zones(folder))
    from_package = common.load_tzdata
    of_package = zoneinfo.available_timezones

    def load_tzdata(key):
        try:
            return from_package(key)
        except common.ZoneInfoNotFoundError:
            if key in data:
                return io.BytesIO(data[key])
            raise

    def available_timezones():
        return of_package() | set(data)

    available_timezones.__doc__ = of_package.__doc__
    common.load_tzdata = load_tzdata
    for module in (zoneinfo, zoneinfo._tzpath):
        module.available_timezones = available_timezones


def read_zones(folder):
    for place, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(place, file)
            with open(path, "rb") as opened:
                data = opened.read()
            if data.startswith(b"TZif"):
                yield os.path.relpath(path, folder), data
