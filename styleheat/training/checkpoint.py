"""Checkpoints: the full state of a training on disk, from which a killed run resumes."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from styleheat import files
from styleheat.errors import InputError

KEPT = 2
"""Checkpoints kept: if the disk damages the last one, the one before it is there."""

BEST = "best.pt"


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after `step` steps, down to the disk, and remove all but the last `KEPT` checkpoints."""
    with files.atomic(folder / f"step-{step:09d}.pt") as temporary:
        torch.save(state | {"step": step}, temporary)
    for old in _checkpoints(folder)[KEPT:]:
        old.unlink()


def save_best(folder: Path, state: dict[str, Any]) -> None:
    """Keep a state beside the checkpoints as the best so far."""
    with files.atomic(folder / BEST) as temporary:
        torch.save(state, temporary)


def load_best(folder: Path) -> dict[str, Any]:
    """What `save_best` wrote last. Raises InputError when it is damaged or missing."""
    try:
        return torch.load(folder / BEST, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{folder / BEST}: missing; remove {folder} to train anew, or export: last") from None
    except DAMAGED as error:
        raise InputError(f"{folder / BEST}: damaged ({_first_line(error)}); remove {folder} to train anew") from None


def load_last(folder: Path, steps: int) -> dict[str, Any] | None:
    """The state of the last checkpoint, on the CPU; None where there is none, or where it is further than `steps`.

    A damaged one is named in a line, and the one before it is taken. Raises InputError when all are damaged.
    """
    found = _checkpoints(folder)
    for path in found:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except DAMAGED as error:
            tqdm.write(f"{path}: damaged checkpoint ({_first_line(error)}); the one before it is tried")
            continue
        return state if state["step"] <= steps else None
    if found:
        raise InputError(f"{folder}: every checkpoint is damaged; remove this folder to train anew")
    return None


DAMAGED = (RuntimeError, EOFError, OSError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _checkpoints(folder: Path) -> list[Path]:
    """The latest first."""
    return sorted(folder.glob("step-*.pt"), reverse=True)
