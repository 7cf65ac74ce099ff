"""Runs programs that start a server themselves, such as `python app.py`, and takes the app from the call that would serve
it. Also adapts frameworks to a dyno.

The functions that start servers are replaced while the program runs. The first call of one ends the program, and gives
the app.
"""

import importlib
import os
import shutil
import sys

import dyno_command

PACKAGES = "/0"


class Serving(BaseException):
    """Raised when a program starts a server with this app. Not an `Exception`, since programs must not catch it."""

    def __init__(self, app):
        super().__init__("a server was to be started")
        self.app = app


class NoServer(Exception):
    """The program has ended without starting a server."""


def app_of_program(script, module, args):
    """Runs the program until it starts a server. If it ends before, it may still have an app under a usual name."""
    take_over_servers()
    try:
        if script:
            dyno_command.run_script(script, [script, *args])
        else:
            dyno_command.run_module(module, list(args))
    except Serving as serving:
        return serving.app
    except SystemExit as error:
        if error.code:
            raise NoServer(f"{script or module} ended with {error.code!r} before it started a server") from None
    main = sys.modules["__main__"]
    for name in ("app", "application"):
        if callable(getattr(main, name, None)):
            return getattr(main, name)
    raise NoServer(f"{script or module} ended without starting a server: call `app.run()` in it, or define `app`")


def positional(at, name):
    """Makes the replacement of a server's function; the app is the argument at this position or with this name."""

    def serve(*args, **named):
        raise Serving(named.get(name) if name in named else args[at] if len(args) > at else None)

    return serve


def serve_itself(self, *args, **named):
    raise Serving(self)


def serve_bottle(app=None, *args, **named):
    import bottle

    if isinstance(app, str):
        app = bottle.load_app(app)
    raise Serving(app or bottle.default_app())


# The functions that start a server: module, name, and replacement.
SERVERS = [
    ("flask.app", "Flask.run", serve_itself),
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


def adapt_flask():
    """Makes Flask's instance folder, where apps keep a database or uploads, writable: it becomes a copy, in ./tmp, of the
    one in the app's files, if there is one. Runs while building, after the app's packages are imported.
    """
    flask = sys.modules.get("flask")
    if flask is None:
        return
    find = flask.Flask.auto_find_instance_path

    def auto_find_instance_path(self):
        given = find(self)
        own = os.path.join("/tmp", given.lstrip("/"))
        if os.path.isdir(given) and not os.path.isdir(own):
            shutil.copytree(given, own)
        return own

    flask.Flask.auto_find_instance_path = auto_find_instance_path


def with_static_files(app):
    """Serves static files while DEBUG is on, in the way of Django's `runserver`."""
    from django.apps import apps
    from django.conf import settings

    if not (settings.DEBUG and apps.is_installed("django.contrib.staticfiles")):
        return app
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    return StaticFilesHandler(app)
