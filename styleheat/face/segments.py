"""The parts of a video to cut clips from: those in its sidecar, or the entire video."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styleheat.errors import InputError
from styleheat.media.video import VideoInfo, probe


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
class Source:
    """A video and the parts of it to cut clips from."""

    path: Path
    info: VideoInfo
    segments: list[Segment]

    @property
    def seconds(self) -> float:
        """Length of all segments together, as far as the video lasts."""
        seconds = self.info.seconds
        lengths = ((seconds if one.end is None else min(one.end, seconds)) - one.start for one in self.segments)
        return sum(max(0.0, length) for length in lengths)


def open_source(video: Path) -> Source:
    """Raises InputError for a video or a sidecar that can't be read."""
    return Source(video, probe(video), read_segments(video))


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
