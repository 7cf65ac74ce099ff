"""Adapts packages of an app to a dyno, when they are imported: their own files stay as they are."""

import importlib
import importlib.machinery
import os
import shutil
import sys

from dyno_client_packages import adapt_httpcore, adapt_urllib3
from dyno_runtime import done_at_once, outside_of_loop


class Adapter:
    """The first finder: lets the other code of this file change a module right after its import."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        adapt = ADAPTATIONS.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path) if adapt else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            adapt(module)

        spec.loader.exec_module = exec_module
        return spec


def install():
    sys.meta_path.insert(0, Adapter)


def adapt_flask(module):
    """Makes the instance folder of Flask and Quart, where apps keep a database or uploads, writable: it becomes a copy, in
    ./tmp, of the one in the app's files, if there is one.
    """
    app = getattr(module, "Flask", None) or module.Quart
    find = app.auto_find_instance_path

    def auto_find_instance_path(self):
        given = os.fspath(find(self))
        own = os.path.join("/tmp", given.lstrip("/"))
        if os.path.isdir(given) and not os.path.isdir(own):
            shutil.copytree(given, own)
        return own

    app.auto_find_instance_path = auto_find_instance_path


def adapt_anyio(module):
    """`anyio.to_thread.run_sync`, and so the endpoints of Starlette and FastAPI that are no coroutines: done at once."""

    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None, cancellable=False):
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            context = module.copy_context()
            return context.run(outside_of_loop, run_without_library, func, args)

    module.AsyncIOBackend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)


def run_without_library(func, args):
    """Runs a function that is not to see which library of coroutines has called it."""
    sniffio = sys.modules.get("sniffio")
    if sniffio:
        sniffio.current_async_library_cvar.set(None)
    return func(*args)


def adapt_asgiref(module):
    """`async_to_sync` inside of `sync_to_async` would wait for the loop that runs it: it gets a loop of its own. And no
    thread is started to wait for the threads of an executor, of which there are none.
    """
    before = module.AsyncToSync.__init__
    leave = module.ThreadSensitiveContext.__aexit__

    async def __aexit__(self, exc, value, tb):
        if self.token and getattr(self, "_executor", None) is None:
            executor = module.SyncToAsync.context_to_thread_executor.pop(self, None)
            if executor:
                executor.shutdown()
        await leave(self, exc, value, tb)

    def __init__(self, awaitable, force_new_loop=False):
        before(self, awaitable, force_new_loop=True)

    module.AsyncToSync.__init__ = __init__
    module.ThreadSensitiveContext.__aexit__ = __aexit__


def adapt_asgiref_executor(module):
    module.CurrentThreadExecutor.submit = lambda self, fn, /, *args, **kwargs: done_at_once(fn, *args, **kwargs)


ADAPTATIONS = {
    "anyio._backends._asyncio": adapt_anyio,
    "asgiref.current_thread_executor": adapt_asgiref_executor,
    "asgiref.sync": adapt_asgiref,
    "flask.app": adapt_flask,
    "httpcore._async.connection": adapt_httpcore,
    "httpcore._sync.connection": adapt_httpcore,
    "quart.app": adapt_flask,
    "urllib3.connection": adapt_urllib3,
}
# Modules that packages import only in the first request; with them in the snapshot, it is no slower than others.
IMPORTED_LATER = {"anyio": "anyio._backends._asyncio", "httpx": "httpcore"}


def import_later_parts():
    for package, part in IMPORTED_LATER.items():
        if package in sys.modules:
            try:
                importlib.import_module(part)
            except Exception:
                continue  # the app's first use tells why
