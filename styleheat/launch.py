"""Several processes of one training on this machine: how many, their start, their signals, and how they ended.

`torchrun` does the same from outside, also on several machines; then `RANK` is set and nothing is launched here.
torch's elastic launcher is not used as a library: it signals process groups, which kills the data loader's
processes in the middle of a step; once a process has failed, it gives the others 30 seconds, which can't be changed;
and it takes the first process that exits for the one that failed, which is often one that only lost its peer.
"""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from styleheat import files, interrupts
from styleheat.errors import InputError
from styleheat.params import Runtime

GRACE_S = 600.0
"""How long processes have after SIGINT or SIGTERM: a full-size step on a CPU takes a minute, then they save."""

LOST_S = 15.0
"""How long processes have to notice that another one failed, before they get SIGTERM."""

CLOSING_S = 150.0
"""How long they have from then on: more than `tracking.tracker.CLOSING_S`."""

POLL_S = 0.1

TAIL_LINES = 20
"""Lines of its output that are shown of a process that died without a word."""

_FOLDER = "STYLEHEAT_LAUNCH"
"""In the environment of the processes started here: where they leave the reason of their end."""

_INTERRUPTED = [128 + number for number in interrupts.SIGNALS]


def processes(runtime: Runtime) -> int:
    """How many processes a training shall have; 1 in a process that was started as one of several.

    Raises InputError when the device can't be had by as many as `runtime.processes`.
    """
    if "RANK" in os.environ:
        return 1
    wanted, device = runtime.processes, runtime.device
    gpus = _gpus() if device in ("auto", "cuda") else 0
    if wanted == "auto":
        return max(1, gpus)
    if gpus and wanted > gpus:
        raise InputError(f"params.yaml: runtime.processes: {wanted}, more than the GPUs here, {gpus}; auto would do")
    if wanted > 1 and not gpus and device not in ("auto", "cpu"):
        raise InputError(f"params.yaml: runtime.processes: {wanted}, but runtime.device is {device}; auto would do")
    return wanted


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def launched() -> bool:
    """Whether `run` started this process."""
    return _FOLDER in os.environ


def report(text: str, status: int, *, sure: bool = True) -> None:
    """Say why this process is about to end with an exit status: on stderr, or to the launching process, which shows the
    first reason of all. sure: false where the end of another process may be the reason."""
    if launched():
        reason = {"sure": sure, "time": time.time(), "status": status, "text": text}
        with contextlib.suppress(OSError):  # the disk may be full
            files.write_json(Path(os.environ[_FOLDER], f"{os.environ['RANK']}.json"), reason)
            return
    print(text, file=sys.stderr)


def run(title: str, count: int) -> int:
    """Run this process's own command `count` times as one training, and return the exit status.

    0: all ended well. 1: one failed; what it said is on stderr, once. 130, 143: SIGINT or SIGTERM ended it; signals are
    passed on, and the processes have `GRACE_S` to save. The first process's output goes where this one's goes.
    """
    from torch.distributed import TCPStore

    # The processes' rendezvous store. This process opens it, so no other program can take its port.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    signals: list[int] = []
    with tempfile.TemporaryDirectory(prefix="styleheat-") as folder:
        with interrupts.handled(lambda number, _: signals.append(number)):
            workers = [_start(rank, count, store.port, Path(folder)) for rank in range(count)]
            ended = _wait(workers, signals)
        statuses = [worker.returncode for worker in workers]
        if not any(statuses):
            return 0
        status, text = _reason(title, statuses, ended, signals, Path(folder))
    print(text, file=sys.stderr)
    return status


def _start(rank: int, count: int, port: int, folder: Path) -> subprocess.Popen:
    """One process. In a session of its own: a Ctrl-C in the terminal reaches it only once, from here."""
    import joblib

    environment = {
        "OMP_NUM_THREADS": str(max(1, joblib.cpu_count() // count)),
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store exists already: the first process opens none
        _FOLDER: str(folder),
    }
    command = [sys.executable, *sys.orig_argv[1:]]
    if rank == 0:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    with (folder / f"{rank}.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _wait(workers: list[subprocess.Popen], signals: list[int]) -> dict[int, float]:
    """Wait for the end of all, passing `signals` on as they come. Returns when each was seen ended; infinity stands for
    those that were killed here."""
    ended: dict[int, float] = {}
    passed, terminate, kill = 0, math.inf, math.inf
    while len(ended) < len(workers):
        time.sleep(POLL_S)
        now = time.time()
        for rank, worker in enumerate(workers):
            if rank not in ended and worker.poll() is not None:
                ended[rank] = math.inf if now > kill else now
                if worker.returncode in _INTERRUPTED:  # the others save
                    kill = min(kill, now + GRACE_S)
                elif worker.returncode:  # the others can't go on without it
                    terminate = min(terminate, now + LOST_S)
                    kill = min(kill, now + LOST_S + CLOSING_S)
        for number in signals[passed:]:
            _send(workers, number)
            kill = min(kill, now + GRACE_S)
            passed += 1
        if now > terminate:
            _send(workers, signal.SIGTERM)
            terminate = math.inf
        if now > kill:
            _send(workers, signal.SIGKILL)
    return ended


def _send(workers: list[subprocess.Popen], number: int) -> None:
    for worker in workers:
        worker.send_signal(number)  # nothing to one that has ended


def _reason(
    title: str, statuses: list[int], ended: dict[int, float], signals: list[int], folder: Path
) -> tuple[int, str]:
    """Exit status and text of what went wrong first, as far as a process can be sure that it was not because of another
    one."""
    reasons = []
    for rank, status in enumerate(statuses):
        path = folder / f"{rank}.json"
        process = f"{title}: process {rank + 1} of {len(statuses)}"
        if path.exists():
            left = json.loads(path.read_text())
            reasons.append((not left["sure"], left["time"], left["status"], left["text"]))
        elif ended[rank] == math.inf:
            asked = 128 + signals[0] if signals else 1
            reasons.append((True, math.inf, asked, f"{process} did not end in time and was killed"))
        elif status:
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}"
            sure = status < 0 and status != -signal.SIGABRT  # NCCL aborts a process that lost another one
            log = folder / f"{rank}.log"
            lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if log.exists() else []
            reasons.append((not sure, ended[rank], 1, "\n".join([*lines, f"{process} {how}"])))
    _, _, status, text = min(reasons)
    return status, text
