"""What every stage shares: parameters in, seeds, scratch folder, tracking, metrics out, and errors a user can read.

A stage module ends with `main(body)`, or `main(body, sets=True)` for those that work on one data set, which
`--set` names, or `main(body, processes=True)` for the trainings, which run as several processes where there are several
GPUs. Run from the top of the repository, as DVC does: `python -m stages.crop --set vox`.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from styleheat import files, interrupts, launch
from styleheat.errors import InputError
from styleheat.params import Params, load_params
from styleheat.tracking import MlflowTracker, Status, Tracker, dvc_process

SCRATCH = ".work"
"""Git-ignored folder, unknown to DVC, for what a killed run needs to go on."""

BOOKKEEPING = (
    "styleheat.interrupts",
    "styleheat.launch",
    "styleheat.params",
    "styleheat.params.data",
    "styleheat.params.inference",
    "styleheat.params.machine",
    "styleheat.params.training",
    "styleheat.params.types",
    "styleheat.pipeline",
    "styleheat.tracking",
    "styleheat.tracking.execution",
    "styleheat.tracking.store",
    "styleheat.tracking.tracker",
)
"""Modules that change no number of a training: a run goes on after they changed."""


@dataclass(frozen=True)
class Stage:
    """One stage at work.

    name: `crop`. set: `vox` or `hdtf` for stages that work on one set, else None.
    """

    name: str
    params: Params
    set: str | None = None
    tracker: Tracker = field(default_factory=Tracker)

    @property
    def title(self) -> str:
        """The stage as DVC names it: `train`, `crop@vox`."""
        return f"{self.name}@{self.set}" if self.set else self.name

    def scratch(self, fingerprint: str) -> Path:
        """A folder that outlives a kill, for the state of one training; the tracker goes on with its run too.

        fingerprint: stands for all that makes up the training but its length. The source code of the package is added
        to it: changed code starts afresh. Under `$DVC_ROOT`, which in an experiment's temporary checkout is the
        repository it came from.
        """
        folder = root() / SCRATCH / self.title / files.fingerprint(fingerprint, _code())
        folder.mkdir(parents=True, exist_ok=True)
        self.tracker.reuse(folder / "run.json")
        return folder

    def device(self) -> str:
        """The device of `runtime.device`: `cpu`, `cuda:0`, ...; of several processes on one machine each has a GPU of
        its own (`LOCAL_RANK`), unless one is named. Also seeds torch, whose import is too slow for stages that have no
        use for it. Raises InputError when the machine has no such device."""
        import torch

        torch.manual_seed(self.params.seed)
        wanted = self.params.runtime.device
        if wanted == "auto":
            wanted = "cuda" if torch.cuda.is_available() else "cpu"
        if wanted == "cuda":
            wanted = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        kind, _, number = wanted.partition(":")
        if kind == "cuda" and torch.cuda.device_count() <= int(number):
            raise InputError(f"params.yaml: runtime.device: no {wanted} here; cpu or auto would do")
        if kind == "mps" and not torch.backends.mps.is_available():
            raise InputError("params.yaml: runtime.device: no mps here; cpu or auto would do")
        return wanted

    def worker_device(self) -> str:
        """`device`, for the workers of a stage (`clips.workers.gpu_of_worker`): `cuda`, any of the machine's GPUs,
        unless one is named."""
        device = self.device()
        return "cuda" if device.startswith("cuda") and self.params.runtime.device in ("auto", "cuda") else device

    def metrics_path(self, name: str | None = None) -> Path:
        """`metrics/train.json`, `metrics/vox/crop.json`; `name` in place of the stage's own."""
        return Path("metrics", self.set or "", f"{name or self.name}.json")

    def write_metrics(self, metrics: Mapping[str, Any], name: str | None = None) -> None:
        """Write numbers and groups of numbers for `dvc metrics` and the tracker; empty groups, which DVC can't read,
        are left out. Nothing that differs between two runs of one seed (durations, dates) belongs here; NaN is refused
        (ValueError). name: of the file, where it isn't the stage's."""
        files.write_json(self.metrics_path(name), {key: value for key, value in metrics.items() if value != {}})
        numbers = {key: value for key, value in flatten(metrics).items() if isinstance(value, int | float)}
        self.tracker.log_metrics(numbers)


