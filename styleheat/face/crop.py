"""Cutting square clips of one face out of videos, without holding a video in memory.

A video is read twice: once small and at a few frames a second to find the face, once in full to cut. The crop's
square stands still within a clip, so that all movement seen is the head's own. Three framings:

    tube   as VoxCeleb is cut by "video-preprocessing" (Siarohin et al.): what the head covers during the clip, and a
           tenth more
    ffhq   FFHQ's framing of the clip's median face, upright: what StyleGAN was trained on
    ratio  HDTF's second way, for pictures of any resolution: what the head covers during a listed range, enlarged by
           the range's `crop_ratio`

A sidecar that holds finished windows (HDTF's first way, VoxCeleb's clip table) is cut by these, but for `ratio`.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from styleheat.constants import FPS
from styleheat.errors import InputError
from styleheat.face.align import ffhq_box
from styleheat.face.detect import overlap
from styleheat.face.landmarks import MediaPipe
from styleheat.media.audio import read_audio
from styleheat.media.video import Codec, VideoInfo, VideoWriter, probe, read_frames

Method = Literal["tube", "ffhq", "ratio"]

LOOK_FPS = 5
"""Frames a second that the first reading looks at."""

LOOK_SIZE = 640
"""Longest side in pixels of the frames that the first reading looks at; the detector itself sees 256."""

STRIDE = FPS // LOOK_FPS
"""Frames of the clip that one look stands for."""

SAME_PLACE = 0.25
"""A face that overlaps the first box of a clip less than this has moved on: a new clip begins (video-preprocessing)."""

MAX_GAP = 2
"""Looks in a row that may miss the face (turned away, a hand before it) without ending the clip."""

RIVAL_SIZE = 0.5
RIVAL_SHARE = 0.2
"""Another face at least so large beside the followed one, in more than this share of the frames looked at: the clip is
unusable."""

TUBE_MARGIN = 0.1
"""Share that the tube is enlarged by (video-preprocessing `increase`)."""

HEAD_AROUND_FACE = (0.2, 0.5, 0.2, 0.15)
"""The detector's box ends at the brows, the chin and the cheeks; VoxCeleb's boxes hold the forehead too. What to add
left, above, right and below, in box sizes."""


@dataclass(frozen=True)
class Segment:
    """A part of a video to cut clips from.

    clip: name of the clip to make; several from one segment are called `<clip>#000`, `<clip>#001` ….
    start, end: seconds in the video; end None is the video's end.
    crop: (x0, y0, x1, y1) pixels of the video: cut exactly this, whatever is seen in it.
    face: (x0, y0, x1, y1) pixels: the face to follow is the one that begins here.
    ratio: by how much the square around the head is enlarged by the method `ratio`; None where nothing is listed.
    """

    clip: str
    start: float = 0.0
    end: float | None = None
    crop: tuple[float, ...] | None = None
    face: tuple[float, ...] | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Cropped:
    """What became of a video: the clips written, or the reason why there is none ("no face"), and facts to record.

    facts: `clips`, for each clip written its number of frames and the side of its square in pixels of the video;
    `lost`, for each stretch that gave no clip its reason, where a part of a segment has its frames in its name;
    `sound`, whether the video has any.
    """

    files: Sequence[Path] = ()
    reason: str | None = None
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def read_segments(video: Path) -> list[Segment]:
    """The segments that the sidecar `<video>.json` lists, or the full video when there is none.

    Boxes given in frames of another size than the video's are scaled. Raises InputError for a sidecar of another form.
    """
    sidecar = video.with_suffix(".json")
    if not sidecar.exists():
        return [Segment(video.stem)]
    try:
        entries = json.loads(sidecar.read_text())["segments"]
        info = probe(video)
        return [_segment(entry, info) for entry in entries]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{sidecar}: not a list of segments ({error!r}); fetch the video again") from error


def _segment(entry: dict[str, Any], info: VideoInfo) -> Segment:
    width, height = entry.get("size") or (info.width, info.height)
    scale_y = info.height / height
    scale_x = info.width / width if width else scale_y

    def box(name: str) -> tuple[float, ...] | None:
        corners = entry.get(name)
        return corners and tuple(float(v) * s for v, s in zip(corners, (scale_x, scale_y) * 2, strict=True))

    return Segment(entry["clip"], entry["start"], entry["end"], box("crop"), box("face"), entry.get("ratio"))


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
    """Write the clips of a video into `folder`: size×size pixels, 25 frames a second, with their sound.

    min_size: of the crop, in pixels of the video; smaller ones are lost, not enlarged.
    min_frames, max_frames: at 25 frames a second. Longer stretches become several clips of nearly equal length.
    codec: of the clips' pictures.
    finder: detects and tracks.

    Never raises for what is wrong with the video: a clip that can't be cut is a reason in the result. Where a video is
    damaged, the clips before and after the damage are kept.
    """
    try:
        info = probe(video)
        segments = read_segments(video)
    except InputError as error:
        return Cropped(
            reason="unreadable", detail=str(error), facts={"lost": dict.fromkeys(_named(video), "unreadable")}
        )

    files: list[Path] = []
    clips: dict[str, tuple[int, int]] = {}
    lost: dict[str, str] = {}
    detail = ""
    for segment in segments:
        try:
            cuts = _find_cuts(video, info, segment, method, max_frames, finder)
        except InputError as error:
            lost[segment.clip], detail = "unreadable", str(error)
            continue
        if isinstance(cuts, str):
            lost[segment.clip] = cuts
            continue
        faults = [cut.fault(min_size, min_frames) for cut in cuts]
        good = [cut for cut, fault in zip(cuts, faults, strict=True) if fault is None]
        for cut, fault in zip(cuts, faults, strict=True):
            if fault is not None:
                lost[segment.clip if len(cuts) == 1 else cut.part_of(segment)] = fault
        for number, cut in enumerate(good):
            name = segment.clip if len(good) == 1 else f"{segment.clip}#{number:03d}"
            path = folder / f"{name}.mp4"
            try:
                clips[name] = (_write(video, info, cut, path, size, codec), round(cut.side))
            except InputError as error:
                lost[segment.clip if len(cuts) == 1 else cut.part_of(segment)], detail = "unreadable", str(error)
            else:
                files.append(path)
    facts: dict[str, Any] = {"sound": info.has_audio, "clips": clips, "lost": lost}
    facts = {name: fact for name, fact in facts.items() if fact != {}}
    if not files:
        # Of several faults the one of most stretches speaks for the video.
        reasons = Counter(lost.values())
        return Cropped(reason=max(sorted(reasons), key=reasons.__getitem__), detail=detail, facts=facts)
    return Cropped(files, None, detail, facts)


def _named(video: Path) -> list[str]:
    """The clips that were to be cut from a video that can't be read."""
    try:
        return [entry["clip"] for entry in json.loads(video.with_suffix(".json").read_text())["segments"]]
    except (OSError, KeyError, TypeError, ValueError):
        return [video.stem]


