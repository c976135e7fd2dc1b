"""A small real project, its stages run in processes that can be killed, and the points to kill them at.

`old` is the project before, made from the videos a and b; `new` the one after: a has changed, b has gone, c has come.
A stage is tried between the two: its own folder is the old one, all that it reads is new.
"""

import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from joblib.externals.loky import get_reusable_executor

from stages import account, coefficients, crop, download, landmarks, pack
from styleheat.clips import index, store, workers, writer
from styleheat.clips.account import FOLDERS
from styleheat.errors import InputError
from styleheat.media.video import VideoWriter
from styleheat.params import Params, check_params, read_yaml
from styleheat.pipeline import Stage

ROOT = Path(__file__).parents[2]
STAGES: dict[str, ModuleType] = {
    "download": download,
    "crop": crop,
    "landmarks": landmarks,
    "coefficients": coefficients,
    "pack": pack,
}
FRAMES = 26


def params(workers: int = 1, backend: str = "loky") -> Params:
    """Those of the default for a folder `in`, with clips of 64 pixels."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["runtime"] |= {"workers": workers, "backend": backend}
    tree["sets"]["vox"] |= {
        "source": tree["sets"]["vox"]["source"] | {"kind": "local", "path": "in", "people": None, "test_people": 1},
        "crop": tree["sets"]["vox"]["crop"] | {"size": 64},
        "pack": tree["sets"]["vox"]["pack"] | {"size": 64, "align_size": 32},
    }
    return check_params(tree)


def face(shift: int, size: int = 160) -> np.ndarray:
    """An image of a face, shifted by some pixels."""
    import skimage.data

    face = skimage.data.astronaut()[:300, 75:375]
    return np.roll(cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA), shift, axis=1)


def write_video(path: Path, frames: list[np.ndarray], **options: Any) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, (width, height), **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def write_input(folder: Path, shifts: dict[str, int]) -> None:
    for name, shift in shifts.items():
        audio = 0.1 * np.sin(np.arange(FRAMES * 640) * 0.1 * (1 + shift))
        write_video(folder / f"{name}.mp4", [face(shift + k // 8) for k in range(FRAMES)], samples=audio)


def make_projects(folder: Path) -> None:
    """The old project and the new one, all stages done."""
    for name, shifts in (("old", {"a": 0, "b": 3}), ("new", {"a": 1, "c": 5})):
        write_input(folder / name / "in", shifts)
        assert run(folder / name, *STAGES) == (0, "")


def between(old: Path, new: Path, stage: str, project: Path) -> Path:
    """The project at the moment when a stage has to turn the old results into the new ones."""
    shutil.copytree(new / "in", project / "in")
    before = list(STAGES)[: list(STAGES).index(stage)]
    for name in before:
        shutil.copytree(new / "data/vox" / FOLDERS[name], project / "data/vox" / FOLDERS[name])
    shutil.copytree(old / "data/vox" / FOLDERS[stage], project / "data/vox" / FOLDERS[stage])
    return project


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


# --- processes

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])  # imports once; each run is a fork of that


def start(
    project: Path,
    *stages: str,
    point: str | None = None,
    workers: int = 1,
    backend: str = "loky",
    cluster: str | None = None,
) -> BaseProcess:
    """Run stages one after the other in a process of their own, to be killed at a point of `POINTS`. cluster: address
    of dask's scheduler."""
    process = _context.Process(target=_child, args=(project, stages, point, workers, backend, cluster))
    process.start()
    return process


def run(project: Path, *stages: str, **options: Any) -> tuple[int, str]:
    """Exit status (negative: the signal), and the line of an error."""
    process = start(project, *stages, **options)
    process.join()
    said = project / "said.txt"
    line = said.read_text() if said.exists() else ""
    said.unlink(missing_ok=True)
    assert process.exitcode is not None
    return process.exitcode, line


def _child(
    project: Path, stages: tuple[str, ...], point: str | None, workers: int, backend: str, cluster: str | None
) -> None:
    os.chdir(project)
    if cluster is not None:
        os.environ["DASK_SCHEDULER_ADDRESS"] = cluster
    if point is not None:
        (_waits if point == "waits" else POINTS[point])()
    try:
        for name in stages:
            module = account if name == "account" else STAGES[name]
            module.body(Stage(name, params(workers, backend), "vox"))
    except InputError as error:
        Path("said.txt").write_text(str(error))
        sys.exit(1)
    finally:
        if workers > 1 and backend == "loky":
            # A child of multiprocessing would wait for them to go by themselves, which takes five minutes.
            get_reusable_executor().shutdown()


# --- where to kill


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(owner: Any, name: str, *, after: bool, when: Callable[..., bool] = lambda *_: True) -> Callable[[], None]:
    """A function that makes `owner.name` kill the process before or after its work, at the first call that fits."""

    def install() -> None:
        original = getattr(owner, name)

        def deadly(*args: Any, **kwargs: Any) -> Any:
            fits = when(*args)
            if fits and not after:
                die()
            result = original(*args, **kwargs)
            if fits:
                die()
            return result

        setattr(owner, name, deadly)

    return install