def main(
    body: Callable[[Stage], None],
    *,
    sets: bool = False,
    processes: bool = False,
    arguments: Sequence[str] | None = None,
) -> None:
    """Run a stage and leave the process: status 0; 1 after one line that says what the user can fix; 130 or 143 after
    SIGINT or SIGTERM. processes: run it as `runtime.processes` processes."""
    name = _module_name(body)
    parser = argparse.ArgumentParser(prog=f"python -m stages.{name}", description=sys.modules[body.__module__].__doc__)
    if sets:
        parser.add_argument("--set", required=True, choices=["vox", "hdtf"], help="the data set to work on")
    chosen = getattr(parser.parse_args(arguments), "set", None)
    title = f"{name}@{chosen}" if chosen else name
    # SIGTERM kills DVC, which doesn't pass it on. A training that went on alone would meet the next one in its folder.
    above = psutil.Process().parent() if launch.launched() else dvc_process()
    if above is not None:
        interrupts.end_with(above)
    tracker = Tracker()
    with interrupts.raised():
        try:
            params = load_params()
            count = launch.processes(params.runtime) if processes else 1
            if count > 1:
                sys.exit(launch.run(title, count))
            random.seed(params.seed)
            np.random.seed(params.seed)  # noqa: NPY002  for libraries that draw from it; our own code passes generators
            if os.environ.get("RANK", "0") == "0":  # of several processes of one training, the first keeps the records
                telling = params.model_dump(exclude={"runtime", "youtube"})
                tracker = MlflowTracker(root(), title, _own_params(params, name, chosen), flatten(telling))
            body(Stage(name, params, chosen, tracker))
            _close(tracker, "FINISHED")
        except BaseException as error:
            ended, status, line = _outcome(error)
            if line is not None:
                launch.report(f"{title}: {line}", status)
            elif launch.launched():
                # torch raises RuntimeError when another process is gone
                launch.report(traceback.format_exc().rstrip(), status, sure=not isinstance(error, RuntimeError))
            _close(tracker, ended)
            if line is None and not launch.launched():
                raise
            sys.exit(status)


def _outcome(error: BaseException) -> tuple[Status, int, str | None]:
    """How a stage that raised `error` ended, its exit status, and what the user should know, unless it is a defect of
    the program."""
    match error:
        case KeyboardInterrupt():
            number = error.signum if isinstance(error, interrupts.Interrupted) else signal.SIGINT
            return "KILLED", 128 + number, "interrupted; run again to go on"
        case InputError():
            return "FAILED", 1, str(error)
        case OSError() if error.errno in files.DISK_FULL:
            return "FAILED", 1, "the disk is full; free some space and run again, what is done is kept"
        case _:
            return "FAILED", 1, None


def _close(tracker: Tracker, status: Status) -> None:
    """End the tracker's run. A second signal from now on gives up the records that are not sent yet."""
    with contextlib.suppress(KeyboardInterrupt), interrupts.deferred():
        tracker.close(status)


def root() -> Path:
    """Top of the repository: `$DVC_ROOT` when DVC runs us, else where we are."""
    return Path(os.environ.get("DVC_ROOT", "."))


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{rest}": leaf for rest, leaf in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def _own_params(params: Params, name: str, chosen: str | None) -> dict[str, Any]:
    """The seed and the group of a stage, which has the stage's name (that of `download` is a set's `source`)."""
    tree = params.model_dump()
    group = tree["sets"][chosen] if chosen else tree
    own = group.get("source" if name == "download" else name, {})
    if name.startswith("infer_"):
        own = {**tree["infer"], **own}
    return {"seed": params.seed, **flatten(own)}


def _module_name(body: Callable[[Stage], None]) -> str:
    """`crop` for a function of `stages/crop.py`, also when that runs as `__main__`."""
    spec = sys.modules[body.__module__].__spec__
    assert spec is not None, "stages run as modules: python -m stages.<name>"
    return spec.name.rpartition(".")[2]


def _code() -> dict[str, str]:
    """Digests of the package's modules that are loaded."""
    loaded = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "styleheat"}
    return {
        name: files.digest(module.__file__)
        for name, module in sorted(loaded.items())
        if name not in BOOKKEEPING and module.__file__
    }
