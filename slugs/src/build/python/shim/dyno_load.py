"""Finds what answers an app's requests: imports the module that `entry.json` names, and takes the callable from it."""

import ast
import importlib
import json
import os
import sys

import dyno_serve
from dyno_asgi import arguments_of, asgi, is_asgi
from dyno_wsgi import plain, wsgi

BUILD = "/1"  # the build's own folder, of which nothing is there in a dyno
# What the builder found: `module` and `app` (a name or a call; empty for the usual names), or a program (`script`,
# `script_module`, `args`) that starts a server itself; `path`, the folders of the app to import from; `chdir`; `env`;
# `static_files`, whether Django serves them; `root_path`, where an ASGI app is mounted.
ENTRY = "/.dyno/entry.json"
CALLABLES = ("app", "application", "handler", "handle")
FACTORIES = ("create_app", "make_app")
# Modules that every Python imports before the first line of a program: a file of the app never replaces them.
STARTED_WITH = set(sys.builtin_module_names) | {
    "__main__", "_collections_abc", "_sitebuiltins", "abc", "codecs", "encodings", "genericpath", "importlib", "io",
    "os", "posixpath", "runpy", "site", "stat", "zipimport",
}  # fmt: skip


class NoCallable(Exception):
    """The module was imported, but nothing in it can answer requests."""


def read_entry():
    with open(ENTRY, encoding="utf-8") as file:
        return json.load(file)


def folders_of(entry):
    """Returns the app's folders to import from, in order."""
    return [os.path.join("/", folder) for folder in entry.get("path", [])]


def begin(folders, argv):
    """Adapts the interpreter, which is a snapshot from the build, to the dyno."""
    own = folders if "/" in folders else ["/", *folders]
    sys.path[:] = [*own, *(path for path in sys.path if path not in (*own, BUILD))]
    sys.argv[:] = argv
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    forget_shadowed(own)
    # The snapshot holds the random state of the build, which would be the same in all dynos.
    import random

    random.seed()


def forget_shadowed(folders):
    """Lets an app's `calendar.py` replace the library's, although the snapshot has imported the library's."""
    shadowed = set()
    for folder in folders:
        try:
            entries = [*os.scandir(folder)]
        except OSError:
            continue
        for entry in entries:
            top, _, ending = entry.name.partition(".")
            if top not in sys.modules or top in STARTED_WITH or top.startswith("dyno_"):
                continue
            if ending == "py" or not ending and os.path.isfile(f"{entry.path}/__init__.py"):
                shadowed.add(top)
    for name in [name for name in sys.modules if name.partition(".")[0] in shadowed]:
        del sys.modules[name]


def load():
    """Returns the app as a function of a request, its body and a reply."""
    entry = read_entry()
    begin(folders_of(entry), ["app"])
    for name, value in entry.get("env", {}).items():
        os.environ.setdefault(name, value)
    # Programs read it to start their server, whose place the dyno takes.
    os.environ.setdefault("PORT", "8000")
    if entry.get("chdir"):
        os.chdir(os.path.join("/", entry["chdir"]))
    script, script_module = entry.get("script"), entry.get("script_module")
    if script or script_module:
        app, root_path = dyno_serve.app_of_program(script, script_module, entry.get("args", []))
        return served(app, root_path)
    if not entry["module"]:
        raise NoCallable("the Procfile has no `web`: add one, as in `web: gunicorn module:name`")
    found, is_plain = find(importlib.import_module(entry["module"]), entry["app"])
    if entry.get("static_files"):
        found = dyno_serve.with_static_files(found)
    return plain(found) if is_plain and arguments_of(found) != 3 else served(found, entry.get("root_path", ""))


def served(app, root_path):
    """Returns an app of either kind as a function of a request, its body and a reply."""
    return asgi(app, root_path) if is_asgi(app) else wsgi(app)


def find(module, name):
    """Returns the callable that answers, and whether it is a plain function rather than a WSGI callable."""
    names = [name] if name else CALLABLES
    for name in names:
        found, called = look_up(module, name)
        if callable(found):
            return found, not called and name.rpartition(".")[2] in ("handler", "handle")
        if called:
            raise NoCallable(f"`{name}` in {module.__file__} returned {type(found).__name__}, neither a WSGI nor an ASGI app")
    if names is CALLABLES:
        for factory in FACTORIES:
            found = getattr(module, factory, None)
            if callable(found):
                return found(), False
    wanted = " or ".join(f"`{name}`" for name in names)
    raise NoCallable(f"{module.__file__} has no callable {wanted}: define one, or name it in the Procfile")


def look_up(module, name):
    """Evaluates `name` (`site.app`, `create_app()`, `create_app("test", debug=False)`). Returns the value, and whether it is
    the result of a call.
    """
    try:
        node = ast.parse(name, mode="eval").body
        called = isinstance(node, ast.Call)
        target = ast.unparse(node.func if called else node)
        args = [ast.literal_eval(arg) for arg in node.args] if called else []
        named = {word.arg: ast.literal_eval(word.value) for word in node.keywords} if called else {}
    except (SyntaxError, ValueError):
        raise NoCallable(f"`{name}` is not a name or a call with plain values: correct it in the Procfile") from None
    found = module
    for part in target.split("."):
        found = getattr(found, part, None)
    if called and callable(found):
        return found(*args, **named), True
    return (None if called else found), False
