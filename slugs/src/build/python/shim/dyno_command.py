"""Runs a Python command line as `python` does: `FILE ARGS`, `-m MODULE ARGS`, `-c CODE`, `-V`, or a script on stdin."""

import os
import sys

import dyno_library
from dyno_report import flush, print_exception, print_line

USAGE = "usage: python [option] ... [-c cmd | -m mod | file | -] [arg] ..."
# Options without effect here: no bytecode is written, no environment of a machine has to be ignored, and output is never
# buffered for long.
WITHOUT_EFFECT = "bBdEIOPqRsSuvx"


class UsageError(Exception):
    """A command line that Python would refuse."""


def run(words):
    """Runs a command line, and returns its exit code."""
    try:
        code = exit_code(lambda: start(words))
    except UsageError as error:
        print_line(f"{error}\n{USAGE}")
        code = 2
    return finish(code)


def exit_code(call):
    try:
        call()
        return 0
    except SystemExit as error:
        return code_of(error.code)
    except UsageError:
        raise
    except BaseException as error:
        tell(error)
        return 130 if isinstance(error, KeyboardInterrupt) else 1


def code_of(value):
    """`sys.exit(value)`: a number as POSIX sees it, in eight bits; any other value is printed, and the code is 1."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print_line(value)
    return 1


def tell(error):
    """Reports an exception by the program's own hook, if it has set one."""
    if sys.excepthook is sys.__excepthook__:
        print_exception(error)
        return
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as second:
        print_exception(second)
        print_exception(error)


def finish(code):
    import atexit
    import threading

    for last in (threading._shutdown, atexit._run_exitfuncs):
        try:
            last()
        except BaseException as error:
            print_exception(error)
    try:
        if not sys.stdout.closed:
            sys.stdout.flush()
    except OSError:
        code = code or 120  # as Python does
    flush()
    return code


def start(words):
    words = list(words)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        if word in ("--help", "--version"):
            word = {"--help": "-h", "--version": "-V"}[word]
        if word.startswith("--"):
            raise UsageError(f"unknown option {word}")
        if read_options(word[1:], words):
            return
    run_script(words[0], words) if words and words[0] != "-" else run_stdin(words)


def read_options(letters, words):
    """Reads one word of options. Returns True if the option ends the command line and is done."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in "cmWX":
            if not letters and not words:
                raise UsageError(f"Argument expected for the -{letter} option")
            value = letters or words.pop(0)
            if letter == "c":
                run_code(value, words)
            elif letter == "m":
                run_module(value, words)
            else:
                set_option(letter, value)
            return letter in "cm"
        if letter == "V":
            print(f"Python {sys.version}" if letters.startswith("V") else f"Python {sys.version.split()[0]}")
            return True
        if letter in "h?":
            print(f"{USAGE}\nOptions that are read: -c -m -u -V -W -X; those without effect in a dyno: {WITHOUT_EFFECT}")
            return True
        if letter == "i":
            raise UsageError("the option -i needs a terminal, which a dyno has not")
        if letter not in WITHOUT_EFFECT:
            raise UsageError(f"unknown option -{letter}")


def set_option(letter, value):
    if letter == "W":
        import warnings

        sys.warnoptions.append(value)
        warnings._processoptions([value])
    else:
        name, _, text = value.partition("=")
        sys._xoptions[name] = text or True


def new_main(**names):
    """Makes a new module `__main__`: the one in the snapshot belongs to the build."""
    import builtins
    import types

    module = types.ModuleType("__main__")
    module.__builtins__ = builtins
    module.__dict__.update(names)
    sys.modules["__main__"] = module
    return module


def begin(argv, first):
    import dyno_load

    try:
        folders = dyno_load.folders_of(dyno_load.read_entry())
    except OSError:
        folders = []
    dyno_load.begin(folders, argv)
    # The app's folder stays importable, whatever the first entry is, as after `pip install -e .` on a machine.
    sys.path[:] = [first, *(path for path in sys.path if path != first)]


def run_code(text, words):
    begin(["-c", *words], "")
    execute(text.encode(), "<string>", new_main())


def run_stdin(words):
    text = sys.stdin.buffer.read()
    begin(words or [""], "")
    execute(text, "<stdin>", new_main())


def execute(source, name, module):
    import linecache

    lines = source.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)


def run_module(name, words):
    import runpy

    begin(["-m", *words], os.getcwd())
    main = new_main()
    # A new interpreter would not have imported this module.
    if name in dyno_library.sources and not dyno_library.sources[name][0]:
        sys.modules.pop(name, None)
    try:
        _, spec, code = runpy._get_module_details(name, runpy._Error)
    except runpy._Error as error:
        raise SystemExit(f"python: {error}") from None
    sys.argv[0] = spec.origin
    runpy._run_code(code, main.__dict__, None, "__main__", spec)


def run_script(path, words):
    import runpy

    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        begin(list(words), path)
        main = new_main()
        try:
            _, spec, code = runpy._get_main_module_details(runpy._Error)
        except runpy._Error as error:
            raise SystemExit(f"python: {error}") from None
        runpy._run_code(code, main.__dict__, None, "__main__", spec)
        return
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print_line(f"python: can't open file '{os.path.abspath(path)}': [Errno {error.errno}] {error.strerror}")
        raise SystemExit(2) from None
    begin(list(words), os.path.dirname(os.path.abspath(path)))
    main = new_main(__file__=os.path.abspath(path), __cached__=None, __spec__=None, __package__=None)
    exec(compile(source, os.path.abspath(path), "exec", dont_inherit=True), main.__dict__)
