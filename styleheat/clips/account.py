"""The account of a set: the outcome of every requested clip, from the indexes of the stages.

A clip is asked for by its source, or is a further stretch that the crop stage found in a video. It ends in the LMDB, or
is lost in one stage for one reason: asked for = packed + lost, always. A video that can't be had stands for all its
clips, by their number.
"""

import csv
import html
import io
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from styleheat.clips import index
from styleheat.constants import FPS
from styleheat.errors import InputError

FOLDERS = {
    "download": "videos",
    "crop": "clips",
    "landmarks": "landmarks",
    "coefficients": "coefficients",
    "pack": "lmdb",
}
"""What each stage fills, in the order in which a clip passes them."""

POSE_BIN = 10
"""Degrees of head turn that are counted together."""

AXES = ("pitch", "yaw", "roll")
"""The order of a frame's angles."""

SHOWN = 500
"""Lost clips that the page names; the table has them all."""


@dataclass(frozen=True)
class Row:
    """One clip. Of a video that can't be had: all of its clips, `clips` in number.

    lost: the stage that it was lost in; empty for one in the LMDB. again: the next run tries it again.
    frames: at 25 a second. side: of its square, in pixels of the video. face_rate: share of the frames with a face.
    duplicate_of: an earlier clip of the very same content.
    """

    clip: str
    video: str
    person: str
    split: str
    clips: int = 1
    lost: str = ""
    reason: str = ""
    detail: str = ""
    again: bool = False
    frames: int = 0
    side: int = 0
    face_rate: float | None = None
    duplicate_of: str = ""


