"""Planning, listing and resuming a set of 150,000 clips."""

import argparse
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.common import params, run, timed
from styleheat.clips import index, store, writer
from styleheat.clips.account import FOLDERS
from styleheat.clips.workers import Entry, Task
from styleheat.constants import LANDMARKS, PACKED_COEFFICIENTS
from styleheat.params import Params, check_params


class Planned(Exception):
    """Thrown where a stage hands over its tasks."""


def measure_index(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Stages of a set that is done but for the index of each, whose journal says so: a run killed at its end."""
    from styleheat.clips.account import read_account

    own = params(128)
    report = {"download": index_of_archive(args.indexed)}
    names = [f"id{number // 100:05d}#video{number // 8:06d}#{number:06d}" for number in range(args.indexed)]
    data = Path("data/vox")
    videos = {name: made_up(name, ".mp4", "train", person=name[:7]) for name in names}
    index.write(folder_of(data, "download"), videos)
    touch(data / "videos", videos.values())
    for stage, suffix in (("crop", ".mp4"), ("landmarks", ".txt"), ("coefficients", ".mat")):
        folder = folder_of(data, stage)
        tasks = {}
        planned = spent("plan", lambda stage=stage, tasks=tasks: tasks.update(tasks_of(stage, own)))
        record_all(folder, tasks, suffix)
        resumed = spent("resume", lambda stage=stage: run(stage, own))
        report[stage] = planned | resumed | spent("list", lambda f=folder, suffix=suffix: index.outputs(f, suffix))
    tasks = {}
    planned = spent("plan", lambda: tasks.update(tasks_of("pack", own)))
    pack_all(folder_of(data, "pack"), tasks, own)
    resumed = spent("resume", lambda: run("pack", own))
    report["pack"] = planned | resumed | spent("list", lambda: store.ClipStore(data / "lmdb", 128).clips("train"))
    report["account"] = spent("list", lambda: read_account(data).page("x"))
    return report


def spent(what: str, work: Callable[[], Any]) -> dict[str, float]:
    """Seconds by the clock, and of this process alone: what it takes where nothing else runs, but for the disk."""
    start = time.process_time()
    seconds = timed(work)
    return {what: round(seconds, 1), f"{what}, CPU": round(time.process_time() - start, 1)}


def record_all(folder: Path, tasks: dict[str, Task], suffix: str) -> None:
    """What a run leaves that is killed when all is made and recorded, but the index not written."""
    made = {name: replace(made_up(name, suffix, "train"), fingerprint=task.fingerprint) for name, task in tasks.items()}
    touch(folder, made.values())
    with index._journal(folder) as record:
        record(made.items())


def pack_all(folder: Path, tasks: dict[str, Task], args: Params) -> None:
    """What `pack` leaves that is killed before it writes its index; each clip has one frame, of one pixel."""
    pixel = store.encode_image(np.zeros((1, 1, 3), np.uint8))
    path = folder / str(args.sets.vox.pack.size) / store.DATABASE
    path.parent.mkdir()
    with writer._Writer(path) as database:
        for clip, task in tasks.items():
            values = {
                store.frame_key(clip, 0): pixel,
                store.frame_key(clip, 0, aligned=True): pixel,
                f"{clip}-coeff_3dmm": bytes(4 * PACKED_COEFFICIENTS),
                f"{clip}-keypoint": bytes(8 * LANDMARKS),
                f"{clip}-length": b"0000001",
                f"{clip}-source": task.fingerprint.encode(),
            }
            database.put((key.encode(), value) for key, value in values.items())
        database.put([(b"length", f"{len(tasks):07d}".encode())])
    for split in store.SPLITS:
        (folder / f"{split}_list.txt").write_text("".join(f"{clip}\n" for clip in tasks if split == "train"))


def index_of_archive(clips: int) -> dict[str, float]:
    """The first stage, on an archive of VoxCeleb's form with so many utterances, eight a video."""
    tree = params(128).model_dump()
    tree["sets"]["vox"]["source"] |= {"kind": "voxceleb", "path": "archives"}
    own = check_params(tree)
    Path("archives").mkdir()
    with zipfile.ZipFile("archives/vox2_dev_txt.zip", "w") as archive:
        for number in range(clips):
            video = f"video{number // 8:06d}"
            archive.writestr(f"txt/id{number // 100:05d}/{video}/{number % 8:05d}.txt", "FRAME X Y W H\n0 0 0 9 9\n")
    tasks: dict[str, Task] = {}
    planned = spent("plan", lambda: tasks.update(tasks_of("download", own)))
    folder = folder_of(Path("data/vox"), "download")
    record_all(folder, tasks, ".mp4")
    resumed = spent("resume", lambda: run("download", own))
    return planned | resumed | spent("list", lambda: index.outputs(folder, ".mp4"))


def folder_of(data: Path, stage: str) -> Path:
    folder = data / FOLDERS[stage]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_up(name: str, suffix: str, split: str, **facts: Any) -> Entry:
    file = f"{split}/{name}{suffix}" if suffix == ".mp4" else f"{name}{suffix}"
    pose = {axis: {"0": 90, "10": 10} for axis in ("pitch", "yaw", "roll")}
    known = {
        "split": split, "clips": {name: [100, 256]}, "audio": True, "frames": 100, "faces": 100,
        "backend": "fit", "filled_in": 0, "error": 0.01, "pose": pose,
    }  # fmt: skip
    return Entry("f", {file: name.ljust(32)}, facts=known | facts)


def touch(folder: Path, made: Iterable[Entry]) -> None:
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
    for entry in made:
        for name in entry.files:
            Path(f"{folder}/{name}").touch()


def tasks_of(stage: str, args: Params) -> dict[str, Task]:
    """What a stage would hand to its workers."""
    caught: dict[str, Task] = {}

    def catch(folder: Path, tasks: dict[str, Task], *_: Any, **__: Any) -> None:
        caught.update(tasks)
        raise Planned

    original, index.process = index.process, catch
    try:
        run(stage, args)
    except Planned:
        pass
    finally:
        index.process = original
    return caught
