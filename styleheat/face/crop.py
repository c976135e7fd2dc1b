"""Cutting square clips of one face out of videos, without holding a video in memory.

A video is read twice: once small and at a few frames a second to find the face, once in full to cut. The crop's
square stands still within a clip, so that all movement seen is the head's own. Three framings:

    tube   as VoxCeleb is cut by "video-preprocessing" (Siarohin et al.): what the head covers during the clip, and a
           tenth more
    ffhq   FFHQ's framing of the clip's median face, upright: what StyleGAN was trained on
    ratio  HDTF's second way, for images of any resolution: what the head covers during a listed range, enlarged by
           the range's `crop_ratio`

A sidecar that holds finished windows (HDTF's first way, VoxCeleb's clip table) is cut by these, but for `ratio`.

`crop_video` does all of it. What it is made of can be done by several processes for one video, with equal bytes:
look through each span (`spans_of`, `face.follow.look`), `plan` the clips, write each (`write_clip`), then `finish`.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from styleheat.constants import FPS
from styleheat.errors import InputError
from styleheat.face.follow import STRIDE, Look, Seen, Span, follow, look, runs, spans
from styleheat.face.landmarks import MediaPipe
from styleheat.face.segments import Segment, Source, open_source
from styleheat.media.audio import read_audio
from styleheat.media.video import Codec, VideoInfo, VideoWriter, read_frames

Method = Literal["tube", "ffhq", "ratio"]

RIVAL_SHARE = 0.2
"""Another face about as large as the followed one (`face.follow.RIVAL_SIZE`) in more than this share of the frames
looked at: the clip is unusable."""

TUBE_MARGIN = 0.1
"""Share that the tube is enlarged by (video-preprocessing `increase`)."""

HEAD_AROUND_FACE = (0.2, 0.5, 0.2, 0.15)
"""The detector's box ends at the brows, the chin and the cheeks; VoxCeleb's boxes hold the forehead too. What to add
left, above, right and below, in box sizes."""


@dataclass(frozen=True)
class Cropped:
    """What became of a video: the clips written, or the reason why there is none ("no face"), and facts to record.

    facts: `clips`, for each clip written its number of frames and the side of its square in pixels of the video;
    `lost`, for each stretch that gave no clip its reason, where a part of a segment has its frames in its name;
    `audio`, whether the video has audio.
    """

    files: Sequence[Path] = ()
    reason: str | None = None
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def crop_video(
    video: Path,
    folder: Path,
    method: Method,
    size: int,
    min_size: int,
    min_frames: int,
    max_frames: int,
    codec: Codec,
    finder: MediaPipe,
) -> Cropped:
    """Write the clips of a video into `folder`: size×size pixels, 25 frames a second, with their audio.

    min_size: of the crop, in pixels of the video; smaller ones are lost, not enlarged.
    min_frames, max_frames: at 25 frames a second. Longer stretches become several clips of nearly equal length.
    codec: of the clips' images.
    finder: detects and tracks.

    Never raises for what is wrong with the video: a clip that can't be cut is a reason in the result. Where a video is
    damaged, the clips before and after the damage are kept.
    """
    try:
        source = open_source(video)
    except InputError as error:
        return unreadable(video, error)

    def seen(segment: int) -> Iterator[Seen]:
        for span in spans_of(source, segment, method):
            yield from look(video, source.info, span, method == "ffhq", finder)

    planned = plan(source, seen, method, min_size, min_frames, max_frames)
    return finish(source, planned, folder, lambda clip, path: write_clip(source, clip.cut, path, size, codec))


def unreadable(video: Path, error: InputError) -> Cropped:
    """The outcome for a video that can't be opened: all its requested clips are lost."""
    try:
        names = [entry["clip"] for entry in json.loads(video.with_suffix(".json").read_text())["segments"]]
    except (OSError, KeyError, TypeError, ValueError):
        names = [video.stem]
    return Cropped(reason="unreadable", detail=str(error), facts={"lost": dict.fromkeys(names, "unreadable")})


# --- what to cut


@dataclass(frozen=True)
class Cut:
    """Frames [first, stop) at 25 a second, and the square (x0, y0, x1, y1) to cut from them. rivals: share of the
    looks that show another face about as large."""

    first: int
    stop: int
    box: np.ndarray
    rivals: float = 0.0

    @property
    def side(self) -> float:
        return float(self.box[2] - self.box[0])

    def fault(self, min_size: int, min_frames: int) -> str | None:
        if self.rivals > RIVAL_SHARE:
            return "several faces"
        if self.stop - self.first < min_frames:
            return "too short"
        if self.side < min_size:
            return "too small"
        return None

    def part_of(self, segment: Segment) -> str:
        """A name for a stretch that is lost while others of its segment are not: `anna@250-300`, in frames."""
        return f"{segment.clip}@{self.first}-{self.stop}"


