"""What the parts of the benchmark share: a project of example videos, its stages, and times."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages import account, coefficients, crop, download, landmarks, pack
from styleheat.media.video import VideoWriter
from styleheat.params import PARAMS_FILE, Params, check_params, read_yaml
from styleheat.pipeline import Stage

ROOT = Path(__file__).parents[2]
STAGES = {"download": download, "crop": crop, "landmarks": landmarks, "coefficients": coefficients, "pack": pack}
WORKERS = 2
SIZE = 256


def params(size: int = SIZE, packed: int | None = None) -> Params:
    """A local source, clips of a size, and frames of the same or another one."""
    tree = read_yaml(ROOT / PARAMS_FILE)
    tree["runtime"]["workers"] = WORKERS
    tree["sets"]["vox"] |= {
        "source": tree["sets"]["vox"]["source"] | {"kind": "local", "path": "in", "people": None, "test_people": 1},
        "crop": tree["sets"]["vox"]["crop"] | {"size": size, "max_frames": 1_000_000},
        "pack": tree["sets"]["vox"]["pack"] | {"size": packed or size, "align_size": packed or size},
    }
    return check_params(tree)


def run(name: str, args: Params) -> None:
    module = account if name == "account" else STAGES[name]
    module.body(Stage(name, args, "vox"))


@contextlib.contextmanager
def working_in(folder: str) -> Iterator[None]:
    """Be in a folder, and have joblib's workers start there anew: they stay where they were started."""
    from joblib.externals.loky import get_reusable_executor

    with contextlib.chdir(folder):
        get_reusable_executor().shutdown(wait=True)
        yield


@functools.cache
def head() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()[:300, 75:375]


def example_frames(width: int, height: int, frames: int, person: int = 0) -> Iterator[np.ndarray]:
    """A head that moves about in the middle of a still, coarse pattern; another one for each person."""
    y, x = np.mgrid[:height, :width]
    pattern = 110 + 40 * np.sin(x / (30 + person)) * np.cos(y / 40)
    back = np.repeat(pattern[..., None], 3, axis=2).astype(np.uint8)
    side = height * 3 // 5
    face = cv2.resize(head(), (side, side), interpolation=cv2.INTER_AREA)
    for number in range(frames):
        frame = back.copy()
        left = (width - side) // 2 + round(side / 20 * np.sin(number / 9 + person))
        frame[height // 5 : height // 5 + side, left : left + side] = face
        yield frame


def write_example(path: Path, width: int, height: int, frames: int, person: int = 0) -> Path:
    audio = 0.1 * np.sin(np.arange(frames * 640) * 0.1)
    with VideoWriter(path, (width, height), samples=audio) as writer:
        for frame in example_frames(width, height, frames, person):
            writer.write(frame)
    return path


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rates(frames: int, ours: float, usual: dict[str, float]) -> dict[str, float]:
    """Frames a second, and how many times as fast as each usual way that is. Those did one video of the two."""
    report = {"ours": round(2 * frames / ours, 1)}
    for name, seconds in usual.items():
        report[name] = round(frames / seconds, 1)
        report[f"ratio to {name}"] = round(2 * seconds / ours, 2)
    return report


def table(name: str, report: dict[str, Any]) -> str:
    rows = report if all(isinstance(row, dict) for row in report.values()) else {"": report}
    heads = list(dict.fromkeys(head for row in rows.values() for head in row))
    widths = [max(len(head), 9) + 3 for head in heads]
    lines = [name.ljust(16) + "".join(head.rjust(width) for head, width in zip(heads, widths, strict=True))]
    for row, cells in rows.items():
        texts = [f"{cells[head]:g}" if head in cells else "" for head in heads]
        lines.append(row.ljust(16) + "".join(text.rjust(width) for text, width in zip(texts, widths, strict=True)))
    return "\n".join(lines)
