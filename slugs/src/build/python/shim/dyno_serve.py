"""Runs programs that start a server themselves, such as `python app.py`, and takes the app from the call that would serve
it.

The functions that start servers are replaced while the program runs. The first call of one ends the program, and gives
the app.
"""

import importlib
import os
import sys

import dyno_command
from dyno_asgi import is_asgi

PACKAGES = "/0"


class Serving(BaseException):
    """Raised when a program starts a server with this app. Not an `Exception`, since programs must not catch it."""

    def __init__(self, app, root_path=""):
        super().__init__("a server was to be started")
        self.app = app
        self.root_path = root_path


class NoServer(Exception):
    """The program has ended without starting a server."""


def app_of_program(script, module, args):
    """Runs the program until it starts a server, and returns the app and the path that it is mounted at. If the program ends
    before, it may still have an app under a usual name.
    """
    take_over_servers()
    try:
        if script:
            dyno_command.run_script(script, [script, *args])
        else:
            dyno_command.run_module(module, list(args))
    except Serving as serving:
        return serving.app, serving.root_path or ""
    except SystemExit as error:
        if error.code:
            raise NoServer(f"{script or module} ended with {error.code!r} before it started a server") from None
    main = sys.modules["__main__"]
    for name in ("app", "application"):
        if callable(getattr(main, name, None)):
            return getattr(main, name), ""
    raise NoServer(f"{script or module} ended without starting a server: call `app.run()` in it, or define `app`")


def positional(at, name):
    """Makes the replacement of a server's function; the app is the argument at this position or with this name."""

    def serve(*args, **named):
        raise Serving(named.get(name) if name in named else args[at] if len(args) > at else None)

    return serve


def serve_itself(self, *args, **named):
    raise Serving(self)


def serve_uvicorn(app, *args, factory=False, root_path="", **named):
    raise Serving(app_of_text(app, factory), root_path)


def serve_uvicorn_config(self, *args, **named):
    raise Serving(app_of_text(self.config.app, self.config.factory), self.config.root_path)


async def serve_hypercorn(app, config=None, *args, **named):
    raise Serving(app, getattr(config, "root_path", ""))


def run_hypercorn(config):
    raise Serving(app_of_text(config.application_path, False), config.root_path)


def app_of_text(app, is_factory):
    """Returns the app that a server is given as `module:name`, or itself."""
    if isinstance(app, str):
        module, _, name = app.partition(":")
        found = importlib.import_module(module)
        for part in (name or "app").split("."):
            found = getattr(found, part)
        app = found
    return app() if is_factory else app


def serve_bottle(app=None, *args, **named):
    import bottle

    if isinstance(app, str):
        app = bottle.load_app(app)
    raise Serving(app or bottle.default_app())


# The functions that start a server: module, name, and replacement.
SERVERS = [
    ("flask.app", "Flask.run", serve_itself),
    ("quart.app", "Quart.run", serve_itself),
    ("quart.app", "Quart.run_task", serve_itself),
    ("uvicorn", "run", serve_uvicorn),
    ("uvicorn.main", "run", serve_uvicorn),
    ("uvicorn.server", "Server.run", serve_uvicorn_config),
    ("uvicorn.server", "Server.serve", serve_uvicorn_config),
    ("hypercorn.asyncio", "serve", serve_hypercorn),
    ("hypercorn.run", "run", run_hypercorn),
    ("bottle", "run", serve_bottle),
    ("bottle", "Bottle.run", serve_itself),
    ("werkzeug.serving", "run_simple", positional(2, "application")),
    ("werkzeug.serving", "make_server", positional(2, "app")),
    ("waitress", "serve", positional(0, "app")),
    ("waitress.server", "create_server", positional(0, "application")),
    ("cheroot.wsgi", "Server.__init__", positional(2, "wsgi_app")),
    ("wsgiref.simple_server", "make_server", positional(2, "app")),
    ("wsgiref.simple_server", "WSGIServer.set_app", positional(1, "application")),
]


def take_over_servers():
    for module, name, serve in SERVERS:
        if not is_installed(module.partition(".")[0]):
            continue
        try:
            owner = importlib.import_module(module)
        except ImportError:
            continue
        *outer, last = name.split(".")
        for part in outer:
            owner = getattr(owner, part, None)
        if owner is not None:
            setattr(owner, last, serve)


def is_installed(top):
    return top == "wsgiref" or os.path.isdir(f"{PACKAGES}/{top}") or os.path.isfile(f"{PACKAGES}/{top}.py")


def with_static_files(app):
    """Serves static files while DEBUG is on, in the way of Django's `runserver`."""
    from django.apps import apps
    from django.conf import settings

    if not (settings.DEBUG and apps.is_installed("django.contrib.staticfiles")):
        return app
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler

    return ASGIStaticFilesHandler(app) if is_asgi(app) else StaticFilesHandler(app)
