"""Scores any videos by the protocol `same_identity`, each against its ground-truth video.

So that methods can be compared, frames are compared in one space, whatever the method's own framing: 25 frames per
second, and SPACE × SPACE pixels of a fixed upright square in FFHQ's framing, the median over the frames of each video.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from styleheat.constants import FPS
from styleheat.errors import InputError
from styleheat.evaluation.frames import FrameFile, LazyFrames
from styleheat.evaluation.learned import Learned, extended
from styleheat.evaluation.measure import measure
from styleheat.evaluation.protocols import FRAME_SAMPLES, Result, against_target, compare
from styleheat.face.align import ffhq_box
from styleheat.face.crop import cut_out, median_square
from styleheat.face.landmarks import Landmarker, stack
from styleheat.inference.reader import FaceReader
from styleheat.media.audio import read_audio
from styleheat.media.container import has_audio
from styleheat.media.video import read_frames
from styleheat.morphable.coefficients import has_face
from styleheat.sources.local import AS_THEY_ARE, REPACKED

SPACE = 256
"""Pixels a side."""

SUFFIXES = AS_THEY_ARE + REPACKED
"""Of videos."""

ROUGHLY = 0.1
"""Share of the frames by which the lengths of two videos of one motion may differ."""


def pairs(videos: Path, against: Path) -> dict[str, tuple[Path, Path | None]]:
    """The videos of a folder by their names without suffix, each with the one of that name in another folder, or None.

    Raises InputError when a folder is none or holds no video.
    """
    ours, theirs = _videos(videos), _videos(against)
    return {name: (path, theirs.get(name)) for name, path in ours.items()}


@dataclass(frozen=True)
class Scored:
    """A pair of videos: their result, and Inception's features (T,2048) of both, or None without networks."""

    result: Result
    generated: np.ndarray | None
    target: np.ndarray | None


def score(
    path: Path,
    against: Path,
    reader: FaceReader,
    networks: Learned | None,
    other: Landmarker | None,
    person: str,
) -> Scored:
    """Compare two videos of one motion, frame by frame. The first frame counts as the source, and is not scored. Lips
    are held to the audio of `against`, if it has any. other: the estimator of AKD (`keypoints.opened`).

    Raises InputError when a file is no video, no frame shows a face, or one is longer than the other by more than
    ROUGHLY.
    """
    with _cut(path, reader) as generated, _cut(against, reader) as target:
        length = min(len(generated), len(target))
        if max(len(generated), len(target)) > (1 + ROUGHLY) * length:
            raise InputError(
                f"{path}: {len(generated)} frames at {FPS} per second, but {against} has {len(target)}; give videos of "
                "the same motion"
            )
        ours, theirs = (LazyFrames(length, frames.__getitem__) for frames in (generated, target))
        made, wanted = measure(ours, reader, other), measure(theirs, reader, other)
        total = extended(against_target, networks, pixels=True, audio=_audio(against, length) if networks else None)
        result = compare(path.stem, person, wanted, target[0], wanted, theirs, made, ours, total)
        if networks is None:
            return Scored(result, None, None)
        return Scored(result, networks.features(ours), networks.features(theirs))


def _audio(path: Path, frames: int) -> np.ndarray | None:
    """The audio (N,) of a video's frames from the second on, at 16 kHz; None where it has none."""
    if not has_audio(path):
        return None
    samples = read_audio(path)[: frames * FRAME_SAMPLES]
    return np.pad(samples, (0, frames * FRAME_SAMPLES - len(samples)))[FRAME_SAMPLES:]


def _videos(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of videos")
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
    if not found:
        raise InputError(f"{folder}: no video in it; name a folder of videos ({' '.join(SUFFIXES)})")
    return found


def _cut(path: Path, reader: FaceReader) -> FrameFile:
    """The frames of a video in the space that all are compared in."""
    landmarks = stack(reader.landmarker.track(read_frames(path, FPS)))
    found = has_face(landmarks)
    if not found.any():
        raise InputError(f"{path}: no face found in any frame; give a video of a face")
    square = median_square(np.stack([ffhq_box(face) for face in landmarks[found]]))
    cut = FrameFile()
    for frame in read_frames(path, FPS):
        cut.append(cut_out(frame, square, SPACE))
    return cut