@dataclass(frozen=True)
class _Look:
    """What one look at the video found; boxes (x0, y0, x1, y1) in pixels of the video."""

    number: int
    box: np.ndarray  # the followed face
    framing: np.ndarray  # what the crop is made from: the face, or FFHQ's square around it
    rival: bool  # another face is about as large


@dataclass(frozen=True)
class _Cut:
    """Frames [first, stop) at 25 a second, and the square (x0, y0, x1, y1) to cut from them."""

    first: int
    stop: int
    box: np.ndarray
    rivals: float = 0.0  # share of the looks

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


def _find_cuts(
    video: Path, info: VideoInfo, segment: Segment, method: Method, max_frames: int, finder: MediaPipe
) -> list[_Cut] | str:
    """The stretches of a segment in which one face stays about in its place, or the reason why there is none."""
    first = round(segment.start * FPS)
    stop = round((info.seconds if segment.end is None else min(segment.end, info.seconds)) * FPS)
    if stop <= first:
        return "beyond the video's end"
    if segment.crop is not None and method != "ratio":
        box = np.array(segment.crop)
        centre, half = (box[:2] + box[2:]) / 2, max(box[2:] - box[:2]) / 2
        window = np.concatenate([centre - half, centre + half])
        return [_Cut(begin, end, window) for begin, end in _pieces(first, stop, max_frames)]
    if method == "ratio" and segment.ratio is None:
        return "no crop ratio listed"

    runs = list(_runs(_looks(video, info, segment, method, finder), whole=method == "ratio"))
    cuts = []
    for run in runs:
        # A look stands for the frames from it to the next one.
        begin, end = first + run[0].number * STRIDE, min(stop, first + (run[-1].number + 1) * STRIDE)
        if method == "ratio":
            begin, end = first, stop
        for start, finish in _pieces(begin, end, max_frames):
            looks = [look for look in run if start <= first + look.number * STRIDE < finish] or run
            rivals = sum(look.rival for look in looks) / len(looks)
            framed = run if method == "ratio" else looks
            cuts.append(_Cut(start, finish, _square(framed, method, info, segment.ratio), rivals))
    return cuts or "no face"


