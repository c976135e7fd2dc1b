"""VoxCeleb 1 and 2: interviews on YouTube, one video holding many utterances of one person.

Two kinds of annotation are supported; full videos are fetched, and a sidecar lists what the crop stage cuts:

- The official archives (`vox1_dev_txt.zip`, `vox1_test_txt.zip`, `vox2_dev_txt.zip`, `vox2_test_txt.zip`, read as
  they are, never unpacked, or unpacked into folders of the same names without `.zip`): one text file an utterance,
  `<person>/<video>/<utterance>.txt`, with a face box for each of its frames.
- `vox-metadata.csv` of video-preprocessing (20,075 clips of VoxCeleb 1), which contains crop windows. It is
  fetched when there is no archive.

Frames are counted at 25 a second in both.
"""

import csv
import io
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

from styleheat.constants import FPS
from styleheat.errors import InputError
from styleheat.params import Youtube
from styleheat.sources import youtube
from styleheat.sources.item import Item, Split, Unavailable, safe_name
from styleheat.sources.lists import obtain, read_text
from styleheat.sources.segments import Segment

METADATA = "vox-metadata.csv"
METADATA_URL = (
    "https://raw.githubusercontent.com/AliaksandrSiarohin/video-preprocessing/"
    "ac40aac58657a3d8db85421cd4afcf465e86ead1/vox-metadata.csv"
)
METADATA_SHA256 = "dfbaf55a6edaaf84add29f93692f8bb7289aff1102631bcdf1b1aaf52f3953f7"

TEST_PEOPLE = frozenset(f"id{number}" for number in range(10270, 10310))
"""VoxCeleb 1's. Those of VoxCeleb 2 are the people of its test archive."""

LINES = 360
"""Height of the frames in which VoxCeleb 1's face boxes were measured; VoxCeleb 2's are shares of the frame."""

_UTTERANCE = re.compile(r"(?:.*/)?(?P<person>[^/]+)/(?P<video>[A-Za-z0-9_-]{11})/(?P<utterance>\d+)\.txt")


def items(folder: Path, lines: int, access: Youtube, scratch: Path) -> list[Item]:
    """One item a video, whose id is YouTube's.

    lines: maximum height of a fetched video.
    Raises `InputError` when the annotations can't be read.
    """
    archives = [path for path in sorted(folder.glob("vox[12]_*_txt*")) if path.is_dir() or path.suffix == ".zip"]
    if archives:
        return _from_archives(archives, lines, access, scratch)
    table = obtain(folder / METADATA, METADATA_URL, METADATA_SHA256)
    return _from_table(table, lines, access, scratch)


# --- the clip table


def _from_table(table: Path, lines: int, access: Youtube, scratch: Path) -> list[Item]:
    videos = read_table(table)
    # The table marks a few clips of its test people as "train", and lists some of them twice.
    listed = [(segment.person, partition) for clips in videos.values() for segment, partition in clips]
    test_people = TEST_PEOPLE | {person for person, partition in listed if partition == "test"}
    found = []
    for video, clips in videos.items():
        segments = sorted({segment for segment, _ in clips}, key=lambda segment: (segment.start, segment.clip))
        split: Split = "test" if any(segment.person in test_people for segment in segments) else "train"
        key = ["voxceleb", video, lines, [list(vars(segment).values()) for segment in segments]]
        fetch = partial(youtube.fetch_segments, video, segments, lines, access, scratch)
        found.append(Item(video, segments[0].person, split, key, fetch, clips=len(segments)))
    return found


def read_table(path: Path) -> dict[str, list[tuple[Segment, str]]]:
    """(clip, its partition) of each video of a `vox-metadata.csv`. Raises `InputError` naming the first bad line."""
    videos: dict[str, list[tuple[Segment, str]]] = defaultdict(list)
    rows = csv.DictReader(io.StringIO(read_text(path)))
    for row in rows:
        try:
            person, video, start, end = row["person_id"], row["video_id"], int(row["start"]), int(row["end"])
            left, top, right, bottom = (float(side) for side in row["bbox"].split("-"))
            fps, size = float(row["fps"]), (float(row["width"]), float(row["height"]))
            partition = row["partition"]
            if not youtube.VIDEO_ID.fullmatch(video):
                raise ValueError(f"{video!r} is no video id")
            if not (0 <= start < end and left < right and top < bottom and min(fps, *size) > 0):
                raise ValueError("a range or a box is empty")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path}: line {rows.line_num} is not a clip ({error}); expected "
                "video_id,start,end,bbox,fps,width,height,partition,person_id"
            ) from error
        segment = Segment(
            clip=safe_name(f"{person}#{video}#{start:06d}#{end:06d}"),
            person=person,
            start=start / fps,
            end=end / fps,
            size=size,
            crop=(left, top, right, bottom),
        )
        videos[video].append((segment, partition))
    return videos


