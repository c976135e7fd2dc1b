"""What drives a portrait: a video, a file of coefficients or an image, turned into one descriptor (73,) a frame.

Speech: `speech.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from styleheat.constants import FPS
from styleheat.inference.reader import FaceReader
from styleheat.media.track import AudioTrack
from styleheat.media.video import is_steady, probe, read_frames
from styleheat.morphable.coefficients import (
    DESCRIPTOR_CROP,
    crop_norm_ratio,
    descriptor,
    pack_coefficients,
    read_mat,
)
from styleheat.params import Drive


@dataclass(frozen=True)
class Motion:
    """descriptors: (T,73) float32, one for each frame. fps: of those frames. audio: their audio track.
    of_another: whether their poses are those of another person in a video, and not the portrait's own, changed."""

    descriptors: np.ndarray
    fps: float
    audio: AudioTrack | None = None
    of_another: bool = False


@dataclass(frozen=True)
class Driver:
    """A driver's file, read once for any number of portraits.

    motion: a portrait's own descriptor (73,) → how this driver moves that portrait.
    frames: for a video, `Drive` parameters → its frames (H,W,3) uint8, which correspond to the motion after `adjust`.
    """

    motion: Callable[[np.ndarray], Motion]
    frames: Callable[[Drive], Iterator[np.ndarray]] | None = None


def from_video(path: str | Path, reader: FaceReader) -> Driver:
    """The motion of the face in a video: as many frames as it has, at its own rate, with its audio.

    A video with a variable frame rate is sampled at its mean rate, which keeps its audio in sync. The face is
    brought to the portrait's scale. Frames without a face get coefficients between those of their neighbours. Raises
    InputError when the file is no video, or no frame shows a face.
    """
    info = probe(path)
    fps = None if is_steady(path) else info.fps
    found = reader.video(path, fps)
    audio = AudioTrack(Path(path)) if info.has_audio else None

    def frames(wanted: Drive) -> Iterator[np.ndarray]:
        start, end = wanted.seconds or (None, None)
        return read_frames(path, wanted.fps or fps, start, end)

    return Driver(lambda start: Motion(same_scale(found, start), info.fps, audio, True), frames)


def from_coefficients(path: str | Path) -> Driver:
    """The motion in a `.mat` file of coefficients, as the stage `coefficients` writes them: 25 frames a second, no
    audio, brought to the portrait's scale. Raises InputError when the file holds none."""
    found = descriptor(pack_coefficients(*read_mat(path)))
    return Driver(lambda start: Motion(same_scale(found, start), FPS, of_another=True))


def from_image(path: str | Path, reader: FaceReader, seconds: float) -> Driver:
    """Move from the portrait's own expression and pose to those of an image, and back.

    Raises InputError when the file is not an image or shows no face.
    """
    found = reader.image(path)[None]
    weight = in_and_out(max(1, round(seconds * FPS)))[:, None]

    def motion(start: np.ndarray) -> Motion:
        return Motion((start + weight * (same_scale(found, start) - start)).astype(np.float32), FPS)

    return Driver(motion)


def same_scale(descriptors: np.ndarray, portrait: np.ndarray) -> np.ndarray:
    """Descriptors (T,73) of another person, their crop's scale brought to that of the portrait's descriptor (73,)."""
    scaled = descriptors.copy()
    scaled[:, DESCRIPTOR_CROP.start] *= crop_norm_ratio(portrait, descriptors)
    return scaled


def in_and_out(frames: int) -> np.ndarray:
    """(frames,) weights that rise smoothly from 0 to 1 in the first third, stay, and fall back to 0 in the last."""
    moment = np.linspace(0, 1, frames)
    ramp = np.clip(3 * np.minimum(moment, 1 - moment), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
