"""Prints tracebacks for the owner of an app: the app's frames, without those of the code that calls the app."""

import asyncio.base_events
import importlib
import os
import runpy
import sys
import traceback

OWN_FILES = (
    os.path.join(os.path.dirname(__file__), "dyno_"),
    "<frozen importlib",
    "<frozen runpy",
    importlib.__file__,
    runpy.__file__,
    asyncio.base_events.__file__,
    asyncio.events.__file__,
)


def is_own(frame):
    return frame.filename.startswith(OWN_FILES)


def print_exception(error):
    """Writes one traceback to stderr. Never raises: an error while printing must not hide the original error."""
    try:
        summary = traceback.TracebackException.from_exception(error, compact=True)
        drop_own_frames(summary)
        write("".join(summary.format()))
    except BaseException:
        write(f"{type(error).__name__}\n")


def print_line(text):
    write(f"{text}\n")


def drop_own_frames(summary):
    seen = set()
    waiting = [summary]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.stack[:] = [frame for frame in one.stack if not is_own(frame)]
        if not one.stack:
            one.stack = None  # leaves the line "Traceback" out as well
        waiting += [one.__cause__, one.__context__, *(one.exceptions or ())]


def one_line(error):
    """Returns the last line of a traceback, such as `ModuleNotFoundError: No module named 'shop'`."""
    try:
        text = "".join(traceback.format_exception_only(error)).strip()
        if isinstance(error, SyntaxError) and error.filename:
            text = f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
        return text.splitlines()[0]
    except BaseException:
        return type(error).__name__


def write(text):
    for stream in (sys.stderr, sys.__stderr__):
        try:
            stream.write(text)
            stream.flush()
            return
        except BaseException:
            continue  # the app may have closed or replaced it


def flush():
    """Flushes the output that the app has printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            continue
