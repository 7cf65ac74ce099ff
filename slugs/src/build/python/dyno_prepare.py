"""What is done while building, so that the snapshot of the interpreter has it in memory. Of this file nothing is used
in a dyno.
"""

import gc
import importlib
import os
import sys

import dyno_runtime

PACKAGES = "/0"
BUILD = "/1"
LIBRARY = "/python"
# Python's own library is imported whole, since its files are not there later. What is left out makes no sense in a
# dyno: a screen, tests, other systems, installers, and modules that do something when they are imported.
LEFT_OUT = {
    "antigravity", "config-3.14-wasm32-wasi", "ensurepip", "idlelib", "lib2to3", "pip", "site-packages", "test", "this",
    "tkinter", "turtle", "turtledemo", "venv",
}  # fmt: skip


def prepare():
    """Ends with an error if something is wrong, which `problems.txt` then tells."""
    sys.dont_write_bytecode = True
    refuse([*syntax_errors()])
    import_library()
    # Before any package is imported: some look only once whether the library has a function.
    dyno_runtime.adapt_library(f"{BUILD}/zoneinfo")
    refuse([*missing_packages()])
    importlib.invalidate_caches()
    # All that is here stays: later collections need not look at it, nor touch its memory.
    gc.collect()
    gc.freeze()


def refuse(problems):
    if problems:
        with open(f"{BUILD}/problems.txt", "w") as file:
            file.write("\n".join(problems))
        raise SystemExit("the app cannot be built")


def import_library():
    import warnings

    with warnings.catch_warnings(action="ignore"):
        for name in library():
            try:
                importlib.import_module(name)
            except BaseException:
                continue  # what this system does not have


def library():
    """Names of all modules of the library, packages before what is in them."""
    folders = [("", LIBRARY)]
    for prefix, folder in folders:
        for entry in sorted(os.listdir(folder)):
            name, ending = os.path.splitext(entry)
            if entry in LEFT_OUT or name in LEFT_OUT or name in ("__main__", "__init__"):
                continue
            path = f"{folder}/{entry}"
            if ending == ".py":
                yield prefix + name
            elif os.path.isfile(f"{path}/__init__.py"):
                yield prefix + entry
                folders.append((f"{prefix}{entry}.", path))
    yield from sys.builtin_module_names


def lines_of(name):
    with open(f"{BUILD}/{name}") as file:
        return file.read().splitlines()


def syntax_errors():
    """What is wrong with the app's own files, copied to the build's folder."""
    for path in lines_of("sources.txt"):
        try:
            with open(f"{BUILD}/sources/{path}", "rb") as file:
                compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            yield f"{path}:{getattr(error, 'lineno', 0) or 1}: {getattr(error, 'msg', error)}"
            text = getattr(error, "text", None)
            if text:
                yield f"    {text.strip()}"


def missing_packages():
    """Imports what the app does, of its packages; tells which of them cannot be."""
    native = {}
    for line in lines_of("native.txt"):
        package, _, file = line.partition("\t")
        native.setdefault(package, file)
    refused = set()
    for line in lines_of("wanted.txt"):
        module, _, name = line.partition("\t")
        top = module.partition(".")[0]
        if top in refused:
            continue
        try:
            found = importlib.import_module(module)
            if name and name != "*" and not hasattr(found, name):
                importlib.import_module(f"{module}.{name}")
        except BaseException as error:
            if not installed(top):
                continue  # perhaps one of several that would do; a dyno's log says it if not
            refused.add(top)
            yield refusal(top, error, native)


def installed(top):
    return os.path.isdir(f"{PACKAGES}/{top}") or os.path.isfile(f"{PACKAGES}/{top}.py")


def refusal(top, error, native):
    blamed = [package for package in native if package == top or package in str(error) or package in frames(error)]
    if not blamed:
        return f"`import {top}` fails: {type(error).__name__}: {error}"
    package = blamed[0]
    through = "" if package == top else f" (which `{top}` imports)"
    return (
        f"{package}{through} is made of native code ({native[package]}), and a dyno runs WebAssembly: this package "
        f"cannot work here, unless it has a version in plain Python. Choose another in its place, or have a service of "
        f"another kind do that work. ({type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''})"
    )


def frames(error):
    found = []
    trace = error.__traceback__
    while trace:
        found.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    tops = {path.removeprefix(f"{PACKAGES}/").partition("/")[0] for path in found if path.startswith(f"{PACKAGES}/")}
    return tops


