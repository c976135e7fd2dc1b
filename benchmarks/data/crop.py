"""Cutting windows out of videos."""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.data.common import SIZE, WORKERS, params, rates, run, timed, write_example
from styleheat.clips import index
from styleheat.clips.workers import Entry, Outcome, Task
from styleheat.files import digest


def measure_crop(args: argparse.Namespace) -> dict[str, float]:
    box = [510, 90, 1410, 990]
    for person in range(2):
        video = write_example(Path("data/vox/videos/train", f"{person}.mp4"), 1920, 1080, args.frames, person)
        segment = {"clip": video.stem, "start": 0, "end": None, "size": None, "crop": box, "face": None, "ratio": None}
        video.with_suffix(".json").write_text(json.dumps({"segments": [segment]}))
    fetched(Path("data/vox/videos"))
    warm_up()
    ours = timed(lambda: run("crop", params()))
    usual = timed(lambda: imageio_loop(Path("data/vox/videos/train/0.mp4"), box, Path("usual.mp4")))
    return rates(args.frames, ours, {"imageio": usual})


def imageio_loop(video: Path, box: list[int], path: Path) -> None:
    """All frames in a list, each cropped and resized by scikit-image, then saved."""
    import imageio.v3 as iio
    from skimage import img_as_ubyte
    from skimage.transform import resize

    left, top, right, bottom = box
    frames = [frame[top:bottom, left:right] for frame in iio.imiter(video, plugin="pyav")]
    small = [img_as_ubyte(resize(frame, (SIZE, SIZE), anti_aliasing=True)) for frame in frames]
    iio.imwrite(path, np.stack(small), plugin="pyav", codec="libx264", fps=25)


def fetched(folder: Path) -> None:
    """Write the index that the download stage leaves."""
    entries: dict[str, Entry] = {}
    for path in sorted(folder.glob("*/*")):
        entry = entries.setdefault(path.stem, Entry("f", facts={"person": path.stem, "split": "train", "clips": 1}))
        files = {**entry.files, path.relative_to(folder).as_posix(): digest(path)[:32]}
        entries[path.stem] = replace(entry, files=files)
    index.write(folder, entries)


def warm_up() -> None:
    """Start joblib's workers and let them import, which a run of a thousand clips doesn't notice."""
    tasks = {str(number): Task("f") for number in range(4 * WORKERS)}
    index.process("warm", tasks, imported, workers=WORKERS)


def imported(clip: str) -> Outcome:
    from styleheat.face.landmarks import mediapipe
    from styleheat.media.mel import mel_spectrogram

    mediapipe()
    mel_spectrogram(np.zeros(16_000))
    time.sleep(0.2)  # so that each worker takes some
    return Outcome()
