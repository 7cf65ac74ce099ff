"""Runs while building, so that the snapshot of the interpreter has the imported modules in memory. Nothing of this file
is used in a dyno.
"""

import contextlib
import errno
import gc
import importlib
import os
import sys

import dyno_library
import dyno_runtime
import dyno_tls

PACKAGES = "/0"
BUILD = "/1"
LIBRARY = "/python"
# All of Python's library is imported, since its files are missing later. These modules are left out, because they make no
# sense in a dyno: they need a screen, are tests or installers, or have side effects when they are imported.
LEFT_OUT = {
    "__hello__", "antigravity", "ensurepip", "idlelib", "test", "this", "tkinter", "turtle", "turtledemo", "venv",
}  # fmt: skip


def prepare():
    """Ends with an error if a file cannot be compiled; `problems.txt` then says why. Failed imports are listed in
    `failures.txt`: whether the app needs them shows when the app is loaded.
    """
    sys.dont_write_bytecode = True
    refuse([*syntax_errors()])
    import_library()
    # Before any package is imported: some check only once whether the library has a function.
    dyno_runtime.adapt_library(f"{BUILD}/zoneinfo")
    import dyno_packages  # not before `ssl` can be imported

    dyno_packages.install()
    with without_network():
        with open(f"{BUILD}/failures.txt", "w") as file:
            file.writelines(failed_imports())
        dyno_packages.import_later_parts()
    importlib.invalidate_caches()
    # All these objects stay alive: later garbage collections need not visit them, nor touch their memory.
    gc.collect()
    gc.freeze()


def refuse(problems):
    if problems:
        with open(f"{BUILD}/problems.txt", "w") as file:
            file.write("\n".join(problems))
        raise SystemExit("the app cannot be built")


def import_library():
    import warnings

    for name, path in library():
        with open(path, "rb") as file:
            dyno_library.keep(name, path, file.read())
    sys.modules["_ssl"] = dyno_tls.module()
    sys.modules["_multiprocessing"] = dyno_runtime.multiprocessing_module()
    with warnings.catch_warnings(action="ignore"):
        for name in [*dyno_library.sources, *sys.builtin_module_names]:
            try:
                if not name.endswith("__main__"):
                    importlib.import_module(name)
            except BaseException:
                continue  # what this system does not have
    dyno_library.install()


def library():
    """Lists all modules of the library with their files, packages before their modules."""
    folders = [("", LIBRARY)]
    for prefix, folder in folders:
        for entry in sorted(os.listdir(folder)):
            name, ending = os.path.splitext(entry)
            path = f"{folder}/{entry}"
            if prefix + name in LEFT_OUT | dyno_runtime.ABSENT.keys() or name == "__init__":
                continue
            if ending == ".py":
                yield prefix + name, path
            elif os.path.isfile(f"{path}/__init__.py"):
                yield prefix + entry, f"{path}/__init__.py"
                folders.append((f"{prefix}{entry}.", path))


@contextlib.contextmanager
def without_network():
    """Refuses sockets to packages that try them while they are imported, as urllib3 does: the system's library would keep
    a handle of the network, which no dyno has.
    """
    import _socket
    import socket

    def refuse(*args, **named):
        raise OSError(errno.ENETDOWN, "there is no network while building")

    used = [(socket.socket, "__init__"), (_socket, "getaddrinfo"), (socket, "gethostbyname"), (socket, "gethostbyaddr")]
    used = [(owner, name) for owner, name in used if hasattr(owner, name)]
    before = [getattr(owner, name) for owner, name in used]
    for owner, name in used:
        setattr(owner, name, refuse)
    try:
        yield
    finally:
        for (owner, name), value in zip(used, before):
            setattr(owner, name, value)


def lines_of(name):
    with open(f"{BUILD}/{name}") as file:
        return file.read().splitlines()


def syntax_errors():
    """Returns what is wrong with the app's own files, which were copied to the folder of the build."""
    for path in lines_of("sources.txt"):
        try:
            with open(f"{BUILD}/sources/{path}", "rb") as file:
                compile(file.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            yield f"{path}:{getattr(error, 'lineno', 0) or 1}: {getattr(error, 'msg', error)}"
            text = getattr(error, "text", None)
            if text:
                yield f"    {text.strip()}"


def failed_imports():
    """Imports the names that the app imports from its packages. Returns a line for each failure: module, name, kind, native
    file, error."""
    native = {}
    for line in lines_of("native.txt"):
        _, _, file = line.partition("\t")
        native[file.partition(".")[0].replace("/", ".")] = file
    for line in lines_of("wanted.txt"):
        module, _, name = line.partition("\t")
        try:
            found = importlib.import_module(module)
            if name and name != "*" and not hasattr(found, name):
                import_part(module, name)
        except BaseException as error:
            kind, file = kind_of(error, native)
            text = " ".join(f"{type(error).__name__}: {error}".split())
            yield f"{module}\t{name}\t{kind}\t{file}\t{text}\n"


def import_part(module, name):
    """Imports a name that may be a module in a package. A failure has the message of the import statement."""
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{module}.{name}":
            raise
        text = f"cannot import name {name!r} from {module!r}"
        raise ImportError(text, name=module, name_from=name) from None


def kind_of(error, native):
    """Returns `native` if a module of native code is missing, `absent` if another module is missing, else `other`."""
    one, seen = error, set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if isinstance(one, ImportError):
            for name in (one.name, f"{one.name}.{getattr(one, 'name_from', None)}"):
                if name in native:
                    return "native", native[name]
        one = one.__cause__ or one.__context__
    return ("absent" if isinstance(error, ImportError) else "other"), ""