def _waits() -> None:
    """Not a kill: the first clip takes until the file `waiting` is removed."""
    original = workers._attempt

    def waiting(*args: Any) -> Any:
        if not Path("waited").exists():
            Path("waited").touch()
            Path("waiting").touch()
            while Path("waiting").exists():
                time.sleep(0.02)
        return original(*args)

    workers._attempt = waiting


def _torn_record() -> None:
    """Half of a record reaches the disk."""

    def fsync(handle: int) -> None:
        os.ftruncate(handle, os.fstat(handle).st_size - 20)
        die()

    _on_second_record(fsync)


def _recorded() -> None:
    _on_second_record(lambda handle: (_fsync(handle), die()))


_fsync = os.fsync


def _on_second_record(act: Callable[[int], Any]) -> None:
    """Let `act` take the place of the second sync of the journal; the first records what is forgotten."""
    calls = iter([_fsync])

    def fsync(handle: int) -> None:
        journal = Path(f"/proc/self/fd/{handle}").readlink().name == index.JOURNAL
        (next(calls, act) if journal else _fsync)(handle)

    os.fsync = fsync


def _is_result(source: Path, target: Path) -> bool:
    return Path(target).suffix in (".mp4", ".txt", ".mat", ".zip")


def _is_index(source: Path, target: Path) -> bool:
    return Path(target).name == index.INDEX


def _is_database(source: Path, target: Path) -> bool:
    return Path(target).name == store.DATABASE


def _is_list(source: Path, target: Path) -> bool:
    return Path(target).name.endswith("_list.txt")


POINTS: dict[str, Callable[[], None]] = {
    "before the folder is taken": _at(index, "sole_owner", after=False),
    "before the journal is read": _at(index, "_replay_journal", after=False),
    "the journal is open": _at(index, "_journal", after=True),
    "what is outdated is forgotten but not removed": _at(index, "_remove_files", after=False),
    "one outdated clip is removed": _at(index, "_remove_files", after=True),
    "a result is written but has no name": _at(Path, "replace", after=False, when=_is_result),
    "a result has its name but no record": _at(workers, "_attempt", after=True),
    "a record is torn": _torn_record,
    "a clip is recorded": _recorded,
    "the index is written but has no name": _at(Path, "replace", after=False, when=_is_index),
    "the index has its name beside the journal": _at(index, "write", after=True),
    "before the metrics": _at(Stage, "write_metrics", after=False),
}
"""Name → what arms it in the process to be killed."""

PACK_POINTS: dict[str, Callable[[], None]] = {
    "a clip is in the LMDB": _at(writer._Writer, "put", after=True),
    "the LMDB is written but not read back": _at(writer, "_verify", after=False),
    "the LMDB is read back but has no name": _at(Path, "replace", after=False, when=_is_database),
    "the LMDB has its name, its lists are old": _at(Path, "replace", after=True, when=_is_database),
    "the LMDB has its name, a list is written but has none": _at(Path, "replace", after=False, when=_is_list),
    "before the packed clips are let go": _at(Path, "unlink", after=False, when=lambda path, *_: path.suffix == ".zip"),
}
"""Those of the second half of `pack`."""
POINTS |= PACK_POINTS


# --- a full disk: `unshare --user --map-root-user --mount python -m tests.stages.campaign OLD NEW FOLDER STAGE...`


def fill_up(old: Path, new: Path, folder: Path, stages: list[str]) -> dict[str, Any]:
    """Run each stage on a file system that has room for hardly more than is there, then on the same with more."""
    report = {}
    for stage in stages:
        mount = folder / stage
        mount.mkdir(parents=True)
        _mount(mount, "size=64m")
        project = between(old, new, stage, mount / "project")
        shutil.rmtree(project / "data/vox" / FOLDERS[stage])  # which would make room when it is brought up to date
        space = os.statvfs(mount)
        used = (space.f_blocks - space.f_bfree) * space.f_frsize
        _mount(mount, f"remount,size={used + 3 * space.f_frsize}")
        full = run(project, stage)
        _mount(mount, "remount,size=64m")
        again = run(project, stage)
        same = content(project / "data/vox" / FOLDERS[stage]) == content(new / "data/vox" / FOLDERS[stage])
        report[stage] = {"full": full, "again": again, "same": same}
    return report


def _mount(folder: Path, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 32 if options.startswith("remount,") else 0  # MS_REMOUNT
    data = options.removeprefix("remount,").encode()
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", flags, data):
        raise OSError(ctypes.get_errno(), f"mount {folder} {options}")


if __name__ == "__main__":
    folders = [Path(word) for word in sys.argv[1:4]]
    print(json.dumps(fill_up(*folders, sys.argv[4:])))
