"""Packing clips into an LMDB."""

import argparse
import functools
import io
import itertools
from pathlib import Path

import cv2
import lmdb
import numpy as np
from PIL import Image

from benchmarks.data.common import SIZE, params, rates, run, timed, write_example
from benchmarks.data.crop import warm_up
from styleheat.clips import index, store
from styleheat.clips.workers import Entry
from styleheat.face.align import ffhq_alignment
from styleheat.files import digest
from styleheat.morphable.coefficients import (
    read_landmarks,
    read_mat,
    write_landmarks,
    write_mat,
)


def measure_pack(args: argparse.Namespace) -> dict[str, float]:
    clips = [write_clip(f"{person}", args.frames, 2 * SIZE) for person in range(2)]
    warm_up()
    ours = timed(lambda: run("pack", params(2 * SIZE, packed=SIZE)))
    usual = {
        "Pillow": timed(lambda: pillow_loop(clips[0], Path("usual_aligned"), aligned=True)),
        "Pillow, nothing aligned": timed(lambda: pillow_loop(clips[0], Path("usual"), aligned=False)),
    }
    return rates(args.frames, ours, usual)


def write_clip(name: str, frames: int, size: int) -> Path:
    """A clip with its landmarks and coefficients, as the stages before pack leave them."""
    data = Path("data/vox")
    clip = write_example(data / "clips/train" / f"{name}.mp4", size, size, frames, int(name))
    points = np.tile(some_landmarks(size), (frames, 1, 1)) + np.sin(np.arange(frames) / 9)[:, None, None]
    write_landmarks(data / "landmarks" / f"{name}.txt", points)
    transform = np.tile(np.float32([256, 256, 1, 128, 128]), (frames, 1))
    write_mat(data / "coefficients" / f"{name}.mat", np.zeros((frames, 257)), transform)
    for folder, suffix in (("clips", ".mp4"), ("landmarks", ".txt"), ("coefficients", ".mat")):
        paths = sorted((data / folder).rglob(f"*{suffix}"))
        entries = {path.stem: made_of(data / folder, path) for path in paths}
        index.write(data / folder, entries)
    return clip


def made_of(folder: Path, *paths: Path) -> Entry:
    files = {path.relative_to(folder).as_posix(): digest(path)[:32] for path in paths}
    return Entry("f", files, facts={"person": paths[0].stem})


@functools.cache
def some_landmarks(size: int) -> np.ndarray:
    """(68, 2): those of the mean face, in the middle of a frame."""
    from styleheat.morphable.points import MEAN

    flat = MEAN[:, :2] * (1, -1)
    return (flat - flat.mean(0)) / np.ptp(flat, axis=0).max() * size * 0.45 + size / 2


def pillow_loop(clip: Path, folder: Path, aligned: bool) -> None:
    """Each frame by Pillow, all of a clip put in one transaction."""
    name = clip.stem
    data = clip.parents[2]
    points = read_landmarks(data / "landmarks" / f"{name}.txt")
    folder.mkdir()
    environment = lmdb.open(str(folder / "data.mdb"), map_size=1 << 30, subdir=False, lock=False)
    capture = cv2.VideoCapture(str(clip))
    with environment.begin(write=True) as transaction:
        for number in itertools.count():
            found, frame = capture.read()
            if not found:
                break
            image = Image.fromarray(frame[..., ::-1])
            images = {store.frame_key(name, number): image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)}
            if aligned:
                alignment = ffhq_alignment(points[number], image.width, image.height, SIZE)
                upright = Image.fromarray(alignment.apply(np.asarray(image)))
                images[store.frame_key(name, number, aligned=True)] = upright
            for key, one in images.items():
                buffer = io.BytesIO()
                one.save(buffer, "JPEG", quality=store.JPEG_QUALITY, subsampling=0)
                transaction.put(key.encode(), buffer.getvalue())
        transaction.put(f"{name}-keypoint".encode(), points.tobytes())
        transaction.put(f"{name}-coeff_3dmm".encode(), read_mat(data / "coefficients" / f"{name}.mat")[0].tobytes())
    environment.close()
