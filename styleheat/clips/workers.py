"""One clip's work, done by many processes, on this machine or others, whatever befalls them: crashes, hangs, bugs."""

import contextlib
import errno
import importlib
import json
import multiprocessing
import os
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from styleheat.clock import EXIT_TOO_LONG, TookTooLong, time_limit
from styleheat.errors import InputError
from styleheat.files import DISK_FULL, digest

UNEXPECTED = "unexpected"
"""How the reason of a clip begins that failed by an exception nobody planned for: a bug, to be looked at."""


@dataclass(frozen=True)
class Task:
    """One clip to process.

    fingerprint: stands for all that the result depends on: the content of the inputs and the parameters (see
        `styleheat.files.fingerprint`). Equal fingerprints mean that the clip needs no work.
    args: picklable arguments for the work function, after the clip's name.
    facts: small JSON-able numbers and words, recorded whatever becomes of the clip.
    """

    fingerprint: str
    args: tuple[Any, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of one clip: some files, or a reason.

    files: paths of what was made, all inside the folder. A clip may be well and have none.
    reason: why the clip is lost, as a short category to count by ("no face"); None means it is well.
    detail: the reason in full, for whoever looks into this one clip.
    transient: the same clip may succeed another time (network, time-out), or come better; the next run tries it again,
        and keeps what there is until then.
    facts: small JSON-able numbers and words about the clip (frames, seconds), the same in every run.
    """

    files: Sequence[str | Path] = ()
    reason: str | None = None
    detail: str = ""
    transient: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


Work = Callable[..., Outcome]
"""`work(clip, *task.args)`, a picklable function that writes its files by `styleheat.files.atomic`."""


@dataclass(frozen=True)
class Entry:
    """One clip of an index. `files` maps paths relative to the folder (with "/") to 32 hex digits of their sha256."""

    fingerprint: str
    files: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    detail: str = ""
    transient: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.reason is None

    def to_json(self) -> dict[str, Any]:
        """Only what is there: an index of a hundred thousand clips stays readable and small."""
        return {key: value for key, value in vars(self).items() if value or key == "fingerprint"}


def _importable(work: Work) -> Work:
    """The function as its module's own name gives it, when that module was started by `python -m`.

    Of `__main__`, workers would get a new copy with each task, without what the module keeps (a loaded model).
    """
    spec = sys.modules[work.__module__].__spec__
    if work.__module__ != "__main__" or spec is None:
        return work
    return getattr(importlib.import_module(spec.name), work.__name__)


@dataclass
class Runner:
    """Runs tasks on joblib workers and yields (clip, entry) as they end, whatever befalls the workers.

    backend: of joblib. Workers that are started elsewhere, as a cluster's may be, go to this process's folder first.
    """

    folder: Path
    work: Work
    workers: int
    backend: str
    timeout_s: float

    def __call__(self, todo: Mapping[str, Task]) -> Iterator[tuple[str, Entry]]:
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        waiting = dict(todo)
        while waiting:
            taken: dict[str, Task] = {}  # by the workers, and not returned yet

            def take(waiting: dict[str, Task], taken: dict[str, Task]) -> Iterator[tuple[str, Task]]:
                for clip in list(waiting):
                    taken[clip] = waiting.pop(clip)
                    yield clip, taken[clip]

            try:
                for clip, entry in self._parallel(take(waiting, taken), self.workers):
                    taken.pop(clip, None)
                    yield clip, entry
            except (TerminatedWorkerError, TimeoutError):
                # A worker died, or no result came. One of the clips in hand did it: each is tried alone.
                for clip, task in taken.items():
                    yield self._alone(clip, task)

    def _alone(self, clip: str, task: Task) -> tuple[str, Entry]:
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        reason = "worker died"
        try:
            # Two workers for one task: joblib runs a single worker inside this process, which must live.
            return next(iter(self._parallel(iter([(clip, task)]), workers=2)))
        except TimeoutError:
            reason = "took too long"
        except TerminatedWorkerError as error:
            if f"EXIT({EXIT_TOO_LONG})" in str(error):
                reason = "took too long"
        return clip, Entry(task.fingerprint, reason=reason, transient=True)

    def _parallel(self, tasks: Iterator[tuple[str, Task]], workers: int) -> Iterator[tuple[str, Entry]]:
        import joblib

        work = _importable(self.work)
        # On loky, each worker ends a hanging task itself; elsewhere joblib stops waiting for it.
        own_clock = self.backend == "loky"
        calls = (
            joblib.delayed(_attempt)(
                Path.cwd(), self.folder, work, clip, task, self.timeout_s, own_clock and workers > 1
            )
            for clip, task in tasks
        )
        options = {"n_jobs": workers, "batch_size": 1, "timeout": None if own_clock else 2 * self.timeout_s}
        with warnings.catch_warnings(), _backend(self.backend, workers):
            warnings.filterwarnings("ignore", message=".*worker stopped while some jobs.*")
            try:
                results = joblib.Parallel(**options, return_as="generator_unordered")(calls)
            except ValueError:  # ray returns no generators: a round of tasks at a time
                results = _in_rounds(joblib.Parallel(**options), calls, 4 * workers)
            for clip, entry in results:
                if entry is None:
                    raise OSError(errno.ENOSPC, "the disk is full")
                yield clip, entry


def _in_rounds(parallel: Any, calls: Iterator[Any], size: int) -> Iterator[tuple[str, Entry | None]]:
    import itertools

    while batch := list(itertools.islice(calls, size)):
        yield from parallel(batch)


@contextlib.contextmanager
def _backend(name: str, workers: int) -> Iterator[None]:
    """joblib's back end by name; dask and ray are the user's to install."""
    import joblib

    with contextlib.ExitStack() as stack:
        try:
            if name == "ray":
                from ray.util.joblib import register_ray

                register_ray()
            elif name == "dask":
                from distributed import Client

                address = os.environ.get("DASK_SCHEDULER_ADDRESS")
                options = {"address": address} if address else {"n_workers": workers, "threads_per_worker": 1}
                stack.enter_context(Client(**options))
        except ImportError as error:
            raise InputError(
                f"runtime.backend: {name!r} needs the package {error.name!r}; install it, or use 'loky'"
            ) from error
        stack.enter_context(joblib.parallel_config(backend=name))
        yield


def _attempt(
    top: Path, folder: Path, work: Work, clip: str, task: Task, timeout_s: float, may_exit: bool
) -> tuple[str, Entry | None]:
    """Run the work function in a worker, from the folder `top`; every failure becomes an entry. None stands for a full
    disk: the run ends."""
    lost: dict[str, Any]
    try:
        _go_to(top)
        with time_limit(timeout_s, may_exit):
            made = work(clip, *task.args)
            names = sorted(os.path.relpath(name, folder) for name in made.files)
            contents = {name: digest(folder / name)[:32] for name in names}
            facts = json.loads(json.dumps(dict(made.facts), allow_nan=False))
        return clip, Entry(task.fingerprint, contents, made.reason, made.detail, made.transient, facts)
    except InputError as error:
        # "<file>: what is wrong (how); what would be right": what is wrong is the reason to count by.
        what = re.sub(r" \(.*?\)", "", str(error).split(": ", 1)[-1].split(";")[0])
        lost = {"reason": what, "detail": str(error)}
    except TookTooLong:
        lost = {"reason": "took too long", "transient": True}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return clip, None
        where = _deepest_own_line(error)
        lost = {"reason": f"{UNEXPECTED} {type(error).__name__}", "detail": f"{error} ({where})", "transient": True}
    return clip, Entry(task.fingerprint, **lost)


def _go_to(top: Path) -> None:
    """Be in the project's folder, to which all paths are relative: a worker on a cluster may be started anywhere."""
    try:
        if Path.cwd() != top:
            os.chdir(top)
    except OSError as error:
        raise OSError(f"{top} is not there on {platform.node()}; workers need the project under one path") from error


def gpu_of_worker(device: str) -> str:
    """`cuda`, which means any, as the GPU of this worker: those of a machine take turns. Another device as it is."""
    import torch

    if device != "cuda":
        return device
    number = re.search(r"\d+$", multiprocessing.current_process().name)
    return f"cuda:{int(number[0] if number else os.getpid()) % torch.cuda.device_count()}"


def _deepest_own_line(error: BaseException) -> str:
    """The last line of the traceback, as module:line, without the path of this machine."""
    trace = error.__traceback__
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
