"""One video that a source offers, and why it may not be had."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from styleheat.errors import InputError
from styleheat.files import fingerprint

Split = Literal["train", "test"]

LONGEST_ID = 150
"""Bytes of UTF-8. File systems take 255 for a name; the rest is left to later stages' suffixes and temporary names."""

# No file name on some system, breaks a list of one name a line, or is no Unicode.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]')


class Unavailable(Exception):
    """A video that can't be had.

    reason: short category to count by ("private", "network").
    detail: what exactly happened, for whoever looks into this one video.
    transient: another attempt may succeed; the next run makes it.
    """

    def __init__(self, reason: str, detail: str = "", transient: bool = False) -> None:
        super().__init__(reason, detail, transient)  # all three, so that it survives pickling between processes
        self.reason, self.detail, self.transient = reason, detail, transient


class Lesser(list[Path]):
    """Files of a video that came in a smaller picture than there is, of so many lines; another attempt may bring a
    better one."""

    def __init__(self, files: Iterable[Path], lines: int) -> None:
        super().__init__(files)
        self.lines = lines


@dataclass(frozen=True)
class Item:
    """One video of a source, to be fetched into `<split>/<id>.mp4`.

    id: unique within the set and legal as a file name everywhere (see `safe_name`).
    person: who is seen; all of a person's videos are in one split, unless the source has but one person.
    key: JSON-able facts that the fetched files depend on; equal keys need no fetching again.
    fetch: picklable; `fetch(path)` writes the video to `path`, and perhaps a sidecar beside it, each atomically, and
        returns the files written, as `Lesser` if they may come better. It raises `Unavailable` or `InputError` and then
        leaves nothing behind.
    faulty: it is known already that `fetch` will raise; the item is there to be accounted for.
    clips: how many clips the source asks for in it; one in a video that is to be cut as the crop stage sees fit.
    """

    id: str
    person: str
    split: Split
    key: Any
    fetch: Callable[[Path], Sequence[Path]]
    faulty: bool = False
    clips: int = 1


def faulty(id: str, person: str, key: Any, fault: InputError | Unavailable, clips: int = 1) -> Item:
    """An item that can't be had, as is known before anything is fetched."""
    return Item(id, person, "train", key, partial(_refuse, fault), faulty=True, clips=clips)


def _refuse(fault: Exception, path: Path) -> list[Path]:
    raise fault


def safe_name(text: str) -> str:
    """`text` as part of a file name: nothing hidden, no separators or control characters, at most `LONGEST_ID` bytes.

    A name that is legal already stays as it is; a shortened one ends in a hash of the whole, so that names that differ
    only at their ends stay apart.
    """
    name = _UNSAFE.sub("_", text).strip(" .") or "_"
    name = re.sub("-align$", "_align", name)  # the LMDB keys of x's aligned frames begin as those of a clip x-align
    if len(name.encode()) > LONGEST_ID:
        tail = "~" + fingerprint(text)
        name = name.encode()[: LONGEST_ID - len(tail)].decode(errors="ignore") + tail
    return name


def shuffled(names: Iterable[str]) -> list[str]:
    """The distinct names in an order that is random, yet the same for the same names on every machine."""
    return sorted(set(names), key=lambda name: (fingerprint(name), name))
