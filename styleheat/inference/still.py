"""Reads a portrait's image: a still image, or a frame of a video."""

from pathlib import Path

import numpy as np

from styleheat.errors import InputError
from styleheat.face.landmarks import stack
from styleheat.face.quality import sharpness
from styleheat.inference.reader import FaceReader
from styleheat.media.container import opened, video_stream
from styleheat.media.image import is_animation, is_still_image, read_image_and_alpha
from styleheat.media.video import probe, read_frames
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, has_face
from styleheat.morphable.measures import eye_opening, mouth_opening

LOOKED_AT = 40
"""Frames of a video among which the best one is chosen, evenly over its length."""

TURNED, OPEN, SHUT, BLURRED = 1.0, 1.5, 1.0, 0.3
"""How much each counts against a frame: radians that the head is turned; the mouth's opening in interocular distances;
eyes less open than they usually are, as a share; octaves of sharpness below the best."""


def read_still(path: str | Path, reader: FaceReader, moment: float | None) -> tuple[np.ndarray, np.ndarray | None]:
    """An image file, or of a video the frame `moment` seconds after its first, or if that is None the one that makes
    the best portrait: (H,W,3) uint8, and how opaque it is (`read_image_and_alpha`).

    Raises InputError when the file is neither, ends before that, or shows no face in any frame looked at.
    """
    if not _moves(path):
        return read_image_and_alpha(path)
    info = probe(path)
    if moment is not None:
        frame = next(read_frames(path, info.fps, moment), None)
        if frame is None:
            raise InputError(f"{path}: ends after {info.seconds:.2f} s; set infer.portrait_time below that")
        return frame, None
    frames = list(read_frames(path, min(info.fps, LOOKED_AT / max(info.seconds, 1e-3))))
    return frames[_best(frames, reader, path)], None


def _moves(path: str | Path) -> bool:
    if is_animation(path):
        return True
    if is_still_image(path) or not Path(path).is_file():
        return False
    try:
        with opened(path) as container:
            return video_stream(container) is not None
    except InputError:
        return False  # not a media file: `read_image_and_alpha` raises the error


def _best(frames: list[np.ndarray], reader: FaceReader, path: str | Path) -> int:
    """The frame in which the face looks most into the camera, mouth shut, eyes open, sharp."""
    landmarks = stack(reader.landmarker.landmarks(frame) for frame in frames)
    here = np.flatnonzero(has_face(landmarks))
    if not len(here):
        raise InputError(f"{path}: no face found in {len(frames)} frames looked at; give a video of a face")
    points = landmarks[here]
    shown = zip((frames[k] for k in here), points, strict=True)
    angles = np.stack([reader.still(frame, face)[DESCRIPTOR_ANGLE] for frame, face in shown])
    eyes = eye_opening(points).mean(axis=1)
    sharp = np.log2([sharpness(frames[k], face) + 1e-6 for k, face in zip(here, points, strict=True)])
    cost = TURNED * np.abs(angles).sum(axis=1) + OPEN * mouth_opening(points)
    cost += SHUT * np.clip(1 - eyes / np.percentile(eyes, 75), 0, 1) + BLURRED * (sharp.max() - sharp)
    return int(here[np.argmin(cost)])
