"""Waiting in an event loop for the streams of `wasi:http`, which are no sockets."""

import asyncio
import selectors
import time

from wit_world.imports import monotonic_clock
from wit_world.imports.poll import poll

NOTHING_LEFT = (
    "asyncio waits for something that nothing can bring about any more: no timer, no socket and no other task is left, "
    "and a dyno has no other thread"
)
# Sockets and streams cannot be waited for in one call. While there are both, they are looked at in turn, at first often.
TURN_MIN_SECONDS = 0.001
TURN_MAX_SECONDS = 0.02


class Wait:
    """Waits in a coroutine until a pollable is ready: `await Wait(…)`.

    It is in the set `held` of the stream's owner meanwhile. The host requires that the pollable goes before the stream:
    the owner closes what is left. A wait that is closed ends at once.
    """

    def __init__(self, pollable, held):
        loop = asyncio.get_running_loop()
        self.pollable = pollable
        self.future = loop.create_future()
        self.sets = (held, loop._selector.waits)
        for waits in self.sets:
            waits.add(self)

    def __await__(self):
        try:
            yield from self.future
        finally:
            self.close()

    def close(self):
        if self.pollable is None:
            return
        self.pollable.__exit__(None, None, None)
        self.pollable = None
        for waits in self.sets:
            waits.discard(self)
        if not self.future.done():
            self.future.set_result(None)


class Selector(selectors.DefaultSelector):
    """Waits for sockets, for streams (`waits`), for both, or only for the time."""

    def __init__(self):
        super().__init__()
        self.waits = set()
        self.stalled = self.raise_stalled

    def select(self, timeout=None):
        if self.waits:
            return self.select_both(timeout) if self.get_map() else self.select_waits(timeout)
        if self.get_map():
            return super().select(timeout)
        if timeout is None:
            self.stalled()
        elif timeout > 0:
            time.sleep(timeout)
        return []

    def raise_stalled(self):
        """Called when nothing is left to wait for. An owner of the loop may replace it."""
        raise RuntimeError(NOTHING_LEFT)

    def select_waits(self, timeout):
        self.end_ready_waits(timeout)
        return []

    def end_ready_waits(self, timeout):
        """Waits until a stream is ready, at most `timeout` seconds, and ends the waits for all that are."""
        waits = [*self.waits]
        if timeout is not None and timeout <= 0:
            ready = [wait for wait in waits if wait.pollable.ready()]
        elif timeout is None and len(waits) == 1:
            waits[0].pollable.block()
            ready = waits
        else:
            ready = poll_waits(waits, timeout)
        for wait in ready:
            wait.close()
        return bool(ready)

    def select_both(self, timeout):
        end = None if timeout is None else time.monotonic() + timeout
        turn = TURN_MIN_SECONDS
        while True:
            events = super().select(0)
            left = turn if end is None else min(turn, end - time.monotonic())
            if self.end_ready_waits(0 if events else left) or events or left <= 0:
                return events
            turn = min(2 * turn, TURN_MAX_SECONDS)


def poll_waits(waits, timeout):
    pollables = [wait.pollable for wait in waits]
    if timeout is None:
        ready = poll(pollables)
    else:
        with monotonic_clock.subscribe_duration(int(timeout * 1e9)) as timer:
            ready = poll([*pollables, timer])
    return [waits[at] for at in ready if at < len(waits)]
