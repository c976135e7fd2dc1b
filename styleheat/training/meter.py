"""What a training records: losses, norms and logits, gathered on the device and read once an interval."""

import math
import resource
import time

import torch
from torch import Tensor

from styleheat.errors import InputError
from styleheat.training.distributed import World

CLIPS_NAMED = 8
"""Clips that an error names."""

Row = dict[str, float]


class Meter:
    """Values of the steps since the last point of the curves, by name; they stay on the device until they are needed.

    rows: the steps that have been read, each with its number under `step`; a checkpoint keeps them.
    """

    def __init__(self, world: World, name: str, rows: list[Row]) -> None:
        """name: of the params group, for errors."""
        self.world, self.name, self.rows = world, name, rows
        self._unread: list[tuple[int, dict[str, Tensor], list[str]]] = []
        self._waited = self._paused = 0.0
        self._steps = 0
        self._since = time.perf_counter()

    def add(self, step: int, values: dict[str, Tensor], clips: list[str]) -> None:
        """Values, scalars, of this process in a step, numbered from 1, and the clips of its samples."""
        self._unread.append((step, values, clips))
        self._steps += 1

    def waited(self, seconds: float) -> None:
        """Seconds that were spent waiting for samples."""
        self._waited += seconds

    def paused(self, seconds: float) -> None:
        """Seconds that do not count in the speed: of validation, sample grids and checkpoints."""
        self._paused += seconds

    def read(self, losses: set[str]) -> None:
        """Read the device: means over the processes, one row a step. Raises InputError, on every process, when a loss
        of any was not finite."""
        if not self._unread:
            return
        own = torch.stack([value.detach().float() for _, row, _ in self._unread for value in row.values()])
        means = self.world.average(own).tolist()
        if not all(map(math.isfinite, means)):
            faults = self.world.gather(self._fault(own.tolist(), losses))
            fault = next((fault for fault in faults if fault), None)
            if fault:
                raise InputError(f"{fault}; try a smaller {self.name}.lr in params.yaml, or precision: float32")
        values = iter(means)
        self.rows += [{"step": step} | {key: next(values) for key in row} for step, row, _ in self._unread]
        self._unread = []

    def point(self, losses: set[str], samples: int) -> tuple[Row, Row]:
        """Read, and begin a new interval: the means over its steps of the losses, and of all else with the speed.

        samples: of a step.
        """
        self.read(losses)
        elapsed = max(1e-9, time.perf_counter() - self._since - self._paused)
        means = mean_rows(self.rows)
        speed = {
            "speed/samples_per_second": samples * self._steps / elapsed,
            "speed/waiting_share": self._waited / elapsed,
            "speed/memory_gb": peak_memory(self.world.device),
        }
        point = {"step": self.rows[-1]["step"], "steps": float(len(self.rows))}
        self.rows, self._steps, self._waited, self._paused, self._since = [], 0, 0.0, 0.0, time.perf_counter()
        found = {key: value for key, value in means.items() if key in losses}
        return point | found, {key: value for key, value in means.items() if key not in losses} | speed

    def _fault(self, own: list[float], losses: set[str]) -> str | None:
        """The first loss of this process that is not finite: step, term, clips."""
        values = iter(own)
        for step, row, clips in self._unread:
            for key in row:
                value = next(values)
                if key in losses and not math.isfinite(value):
                    shown = ", ".join(clips[:CLIPS_NAMED]) + (", ..." if len(clips) > CLIPS_NAMED else "")
                    return f"a loss is not finite at step {step}: {key} is {value} on the clips {shown}"
        return None


def mean_rows(rows: list[Row]) -> Row:
    """The mean of each key but `step` and `steps` over the rows that have it, each weighed by its `steps` (or 1)."""
    totals: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for key in row.keys() - {"step", "steps"}:
            totals.setdefault(key, []).append((row[key], row.get("steps", 1.0)))
    order = dict.fromkeys(key for row in rows for key in row if key in totals)
    return {
        key: math.fsum(value * weight for value, weight in totals[key]) / math.fsum(weight for _, weight in totals[key])
        for key in order
    }


def peak_memory(device: torch.device) -> float:
    """GB that this process has allocated on its GPU at most; of the CPU's memory without one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