@dataclass(frozen=True)
class Clip:
    """A clip to write. lost_as: its name among the lost if it can't be."""

    name: str
    lost_as: str
    cut: Cut


@dataclass(frozen=True)
class Plan:
    """The clips to write of a video, in order; the stretches that give none, with their reasons; of one of those that
    can't be read what is wrong."""

    clips: list[Clip]
    lost: dict[str, str]
    detail: str


def spans_of(source: Source, segment: int, method: Method) -> list[Span]:
    """The spans that have to be looked through to know what to cut from a segment, given by its number."""
    one = source.segments[segment]
    if _without_looking(source.info, one, method, max_frames=1 << 30) is not None:
        return []
    return spans(one.start, one.end, source.info.seconds)


def plan(
    source: Source,
    seen: Callable[[int], Iterable[Seen]],
    method: Method,
    min_size: int,
    min_frames: int,
    max_frames: int,
) -> Plan:
    """Decide what to cut, as `crop_video` does. seen: what the looks through the spans of a segment, given by its
    number, find; raises InputError where the video can't be read."""
    clips: list[Clip] = []
    lost: dict[str, str] = {}
    detail = ""
    for number, segment in enumerate(source.segments):
        try:
            cuts = _find_cuts(source.info, segment, seen(number), method, max_frames)
        except InputError as error:
            lost[segment.clip], detail = "unreadable", str(error)
            continue
        if isinstance(cuts, str):
            lost[segment.clip] = cuts
            continue
        good = []
        for cut in cuts:
            fault = cut.fault(min_size, min_frames)
            lost_as = segment.clip if len(cuts) == 1 else cut.part_of(segment)
            if fault is None:
                good.append((lost_as, cut))
            else:
                lost[lost_as] = fault
        for count, (lost_as, cut) in enumerate(good):
            name = segment.clip if len(good) == 1 else f"{segment.clip}#{count:03d}"
            clips.append(Clip(name, lost_as, cut))
    return Plan(clips, lost, detail)


def _find_cuts(
    info: VideoInfo, segment: Segment, seen: Iterable[Seen], method: Method, max_frames: int
) -> list[Cut] | str:
    """The stretches of a segment in which one face stays about in its place, or the reason why there is none."""
    known = _without_looking(info, segment, method, max_frames)
    if known is not None:
        return known
    first, stop = _frames_of(info, segment)
    cuts = []
    for run in runs(follow(seen, info, segment.face), unsplit=method == "ratio"):
        # A look stands for the frames from it to the next one.
        begin, end = first + run[0].number * STRIDE, min(stop, first + (run[-1].number + 1) * STRIDE)
        if method == "ratio":
            begin, end = first, stop
        for start, finish in _pieces(begin, end, max_frames):
            looks = [one for one in run if start <= first + one.number * STRIDE < finish] or run
            rivals = sum(one.rival for one in looks) / len(looks)
            framed = run if method == "ratio" else looks
            cuts.append(Cut(start, finish, _square(framed, method, info, segment.ratio), rivals))
    return cuts or "no face"


def _without_looking(info: VideoInfo, segment: Segment, method: Method, max_frames: int) -> list[Cut] | str | None:
    """As `_find_cuts`, where it doesn't depend on what is seen; else None."""
    first, stop = _frames_of(info, segment)
    if stop <= first:
        return "beyond the video's end"
    if segment.crop is not None and method != "ratio":
        box = np.array(segment.crop)
        centre, half = (box[:2] + box[2:]) / 2, max(box[2:] - box[:2]) / 2
        window = np.concatenate([centre - half, centre + half])
        return [Cut(begin, end, window) for begin, end in _pieces(first, stop, max_frames)]
    if method == "ratio" and segment.ratio is None:
        return "no crop ratio listed"
    return None


def _frames_of(info: VideoInfo, segment: Segment) -> tuple[int, int]:
    """Its first frame at 25 a second, and the one after its last."""
    end = info.seconds if segment.end is None else min(segment.end, info.seconds)
    return round(segment.start * FPS), round(end * FPS)


