"""The sidecar of a full video: the time range and the window of each of its clips.

`<video>.json` beside `<video>.mp4`; the crop stage reads it. A video without one is one clip.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from styleheat.files import write_json


@dataclass(frozen=True)
class Segment:
    """One clip to cut from a video.

    clip: its id. person: who is in it.
    start, end: seconds in the video, end exclusive; None for end is the video's.
    size: (width, height) of the frames in which the boxes below were measured, to be scaled to the video's own;
        a width of None scales as the height does. None: the boxes are in the video's pixels.
    crop: (x0, y0, x1, y1), the crop window; it may extend past the frame's edge.
    face: (x0, y0, x1, y1), the face in the first frame, which the crop stage follows; finished clips are then
        `<clip>#000`, `<clip>#001`… Without crop and face, the crop stage looks for the face.
    ratio: by how much a detected face box is enlarged (HDTF's crop_ratio).
    """

    clip: str
    person: str
    start: float
    end: float | None
    size: tuple[float | None, float] | None = None
    crop: tuple[float, float, float, float] | None = None
    face: tuple[float, float, float, float] | None = None
    ratio: float | None = None


def write_segments(video: Path, segments: Sequence[Segment]) -> Path:
    """Write the sidecar of `video`, atomically; returns its path."""
    path = video.with_suffix(".json")
    write_json(path, {"video": video.stem, "segments": [asdict(segment) for segment in segments]})
    return path
