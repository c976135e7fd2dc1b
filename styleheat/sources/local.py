"""A folder of the user's own videos.

    folder/anna.mp4          person anna, clip anna
    folder/anna#kitchen.mov  person anna, clip anna#kitchen
    folder/bert/walk.mkv     person bert, clip bert#walk

People are held out for testing with all of their videos, so that scores are those of unknown faces. Where the folder
has only one person, some of their videos are held out instead, and of a single video its last third: the scores are
then those of new sentences of a known face. Which people are held out depends on the names in the folder only.
"""

import contextlib
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from styleheat.errors import InputError
from styleheat.files import atomic, digest, write_json
from styleheat.media.audio import read_audio
from styleheat.media.video import VideoWriter, probe, read_frames
from styleheat.sources.item import Item, Split, faulty, safe_name, shuffled
from styleheat.sources.repack import repack
from styleheat.sources.segments import Segment, write_segments

AS_THEY_ARE = (".mp4", ".m4v", ".mov")
"""Files of one family (ISO base media): copied byte for byte, renamed to .mp4."""

REPACKED = (".mkv", ".webm", ".avi")
"""Files whose streams are moved into an .mp4, without loss where mp4 can hold them."""

HELD_OUT_VIDEOS = 1 / 4
HELD_OUT_PART = 1 / 3
"""Shares that are held out of a single person's videos, and of a single video."""


def items(folder: Path, test_people: int, notes: Path, person: str | None = None) -> list[Item]:
    """The files of `folder`, at any depth; those that are no complete video are listed as faulty.

    person: pattern of ids, see `params.Source`. test_people: people held out, at least one is left to train on.
    notes: a file that lists the videos that were checked: they are not read and hashed again unless they changed.
    Raises `InputError` when there is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; put your videos there, or name another in source.path")
    names = _names(folder)
    checked = _check(folder, names, notes)
    videos: dict[str, list[str]] = defaultdict(list)
    for path, name in names.items():
        if checked[path][1] is None:
            videos[_person(name, person)].append(name)
    if not videos:
        kinds = " ".join(AS_THEY_ARE + REPACKED)
        raise InputError(f"{folder}: holds no video that can be read; put some there ({kinds})")

    held_out = _held_out(videos, test_people)
    found = []
    for path, name in names.items():
        whose, (content, fault) = _person(name, person), checked[path]
        split: Split = "test" if name in held_out else "train"
        if fault is not None:
            found.append(faulty(name, whose, ["local", path.suffix, content], fault))
        elif len(videos) == 1 and len(videos[whose]) == 1:
            seconds = probe(path).seconds
            turn = round(seconds * (1 - HELD_OUT_PART), 3)
            parts: list[tuple[Split, float, float | None]] = [("train", 0.0, turn), ("test", turn, None)]
            for split, start, end in parts:
                segment = Segment(f"{name}#{split}", whose, start, end)
                key = ["local", path.suffix, content, start, end]
                found.append(Item(segment.clip, whose, split, key, partial(_fetch_part, path, segment)))
        else:
            found.append(Item(name, whose, split, ["local", path.suffix, content], partial(_fetch, path)))
    return found


def _names(folder: Path) -> dict[Path, str]:
    """The id of each file, except hidden files and the folder's README."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in sorted(_files(folder)):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts) or parts == ("README.md",):
            continue
        folders = [part.replace("#", "_") for part in parts[:-1]]
        name = safe_name("#".join([*folders, path.stem]))
        if name in taken:  # anna.mp4 and anna.mov
            name = safe_name("#".join([*folders, path.stem, path.suffix[1:]]))
        while name in taken:
            name += "_"
        names[path] = name
        taken.add(name)
    return names


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, following links to folders; none twice where these form a cycle."""
    entered: set[Path] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        entered.add(here.resolve())
        folders[:] = [name for name in folders if (here / name).resolve() not in entered]
        yield from (here / name for name in files if (here / name).is_file())


def _person(name: str, pattern: str | None) -> str:
    found = re.fullmatch(pattern, name) if pattern else None
    return found[1] if found and found[1] else name.split("#")[0]


def _check(folder: Path, paths: Iterable[Path], notes: Path) -> dict[Path, tuple[str, InputError | None]]:
    """The hash of each file's content, and the reason if it can't be used.

    Usable videos are noted with inode, size and times, of which the time of the last status change can't be forged.
    """
    noted: dict[str, list[Any]] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        noted = json.loads(notes.read_text())
    checked: dict[Path, tuple[str, InputError | None]] = {}
    usable = {}
    for path in paths:
        status, name = path.stat(), path.relative_to(folder).as_posix()
        state = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known, content = noted.get(name, (None, ""))
        checked[path] = (content, None) if known == state else (digest(path), _fault(path))
        if checked[path][1] is None:
            usable[name] = [state, checked[path][0]]
    if usable != noted:
        write_json(notes, usable)
    return checked


def _fault(path: Path) -> InputError | None:
    """Why a file can't be used, or None. Checked before people are held out, so that each has a usable video."""
    if path.suffix.lower() not in AS_THEY_ARE + REPACKED:
        return InputError(f"{path}: not a video; expected {' '.join(AS_THEY_ARE + REPACKED)}")
    try:
        probe(path)
    except InputError as error:
        return error
    return None


def _held_out(videos: dict[str, list[str]], test_people: int) -> set[str]:
    """Ids of the videos to test on."""
    if len(videos) == 1:
        (only,) = videos.values()
        return set(shuffled(only)[: max(1, int(len(only) * HELD_OUT_VIDEOS))])
    people = shuffled(videos)[: min(test_people, len(videos) - 1)]
    return {name for person in people for name in videos[person]}


def _fetch_part(source: Path, segment: Segment, path: Path) -> list[Path]:
    """The full video, and a sidecar with the part that the crop stage uses."""
    return [*_fetch(source, path), write_segments(path, [segment])]


def _fetch(source: Path, path: Path) -> list[Path]:
    if source.suffix.lower() in AS_THEY_ARE:
        with atomic(path) as temporary:
            shutil.copyfile(source, temporary)
    else:
        try:
            repack(source, source, path)
        except InputError:
            _encode(source, path)
    return [path]


def _encode(source: Path, path: Path) -> None:
    """Encode streams that mp4 can't hold (such as an .avi with PCM audio) as H.264 and AAC at 25 frames a second."""
    info = probe(source)
    size = (info.width // 2 * 2, info.height // 2 * 2)
    samples = read_audio(source) if info.has_audio else None
    with VideoWriter(path, size, samples=samples) as writer:
        for frame in read_frames(source, size=size):
            writer.write(frame)
