"""A time limit for work that has to get on: it counts from the last sign of progress, not from the beginning."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

EXIT_TOO_LONG = 75
"""Exit status of a process whose work never came back to Python."""


class TookTooLong(BaseException):
    """Not an Exception, so that the work's own handlers let it pass."""


_deadline = 0.0
_seconds = 0.0


def progress() -> None:
    """The work gets on: the time limit of this process, if there is one, begins anew."""
    global _deadline
    _deadline = time.monotonic() + _seconds


@contextlib.contextmanager
def time_limit(seconds: float, may_exit: bool) -> Iterator[None]:
    """Raise TookTooLong in the block `seconds` after the last `progress`; with `may_exit`, leave the process after
    twice that, if native code never came back to Python.

    Signals reach only the main thread, which is where loky runs its tasks; elsewhere there is no limit here.
    """
    global _seconds
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def look(*_: object) -> None:
        left = _deadline - time.monotonic()
        if left <= 0:
            raise TookTooLong
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))

    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(max(0.01, _deadline + seconds - time.monotonic())):
            if time.monotonic() >= _deadline + seconds:
                os._exit(EXIT_TOO_LONG)

    before = signal.signal(signal.SIGALRM, look)
    _seconds = seconds
    progress()
    if may_exit:
        threading.Thread(target=watch, daemon=True).start()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        ended.set()
        signal.signal(signal.SIGALRM, before)