def _pieces(begin: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """Frames [begin, end) in as few pieces of nearly equal length as have at most `longest` each."""
    marks = np.linspace(begin, end, -(-(end - begin) // longest) + 1).round().astype(int)
    return ((int(start), int(finish)) for start, finish in itertools.pairwise(marks))


def _square(looks: Sequence[Look], method: Method, info: VideoInfo, ratio: float | None) -> np.ndarray:
    boxes = np.stack([one.framing for one in looks])
    if method == "ffhq":
        return median_square(boxes)
    sizes = boxes[:, 2:] - boxes[:, :2]
    margins = np.concatenate([sizes, sizes], axis=1) * HEAD_AROUND_FACE * (-1, -1, 1, 1)
    heads = boxes + margins
    low, high = heads[:, :2].min(axis=0), heads[:, 2:].max(axis=0)
    half = max(high - low) * (ratio if method == "ratio" and ratio is not None else 1 + TUBE_MARGIN) / 2
    centre = (low + high) / 2
    # Into the image where it fits: a border made up should be the exception.
    limits = np.array([info.width, info.height])
    centre = np.where(2 * half <= limits, np.clip(centre, half, np.maximum(limits - half, half)), limits / 2)
    return np.concatenate([centre - half, centre + half])


# --- cutting


def finish(source: Source, plan: Plan, folder: Path, write: Callable[[Clip, Path], int]) -> Cropped:
    """Write the planned clips into a folder, and give account of the video.

    write: writes a clip to a path and returns its number of frames, or raises InputError.
    """
    files: list[Path] = []
    clips: dict[str, tuple[int, int]] = {}
    lost, detail = dict(plan.lost), plan.detail
    for clip in plan.clips:
        path = folder / f"{clip.name}.mp4"
        try:
            clips[clip.name] = (write(clip, path), round(clip.cut.side))
        except InputError as error:
            lost[clip.lost_as], detail = "unreadable", str(error)
        else:
            files.append(path)
    facts: dict[str, Any] = {"audio": source.info.has_audio, "clips": clips, "lost": lost}
    facts = {name: fact for name, fact in facts.items() if fact != {}}
    if not files:
        # Of several faults the one of most stretches speaks for the video.
        reasons = Counter(lost.values())
        return Cropped(reason=max(sorted(reasons), key=reasons.__getitem__), detail=detail, facts=facts)
    return Cropped(files, None, detail, facts)


def write_clip(source: Source, cut: Cut, path: Path, size: int, codec: Codec) -> int:
    """Write one clip; returns its number of frames. Raises InputError where the video can't be read."""
    video, info = source.path, source.info
    start, end = cut.first / FPS, cut.stop / FPS
    samples = read_audio(video, start=start, end=end) if info.has_audio else None
    x, y, side = _integer_square(cut.box, size)
    part = (max(x, 0), max(y, 0), min(x + side, info.width), min(y + side, info.height))
    inside = np.array([x, y, x + side, y + side]) - (part[0], part[1]) * 2
    # Scaled while it is converted, which takes a fifth of the time, where that shrinks it much and no edge is mirrored.
    scaled = side >= EVEN * size and part == (x, y, x + side, y + side)
    with VideoWriter(path, (size, size), samples=samples, codec=codec) as writer:
        for frame in read_frames(video, FPS, start, end, size=(size, size) if scaled else None, part=part):
            writer.write(frame if scaled else cut_out(frame, inside, size))
    return writer.frames


def median_square(boxes: np.ndarray) -> np.ndarray:
    """Squares (N, 4) around one face over time → the one (4,) that stands still: median centre, median side."""
    centre = np.median((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0)
    half = float(np.median(boxes[:, 2] - boxes[:, 0])) / 2
    return np.concatenate([centre - half, centre + half])


def cut_out(frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The square `box` of a frame as size×size pixels, mirrored at the image's edges where it leaves it."""
    height, width = frame.shape[:2]
    x, y, side = _integer_square(box, size)
    before = (max(-y, 0), max(-x, 0))
    after = (max(y + side - height, 0), max(x + side - width, 0))
    part = frame[max(y, 0) : y + side, max(x, 0) : x + side]
    if any(before + after):
        part = cv2.copyMakeBorder(part, before[0], after[0], before[1], after[1], cv2.BORDER_REFLECT)
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def to_cut(points: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """Points (..., 2) of a frame → where they are in what `cut_out` makes of it, in pixels."""
    x, y, side = _integer_square(box, size)
    return (points - (x, y) + 0.5) * (size / side) - 0.5


EVEN = 2
"""Squares so many times as large as what is made of them, or more, begin and end at even pixels, as chroma does: they
are half a pixel of the result off at most."""


def _integer_square(box: np.ndarray, size: int) -> tuple[int, int, int]:
    """Left and top pixel of a square and its side, in integer pixels of the frame, of which size×size are made."""
    step = 2 if round(box[2] - box[0]) >= EVEN * size else 1
    return step * round(box[0] / step), step * round(box[1] / step), step * round((box[2] - box[0]) / step)