@dataclass(frozen=True)
class Account:
    """Every clip of a set.

    lesser: videos in smaller images than their list has, which the next run asks for again.
    backends: what found the landmarks and the coefficients. pose: axis → middle of the bin in degrees → frames.
    bytes: of each folder.
    """

    rows: list[Row]
    videos: int
    lesser: int
    backends: Mapping[str, str]
    pose: Mapping[str, Mapping[int, int]]
    bytes: Mapping[str, int]

    def metrics(self) -> dict[str, Any]:
        """Numbers and groups of numbers, of which clips asked = packed + lost."""
        packed = [row for row in self.rows if not row.lost]
        splits = {split: [row for row in packed if row.split == split] for split in ("train", "test")}
        asked = sum(row.clips for row in self.rows)
        by_clip = {row.clip: row for row in self.rows}
        copies = [row for row in self.rows if row.duplicate_of]
        seen = [row for row in self.rows if row.face_rate is not None]
        frames = sum(row.frames for row in seen)
        sides = sorted(row.side for row in packed)
        return {
            "videos": self.videos,
            "lesser_videos": self.lesser,
            "backends": dict(self.backends),
            "clips": {"asked": asked, "packed": len(packed), "lost": asked - len(packed)},
            "lost": self.lost(),
            "hours": {split: round(sum(row.frames for row in rows) / FPS / 3600, 4) for split, rows in splits.items()},
            "frames": {split: sum(row.frames for row in rows) for split, rows in splits.items()},
            "people": {split: len({row.person for row in rows}) for split, rows in splits.items()},
            "face_rate": round(sum((row.face_rate or 0) * row.frames for row in seen) / frames, 6) if frames else 0.0,
            "pose": {
                axis: {str(angle): count for angle, count in counts.items()} for axis, counts in self.pose.items()
            },
            "crop_side": {"least": sides[0], "median": statistics.median(sides), "most": sides[-1]} if sides else {},
            "bytes": dict(self.bytes),
            "duplicates": {
                "clips": len(copies),
                "across_splits": sum(row.split != by_clip[row.duplicate_of].split for row in copies),
            },
        }

    def lost(self) -> dict[str, dict[str, int]]:
        """Stage → reason → clips lost; stages that lost none are absent."""
        counts: dict[str, Counter[str]] = {stage: Counter() for stage in FOLDERS}
        for row in self.rows:
            if row.lost and row.clips:  # of a video that no clip was asked of, none is lost
                counts[row.lost][row.reason] += row.clips
        return {stage: dict(sorted(reasons.items())) for stage, reasons in counts.items() if reasons}

    def table(self) -> str:
        """All clips as CSV, a clip a line."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(row) for row in self.rows)
        return text.getvalue()

    def pose_table(self) -> str:
        """Frames by head pose as CSV: `degrees,pitch,yaw,roll`, from the first bin that has any to the last."""
        used = sorted({angle for counts in self.pose.values() for angle in counts}) or [0]
        angles = range(used[0], used[-1] + POSE_BIN, POSE_BIN)
        rows = [("degrees", *AXES), *((angle, *(self.pose[axis].get(angle, 0) for axis in AXES)) for angle in angles)]
        return "".join(",".join(map(str, row)) + "\n" for row in rows)

    def page(self, title: str) -> str:
        """The account as one HTML page that needs no other file."""
        numbers = self.metrics()
        asked, packed = numbers["clips"]["asked"], numbers["clips"]["packed"]
        facts = [
            ("Clips packed", f"{packed:,} of {asked:,} asked for, from {self.videos:,} videos"),
            *((f"Hours, {split}", f"{hours:g}") for split, hours in numbers["hours"].items()),
            *((f"People, {split}", f"{people:,}") for split, people in numbers["people"].items()),
            ("Frames with a face", f"{numbers['face_rate']:.2%}"),
            *((stage.capitalize(), f"by {name}") for stage, name in self.backends.items()),
            ("Side of the crops, pixels", " · ".join(f"{key} {side:g}" for key, side in numbers["crop_side"].items())),
            *((f"Size of {name}", f"{size / 1e6:,.1f} MB") for name, size in numbers["bytes"].items()),
            (
                "Clips of equal content",
                "{clips:,}, {across_splits:,} of them across splits".format(**numbers["duplicates"]),
            ),
        ]
        left, funnel = asked, []
        for stage, reasons in self.lost().items():
            left -= sum(reasons.values())
            funnel += [(stage, reason, f"{count:,}") for reason, count in reasons.items()] + [
                (stage, "left", f"{left:,}")
            ]
        lost = [row for row in self.rows if row.lost]
        named = [(row.clip, row.lost, row.reason, row.detail, "yes" if row.again else "") for row in lost[:SHOWN]]
        return "\n".join(
            [
                f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>",
                f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>",
                *_html_table((), facts),
                "<h2>Lost</h2>",
                *_html_table(("stage", "reason", "clips"), funnel),
                "<h2>Head pose</h2>",
                *(line for axis in AXES for line in _bars(axis, self.pose[axis])),
                f"<h2>Lost clips: {len(named):,} of {len(lost):,} lines of the table</h2>",
                *_html_table(("clip", "stage", "reason", "detail", "tried again"), named),
                "</html>\n",
            ]
        )


@index.cycles_left_alone()
def read_account(data: Path) -> Account:
    """The account of the set whose stages have filled the folders of `data` (`data/<set>`).

    Raises InputError when a folder has no index, was made from others than those before it now hold, or holds what two
    back ends made.
    """
    entries = {stage: _read(data / folder) for stage, folder in FOLDERS.items()}
    rows = _with_duplicates(list(_rows(data, entries)), entries["crop"])
    pose: dict[str, Counter[int]] = {axis: Counter() for axis in AXES}
    for clip, entry in entries["coefficients"].items():
        if clip in entries["pack"] and entries["pack"][clip].ok:
            for axis, counts in entry.facts["pose"].items():
                pose[axis].update({int(angle): count for angle, count in counts.items()})
    sizes = {folder: _size(data / folder, entries[stage]) for stage, folder in FOLDERS.items()}
    return Account(
        sorted(rows, key=lambda row: (row.video, row.clip)),
        len(entries["download"]),
        sum(entry.ok and entry.transient for entry in entries["download"].values()),
        {stage: _backend(data / stage, entries[stage]) for stage in ("landmarks", "coefficients")},
        {axis: dict(sorted(counts.items())) for axis, counts in pose.items()},
        sizes,
    )


def pose_histogram(angles: np.ndarray) -> dict[str, dict[str, int]]:
    """Angles (T, 3) in radians → axis → middle of the bin in degrees, as text → frames; empty bins are absent."""
    bins = (np.rint(np.degrees(angles) / POSE_BIN) * POSE_BIN).astype(int)
    counts = [np.unique(column, return_counts=True) for column in bins.T]
    return {
        axis: dict(zip(map(str, at.tolist()), n.tolist(), strict=True))
        for axis, (at, n) in zip(AXES, counts, strict=True)
    }


# --- the rows


def _read(folder: Path) -> dict[str, index.Entry]:
    if not (folder / index.INDEX).exists():
        raise InputError(f"{folder / index.INDEX}: not there; run the stage that makes {folder} first")
    return index.read(folder)


def _rows(data: Path, entries: Mapping[str, dict[str, index.Entry]]) -> Iterator[Row]:
    """The last stage of each clip. The outputs of one stage must equal the inputs of the next."""
    videos = entries["download"]
    _hold_equal(data / "clips", entries["crop"], (video for video, entry in videos.items() if entry.ok))
    made = {Path(name).stem for entry in entries["crop"].values() for name in entry.files}
    for stage in ("landmarks", "coefficients", "pack"):
        _hold_equal(data / FOLDERS[stage], entries[stage], made)
        made = {clip for clip, entry in entries[stage].items() if entry.ok}

    for video, entry in videos.items():
        about = {"video": video, "person": entry.facts["person"], "split": entry.facts["split"]}
        if not entry.ok:
            count = entry.facts["clips"]
            yield Row(video, **about, clips=count, **_loss("download", entry))
            continue
        cut = entries["crop"][video]
        for clip, (frames, side) in cut.facts.get("clips", {}).items():
            yield Row(clip, **about, frames=frames, side=side, **_later(clip, entries))
        if not cut.ok and "lost" not in cut.facts:  # not even looked at: it took too long, or its worker died
            yield Row(video, **about, clips=entry.facts["clips"], **_loss("crop", cut))
        for clip, reason in cut.facts.get("lost", {}).items():
            yield Row(clip, **about, **(_loss("crop", cut) | {"reason": reason}))


def _later(clip: str, entries: Mapping[str, dict[str, index.Entry]]) -> dict[str, Any]:
    """The outcomes of a clip in the stages after crop."""
    tracked = entries["landmarks"][clip].facts
    known: dict[str, Any] = {}
    if "faces" in tracked:
        known["face_rate"] = round(tracked["faces"] / tracked["frames"], 4)
    for stage in ("landmarks", "coefficients", "pack"):
        entry = entries[stage][clip]
        if not entry.ok:
            return known | _loss(stage, entry)
    return known


def _loss(stage: str, entry: index.Entry) -> dict[str, Any]:
    assert entry.reason is not None or stage == "crop"
    return {"lost": stage, "reason": entry.reason, "detail": entry.detail, "again": entry.transient}


def _hold_equal(folder: Path, entries: Iterable[str], wanted: Iterable[str]) -> None:
    differing = set(entries) ^ set(wanted)
    if differing:
        raise InputError(
            f"{folder}: not up to date, {len(differing)} clips differ from what it is made from "
            f"({min(differing)}); run its stage again"
        )


def _backend(folder: Path, entries: Mapping[str, index.Entry]) -> str:
    """The one that made them all: points and coefficients of two back ends mean different things."""
    names = sorted({entry.facts["backend"] for entry in entries.values()})
    if len(names) > 1:
        raise InputError(f"{folder}: made by {' and '.join(names)}, which don't mix; run its stage again")
    return names[0] if names else "none"


def _with_duplicates(rows: list[Row], cropped: Mapping[str, index.Entry]) -> list[Row]:
    contents = {Path(name).stem: content for entry in cropped.values() for name, content in entry.files.items()}
    first: dict[str, str] = {}
    for clip in sorted(contents):
        first.setdefault(contents[clip], clip)
    copies = {clip: first[content] for clip, content in contents.items() if first[content] != clip}
    return [Row(**vars(row) | {"duplicate_of": copies[row.clip]}) if row.clip in copies else row for row in rows]


def _size(folder: Path, entries: Mapping[str, index.Entry]) -> int:
    there = dict(index.listing(folder))
    listed = [name for entry in entries.values() for name in entry.files]
    listed += [name for name in there if name.endswith(".mdb")]
    return sum(there[name].stat().st_size for name in listed)


# --- the page

_STYLE = (
    "body{font:15px sans-serif;margin:2em auto;max-width:70em}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}"
    ".bar{background:#58a;height:1em}td.wide{width:40em}"
)


def _html_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "<table>" + "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    for row in rows:
        yield "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _bars(axis: str, counts: Mapping[int, int]) -> Iterator[str]:
    total = sum(counts.values())
    yield f"<table><th>{axis}, degrees</th><th>frames</th><th></th>"
    for angle, count in counts.items():
        bar = f"<div class='bar' style='width:{count / total:.1%}'></div>"
        yield f"<tr><td>{angle}</td><td>{count:,}</td><td class='wide'>{bar}</td></tr>"
    yield "</table>"
