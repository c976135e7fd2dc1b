"""Looking through a video for the face to cut out: a few times a second, at small frames.

To find the faces of a frame takes nothing but the frame; to follow one of them takes all that came before. So the
frames of a long video can be looked at by several processes, SPAN seconds each, which note what they find as `rows`;
the face is then followed in these, which takes no time.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from styleheat.constants import FPS
from styleheat.face.align import ffhq_box
from styleheat.face.detect import Face, overlap
from styleheat.face.landmarks import MediaPipe
from styleheat.media.video import VideoInfo, read_frames

LOOK_FPS = 5
"""Frames a second that are looked at."""

LOOK_SIZE = 640
"""Longest side in pixels of the frames that are looked at; the detector itself sees 256."""

STRIDE = FPS // LOOK_FPS
"""Frames of the clip that one look stands for."""

SPAN = 300
"""Seconds that are read in one go. As a reader goes to a key frame first, what it finds may depend on where it begins:
a long video is always read in these spans, by one process or by several."""

SAME_PLACE = 0.25
"""A face that overlaps the first box of a clip less than this has moved on: a new clip begins (video-preprocessing)."""

MAX_GAP = 2
"""Looks in a row that may miss the face (turned away, a hand before it) without ending the clip."""

RIVAL_SIZE = 0.5
"""Another face at least so large, in sizes of the followed one, is a rival."""


@dataclass(frozen=True)
class Span:
    """Seconds [start, end) of a video; end None is the video's end. first: number of the look at `start`."""

    first: int
    start: float
    end: float | None


@dataclass(frozen=True)
class Seen:
    """The faces that one look found, one at least.

    boxes: (x0, y0, x1, y1) of each, in pixels of the small frame. framing: what the crop is made from, by the face's
    number: its box, or FFHQ's square around it; None when a closer look shows no face.
    """

    number: int
    boxes: list[np.ndarray]
    framing: Callable[[int], np.ndarray | None]


@dataclass(frozen=True)
class Look:
    """The followed face at one look; boxes in pixels of the video. rival: another face is about as large."""

    number: int
    box: np.ndarray
    framing: np.ndarray
    rival: bool


def spans(start: float, end: float | None, seconds: float) -> list[Span]:
    """The range from start to end, in seconds, of a video of so many seconds, in spans."""
    length = (seconds if end is None else min(end, seconds)) - start
    marks = [start + k * SPAN for k in range(max(1, math.ceil(length / SPAN)))]
    ends = [*marks[1:], end]
    return [Span(k * SPAN * LOOK_FPS, *span) for k, span in enumerate(zip(marks, ends, strict=True))]


def look(video: Path, info: VideoInfo, span: Span, ffhq: bool, finder: MediaPipe) -> Iterator[Seen]:
    """Look through a span. ffhq: frame by FFHQ's square, else by the face's box. Raises InputError as `read_frames`."""
    for number, frame in enumerate(read_frames(video, LOOK_FPS, span.start, span.end, _small(info)), span.first):
        faces = finder.detect_all(frame)
        if faces:
            yield Seen(number, [face.box for face in faces], partial(_framing, finder if ffhq else None, frame, faces))


def _framing(finder: MediaPipe | None, frame: np.ndarray, faces: list[Face], which: int) -> np.ndarray | None:
    if finder is None:
        return faces[which].box
    points = finder.landmarks_of(frame, faces[which])
    return None if points is None else ffhq_box(points)


def to_rows(seen: Iterable[Seen]) -> np.ndarray:
    """Looks as float64 (N, 9), a face a row: number of the look, box, framing (NaN for None)."""
    rows = [
        [one.number, *box, *([np.nan] * 4 if (framing := one.framing(which)) is None else framing)]
        for one in seen
        for which, box in enumerate(one.boxes)
    ]
    return np.array(rows, np.float64).reshape(-1, 9)


def from_rows(rows: np.ndarray) -> Iterator[Seen]:
    """The looks of which `to_rows` made rows (R,9) float64."""
    for number, group in itertools.groupby(rows, key=lambda row: row[0]):
        faces = list(group)
        framings = [None if np.isnan(face[5]) else face[5:] for face in faces]
        yield Seen(int(number), [face[1:5] for face in faces], framings.__getitem__)


def follow(seen: Iterable[Seen], info: VideoInfo, begins: tuple[float, ...] | None) -> Iterator[Look]:
    """Follow one face: at each look the one that overlaps where it was last; at first the one that begins at a given
    box (x0, y0, x1, y1), in pixels of the video, or the largest."""
    to_video = np.tile(np.array([info.width, info.height]) / _small(info), 2)
    last = None if begins is None else np.array(begins)
    seen_last = -1
    for one in seen:
        boxes = [box * to_video for box in one.boxes]
        if one.number - seen_last > MAX_GAP and begins is None:
            last = None  # it is gone: follow whoever is largest now
        near = [which for which, box in enumerate(boxes) if last is None or overlap(box, last) > 0]
        if not near:
            continue
        sizes = [float(max(box[2] - box[0], box[3] - box[1])) for box in one.boxes]
        ranks = sizes if last is None else [overlap(box, last) for box in boxes]
        chosen = max(near, key=ranks.__getitem__)
        framing = one.framing(chosen)
        if framing is None:
            continue
        seen_last, last = one.number, boxes[chosen]
        rival = any(size > RIVAL_SIZE * sizes[chosen] for which, size in enumerate(sizes) if which != chosen)
        yield Look(one.number, last, framing * to_video, rival)


def runs(looks: Iterable[Look], unsplit: bool) -> Iterator[list[Look]]:
    """Split where the face was away, or left the place where it was at first; not if `unsplit`."""
    run: list[Look] = []
    for one in looks:
        away = run and one.number - run[-1].number > MAX_GAP + 1
        if run and not unsplit and (away or overlap(one.box, run[0].box) < SAME_PLACE):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _small(info: VideoInfo) -> tuple[int, int]:
    """(width, height) of the frames that are looked at."""
    scale = max(1.0, max(info.width, info.height) / LOOK_SIZE)
    return round(info.width / scale), round(info.height / scale)
