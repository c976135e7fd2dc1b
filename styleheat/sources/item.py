"""One video of a source, and the reasons for which it may be unavailable."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from styleheat.errors import InputError
from styleheat.files import fingerprint

Split = Literal["train", "test"]

MAX_ID_BYTES = 150
"""Bytes of UTF-8. File systems take 255 for a name; the rest is left to later stages' suffixes and temporary names."""

# Not allowed in file names on some system, or breaks a list of one name a line, or is not Unicode.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]')


class Unavailable(Exception):
    """A video that can't be fetched.

    reason: short category to count by ("private", "network").
    detail: what exactly happened, for analysing this video.
    transient: another attempt may succeed; the next run makes one.
    """

    def __init__(self, reason: str, detail: str = "", transient: bool = False) -> None:
        super().__init__(reason, detail, transient)  # all three, so that it survives pickling between processes
        self.reason, self.detail, self.transient = reason, detail, transient


class LowResolution(list[Path]):
    """Files of a video that was fetched at a lower resolution than it has, of `lines` lines; another attempt may
    fetch a higher one."""

    def __init__(self, files: Iterable[Path], lines: int) -> None:
        super().__init__(files)
        self.lines = lines


@dataclass(frozen=True)
class Item:
    """One video of a source, to be fetched into `<split>/<id>.mp4`.

    id: unique within the set and legal as a file name everywhere (see `safe_name`).
    person: who is in it; all of a person's videos are in one split, unless the source has only one person.
    key: JSON-serialisable values that the fetched files depend on; files with an equal key are not fetched again.
    fetch: picklable; `fetch(path)` writes the video to `path`, and perhaps a sidecar beside it, each atomically, and
        returns the files written, as `LowResolution` where that applies. It raises `Unavailable` or `InputError`, and
        then leaves no files.
    faulty: it is already known that `fetch` will raise; the item is listed to be counted.
    clips: how many clips the source lists in it; 1 where the crop stage decides.
    """

    id: str
    person: str
    split: Split
    key: Any
    fetch: Callable[[Path], Sequence[Path]]
    faulty: bool = False
    clips: int = 1


def faulty(id: str, person: str, key: Any, fault: InputError | Unavailable, clips: int = 1) -> Item:
    """An item that is known to be unavailable before anything is fetched."""
    return Item(id, person, "train", key, partial(_refuse, fault), faulty=True, clips=clips)


def _refuse(fault: Exception, path: Path) -> list[Path]:
    raise fault


def safe_name(text: str) -> str:
    """`text` as part of a file name: nothing hidden, no separators or control characters, at most `MAX_ID_BYTES` bytes.

    A legal name is not changed; a shortened one ends in a hash of the full name, so that names that differ only at
    their ends stay different.
    """
    name = _UNSAFE.sub("_", text).strip(" .") or "_"
    name = re.sub("-align$", "_align", name)  # the LMDB keys of x's aligned frames start like those of a clip x-align
    if len(name.encode()) > MAX_ID_BYTES:
        tail = "~" + fingerprint(text)
        name = name.encode()[: MAX_ID_BYTES - len(tail)].decode(errors="ignore") + tail
    return name


def shuffled(names: Iterable[str]) -> list[str]:
    """The distinct names in a pseudo-random order, which depends on the names only."""
    return sorted(set(names), key=lambda name: (fingerprint(name), name))