# --- the official archives


def _from_archives(archives: list[Path], lines: int, access: Youtube, scratch: Path) -> list[Item]:
    """Only names and checksums are read here, as there are a million files; `_fetch_utterances` reads a video's own."""
    utterances: dict[tuple[str, str], list[tuple[Path, str, int]]] = defaultdict(list)
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for archive in archives:
        for name, checksum in _listed(archive):
            if match := _UTTERANCE.fullmatch(name):
                where = match["person"], match["video"]
                utterances[where].append((archive, name, checksum))
                splits[where].add("test" if "test" in archive.name or match["person"] in TEST_PEOPLE else "train")
    if not utterances:
        raise InputError(f"{archives[0]}: holds no <person>/<video>/<utterance>.txt; fetch the archive again")

    videos: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for person, video in sorted(utterances):
        videos[video].append((person, video))
    found = []
    for video, wheres in videos.items():
        split: Split = "test" if any("test" in splits[where] for where in wheres) else "train"
        files = [file for where in wheres for file in sorted(utterances[where], key=lambda file: file[1])]
        key = ["voxceleb", video, lines, [[name, checksum] for _, name, checksum in files]]
        places = [(archive, name) for archive, name, _ in files]
        fetch = partial(_fetch_utterances, video, places, lines, access, scratch)
        found.append(Item(video, wheres[0][0], split, key, fetch, clips=len(files)))
    return found


def _listed(archive: Path) -> Iterator[tuple[str, int]]:
    """(name, CRC-32) of each file of a zip or a folder."""
    if archive.is_dir():
        for path in sorted(archive.rglob("*.txt")):
            yield path.relative_to(archive).as_posix(), zlib.crc32(path.read_bytes())
        return
    try:
        for info in _zip(archive).infolist():
            yield info.filename, info.CRC
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive}: not a complete zip file ({error}); fetch it again") from error


@lru_cache(maxsize=4)
def _zip(archive: Path) -> zipfile.ZipFile:
    """Opened once per process: the table of contents takes seconds to read."""
    return zipfile.ZipFile(archive)


def _fetch_utterances(
    video: str, places: list[tuple[Path, str]], lines: int, access: Youtube, scratch: Path, path: Path
) -> list[Path]:
    segments = []
    for archive, name in places:
        match = _UTTERANCE.fullmatch(name)
        assert match is not None
        if archive.is_dir():
            text = (archive / name).read_text(encoding="utf-8-sig")
        else:
            text = _zip(archive).read(name).decode("utf-8-sig")
        segment = read_utterance(text, match["person"], video, match["utterance"])
        if segment is not None:
            segments.append(segment)
    if not segments:
        raise Unavailable("no frames listed", f"{video}: no line of FRAME X Y W H in its {len(places)} files")
    return youtube.fetch_segments(video, segments, lines, access, scratch, path)


def read_utterance(text: str, person: str, video: str, utterance: str) -> Segment | None:
    """The clip of one utterance's file: some lines about it, then `FRAME X Y W H` and a line for each frame.

    None when it lists no frame.
    """
    rows = []
    for line in text.partition("FRAME")[2].splitlines()[1:]:
        try:
            frame, x, y, width, height = (float(cell) for cell in line.split())
        except ValueError:
            continue
        rows.append((frame, x, y, width, height))
    if not rows:
        return None
    first, x, y, width, height = rows[0]
    shares = max(x, y, width, height) <= 1
    return Segment(
        clip=safe_name(f"{person}#{video}#{utterance}"),
        person=person,
        start=first / FPS,
        end=(rows[-1][0] + 1) / FPS,
        size=(1, 1) if shares else (None, LINES),
        face=(x, y, x + width, y + height),
    )
