"""SIGINT and SIGTERM as exceptions, and for work that must not be cut off in the middle of a step."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM)

REPEAT_S = 1.0
"""Signals that come within this time of the first ask for the same end: Slurm signals every process of a job, and
`launch.run` passes on what it gets."""

WATCH_S = 1.0


class Interrupted(KeyboardInterrupt):
    """A signal ended the work. signum: its number."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@dataclass
class Pending:
    """signal: the number of the first signal that came, None before."""

    signal: int | None = None


@contextlib.contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call `handler` for SIGINT and SIGTERM within the block. Does nothing outside of the main thread, and leaves
    signals alone that this process ignores (SIGINT in a script's background jobs)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM raise `Interrupted`, in the main thread."""
    last = -REPEAT_S

    def interrupt(signum: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last > REPEAT_S:
            last = time.monotonic()
            raise Interrupted(signum)

    with handled(interrupt):
        yield


@contextlib.contextmanager
def deferred() -> Iterator[Pending]:
    """Within the block a first SIGINT or SIGTERM is noted; another one more than `REPEAT_S` later raises `Interrupted`
    at once."""
    pending = Pending()
    noted = 0.0

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal noted
        if pending.signal is None:
            pending.signal, noted = signum, time.monotonic()
        elif time.monotonic() - noted > REPEAT_S:
            raise Interrupted(signum)

    with handled(note):
        yield pending


def ignore(*_: object) -> None:
    """Ignore SIGINT and SIGTERM from now on: for helper processes that their parent ends when it needs them no more,
    as a DataLoader's `worker_init_fn`."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_with(process: psutil.Process) -> None:
    """Send SIGTERM to this process when another one has ended, in whatever way."""

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(WATCH_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end_with", daemon=True).start()
