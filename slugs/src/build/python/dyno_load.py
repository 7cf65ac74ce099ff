"""Finds what answers an app's requests: imports the module that `entry.txt` names, and takes the callable from it."""

import ast
import importlib
import os
import sys

from dyno_wsgi import plain, wsgi

BUILD = "/1"  # the build's own folder, of which nothing is there in a dyno
ENTRY = "/.dyno/entry.txt"  # MODULE:NAME; each line after it is a further folder of the app to import from
CALLABLES = ("app", "application", "handler", "handle")
FACTORIES = ("create_app", "make_app")
# Modules that every Python has imported before the first line of a program runs: no file of an app takes their place.
STARTED_WITH = set(sys.builtin_module_names) | {
    "__main__", "_collections_abc", "_sitebuiltins", "abc", "codecs", "encodings", "genericpath", "importlib", "io",
    "os", "posixpath", "runpy", "site", "stat", "zipimport",
}  # fmt: skip


class NoCallable(Exception):
    """The module was imported, and nothing in it can answer requests."""


def read_entry():
    with open(ENTRY, encoding="utf-8") as file:
        entry, *folders = file.read().split("\n")
    module, _, name = entry.strip().partition(":")
    return module, name, [os.path.join("/", folder.strip()) for folder in folders if folder.strip()]


def begin(folders, argv):
    """What is different in a dyno from the build, whose snapshot this interpreter is."""
    own = ["/", *folders]
    sys.path[:] = [*own, *(path for path in sys.path if path not in (*own, BUILD))]
    sys.argv[:] = argv
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    forget_shadowed(own)
    # The snapshot has the numbers of the build in it, the same for all dynos.
    import random

    random.seed()


def forget_shadowed(folders):
    """An app's `calendar.py` comes before the library's, although the snapshot has imported the library's."""
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
    """The app, as a function of a request, its body and a reply."""
    module, name, folders = read_entry()
    begin(folders, ["app"])
    return find(importlib.import_module(module), name)


def find(module, name):
    names = [name] if name else CALLABLES
    for name in names:
        found, called = look_up(module, name)
        if callable(found):
            is_plain = not called and name.rpartition(".")[2] in ("handler", "handle")
            return plain(found) if is_plain else wsgi(found)
        if called:
            raise NoCallable(f"`{name}` in {module.__file__} returned {type(found).__name__}, not a WSGI callable")
    if not names[0] or names is CALLABLES:
        for factory in FACTORIES:
            found = getattr(module, factory, None)
            if callable(found):
                return wsgi(found())
    wanted = " or ".join(f"`{name}`" for name in names)
    raise NoCallable(f"{module.__file__} has no callable {wanted}: define one, or name it in the Procfile")


def look_up(module, name):
    """What `name` (`site.app`, `create_app()`, `create_app("test", debug=False)`) is, and whether it was called."""
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