def _pieces(begin: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """Frames [begin, end) in as few pieces of nearly equal length as have at most `longest` each."""
    marks = np.linspace(begin, end, -(-(end - begin) // longest) + 1).round().astype(int)
    return ((int(start), int(finish)) for start, finish in itertools.pairwise(marks))


def _looks(video: Path, info: VideoInfo, segment: Segment, method: Method, finder: MediaPipe) -> Iterator[_Look]:
    """Follow one face: at each look the one that overlaps where it was last; at first `segment.face` or the largest."""
    scale = max(1.0, max(info.width, info.height) / LOOK_SIZE)
    small = (round(info.width / scale), round(info.height / scale))
    to_video = np.array([info.width / small[0], info.height / small[1]])
    last = None if segment.face is None else np.array(segment.face)
    missed = 0
    for number, frame in enumerate(read_frames(video, LOOK_FPS, segment.start, segment.end, small)):
        faces = finder.detect_all(frame)
        if missed >= MAX_GAP and segment.face is None:
            last = None  # it is gone: follow whoever is largest now
        near = [face for face in faces if last is None or overlap(_scaled(face.box, to_video), last) > 0]
        if near:
            where = last
            chosen = max(near, key=lambda f: f.size if where is None else overlap(_scaled(f.box, to_video), where))
            framing = chosen.box
            if method == "ffhq":
                points = finder.landmarks_of(frame, chosen)
                near = [] if points is None else near
                framing = framing if points is None else ffhq_box(points)
        if not near:
            missed += 1
            continue
        missed, last = 0, _scaled(chosen.box, to_video)
        rival = any(other is not chosen and other.size > RIVAL_SIZE * chosen.size for other in faces)
        yield _Look(number, last, _scaled(framing, to_video), rival)


def _runs(looks: Iterator[_Look], whole: bool) -> Iterator[list[_Look]]:
    """Split where the face was away, or left the place where it was at first; not if the whole is wanted."""
    run: list[_Look] = []
    for look in looks:
        away = run and look.number - run[-1].number > MAX_GAP + 1
        if run and not whole and (away or overlap(look.box, run[0].box) < SAME_PLACE):
            yield run
            run = []
        run.append(look)
    if run:
        yield run


def _square(looks: Sequence[_Look], method: Method, info: VideoInfo, ratio: float | None) -> np.ndarray:
    boxes = np.stack([look.framing for look in looks])
    if method == "ffhq":
        return median_square(boxes)
    sizes = boxes[:, 2:] - boxes[:, :2]
    margins = np.concatenate([sizes, sizes], axis=1) * HEAD_AROUND_FACE * (-1, -1, 1, 1)
    heads = boxes + margins
    low, high = heads[:, :2].min(axis=0), heads[:, 2:].max(axis=0)
    half = max(high - low) * (ratio if method == "ratio" and ratio is not None else 1 + TUBE_MARGIN) / 2
    centre = (low + high) / 2
    # Into the picture where it fits: a border made up should be the exception.
    limits = np.array([info.width, info.height])
    centre = np.where(2 * half <= limits, np.clip(centre, half, np.maximum(limits - half, half)), limits / 2)
    return np.concatenate([centre - half, centre + half])


def _write(video: Path, info: VideoInfo, cut: _Cut, path: Path, size: int, codec: Codec) -> int:
    """Write one clip; returns its number of frames."""
    start, end = cut.first / FPS, cut.stop / FPS
    samples = read_audio(video, start=start, end=end) if info.has_audio else None
    x, y, side = _whole(cut.box, size)
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
    """The square `box` of a frame as size×size pixels, mirrored at the picture's edges where it leaves it."""
    height, width = frame.shape[:2]
    x, y, side = _whole(box, size)
    before = (max(-y, 0), max(-x, 0))
    after = (max(y + side - height, 0), max(x + side - width, 0))
    part = frame[max(y, 0) : y + side, max(x, 0) : x + side]
    if any(before + after):
        part = cv2.copyMakeBorder(part, before[0], after[0], before[1], after[1], cv2.BORDER_REFLECT)
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def to_cut(points: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """Points (..., 2) of a frame → where they are in what `cut_out` makes of it, in pixels."""
    x, y, side = _whole(box, size)
    return (points - (x, y) + 0.5) * (size / side) - 0.5


EVEN = 2
"""Squares so many times as large as what is made of them, or more, begin and end at even pixels, as chroma does: they
are half a pixel of the result off at most."""


def _whole(box: np.ndarray, size: int) -> tuple[int, int, int]:
    """Left and top pixel of a square and its side, in whole pixels of the frame, of which size×size are made."""
    step = 2 if round(box[2] - box[0]) >= EVEN * size else 1
    return step * round(box[0] / step), step * round(box[1] / step), step * round((box[2] - box[0]) / step)


def _scaled(box: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return box * np.concatenate([scale, scale])
