"""A folder of the user's own videos.

    folder/anna.mp4          person anna, clip anna
    folder/anna#kitchen.mov  person anna, clip anna#kitchen
    folder/bert/walk.mkv     person bert, clip bert#walk

Whole people are held out for testing, so that scores tell how new faces fare. Where the folder has one person only,
some of their videos are held out instead, and of a single video its last quarter: the scores then tell how new
sentences of a known face fare. Which people are held out depends on the names in the folder and nothing else.
"""

import shutil
from collections import defaultdict
from functools import partial
from pathlib import Path

from styleheat.errors import InputError
from styleheat.files import atomic, digest, write_json
from styleheat.media.audio import read_audio
from styleheat.media.container import opened, video_stream
from styleheat.media.video import VideoWriter, probe, read_frames
from styleheat.sources.item import Item, Split, safe_name, shuffled

AS_THEY_ARE = (".mp4", ".m4v", ".mov")
"""Files of one family (ISO base media): copied byte for byte, renamed to .mp4."""

REPACKED = (".mkv", ".webm", ".avi")
"""Files whose streams are moved into an .mp4, without loss where mp4 can hold them."""

HELD_OUT = 4
"""One in so many videos of a single person, or one part in so many of a single video, is held out."""


def items(folder: Path, test_people: int) -> list[Item]:
    """The files of `folder`, at any depth; those that are no whole video fail when they are fetched.

    test_people: people held out, at least one is left to train on.
    Raises `InputError` when there is no such folder or not one video in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; put your videos there, or name another in source.path")
    names = _names(folder)
    faults = {path: _fault(path) for path in names}
    videos: dict[str, list[str]] = defaultdict(list)
    for path, name in names.items():
        if faults[path] is None:
            videos[_person(name)].append(name)
    if not videos:
        kinds = " ".join(AS_THEY_ARE + REPACKED)
        raise InputError(f"{folder}: holds no video that can be read; put some there ({kinds})")

    held_out = _held_out(videos, test_people)
    found = []
    for path, name in names.items():
        person, fault, content = _person(name), faults[path], digest(path)
        split: Split = "test" if name in held_out else "train"
        if fault is not None:
            found.append(Item(name, person, split, ["local", path.suffix, content], partial(_refuse, fault)))
        elif len(videos) == 1 and len(videos[person]) == 1:
            seconds = probe(path).seconds
            parts: list[tuple[Split, float, float]] = [
                ("train", 0.0, seconds * (1 - 1 / HELD_OUT)),
                ("test", seconds * (1 - 1 / HELD_OUT), seconds),
            ]
            for split, start, end in parts:
                fetch = partial(_fetch_part, path, f"{name}#{split}", person, start, end)
                key = ["local", path.suffix, content, start, end]
                found.append(Item(f"{name}#{split}", person, split, key, fetch))
        else:
            found.append(Item(name, person, split, ["local", path.suffix, content], partial(_fetch, path)))
    return found


def _names(folder: Path) -> dict[Path, str]:
    """The id of each file. Hidden files and the folder's README are nobody's videos."""
    names: dict[Path, str] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not path.is_file() or any(part.startswith(".") for part in parts) or parts == ("README.md",):
            continue
        folders = [part.replace("#", "_") for part in parts[:-1]]
        name = safe_name("#".join([*folders, path.stem]))
        if name in names.values():  # anna.mp4 and anna.mov
            name = safe_name("#".join([*folders, path.stem, path.suffix[1:]]))
        while name in names.values():
            name += "_"
        names[path] = name
    return names


def _person(name: str) -> str:
    return name.split("#")[0]


def _fault(path: Path) -> InputError | None:
    """Why a file can't be used, if so. Looked at before people are held out, so that these are people indeed."""
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
        return set(shuffled(only)[: max(1, len(only) // HELD_OUT)])
    people = shuffled(videos)[: min(test_people, len(videos) - 1)]
    return {name for person in people for name in videos[person]}


def _refuse(fault: InputError, path: Path) -> list[Path]:
    raise fault


def _fetch_part(source: Path, clip: str, person: str, start: float, end: float, path: Path) -> list[Path]:
    """The whole video, and a sidecar that tells the crop stage to use a part of it only."""
    segment = {
        "clip": clip,
        "person": person,
        "start": round(start, 3),
        "end": round(end, 3),
        "size": None,
        "crop": None,
        "face": None,
        "ratio": None,
    }
    sidecar = path.with_suffix(".json")
    files = _fetch(source, path)
    write_json(sidecar, {"video": path.stem, "segments": [segment]})
    return [*files, sidecar]


def _fetch(source: Path, path: Path) -> list[Path]:
    with atomic(path) as temporary:
        if source.suffix.lower() in AS_THEY_ARE:
            shutil.copyfile(source, temporary)
        elif not _repack(source, temporary):
            _encode(source, temporary)
    return [path]


def _repack(source: Path, path: Path) -> bool:
    """Move picture and sound, as they are, into an mp4. False when mp4 can't hold them."""
    import av

    try:
        with opened(source) as container, av.open(str(path), "w", format="mp4") as output:
            streams = [video_stream(container), *container.streams.audio[:1]]
            copies = {stream.index: output.add_stream_from_template(stream) for stream in streams if stream}
            for packet in container.demux(*(stream for stream in streams if stream)):
                if packet.size:  # an empty one ends each stream
                    packet.stream = copies[packet.stream.index]
                    output.mux(packet)
        probe(path)
    except (InputError, av.error.FFmpegError, ValueError):
        return False
    return True


def _encode(source: Path, path: Path) -> None:
    info = probe(source)
    size = (info.width // 2 * 2, info.height // 2 * 2)
    samples = read_audio(source) if info.has_audio else None
    with VideoWriter(path, size, samples=samples) as writer:
        for frame in read_frames(source, size=size):
            writer.write(frame)
