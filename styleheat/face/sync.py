"""Whether lips and audio of a video belong together, and how late the audio is: SyncNet's distances over shifts of it.

The protocol is that of joonson/syncnet_python (Chung and Zisserman 2016, "Out of time"); in place of S3FD's face boxes
stand boxes around the landmarks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import safetensors
import torch
from torch import Tensor, nn

from styleheat import clock
from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.face.boxes import face_boxes
from styleheat.media.cepstra import cepstra
from styleheat.morphable.coefficients import has_face
from styleheat.networks import syncnet
from styleheat.networks.syncnet import SyncNet

SHIFT = 15
"""Frames by which the audio is shifted, either way."""

STEPS_PER_FRAME = 4
"""Steps of cepstra in a frame: 100 Hz at 25 fps."""

CROP_MARGIN = 0.4
"""Margin that is left around a face: to the left, to the right and below, of half the face's side."""

AT_ONCE = 8
"""Windows that go through a network together."""

PREFIX = "syncnet."
"""Of the network's tensors in the file of `weights.models: [scores]`."""


@dataclass(frozen=True)
class LipSync:
    """The network, on one device."""

    network: SyncNet
    device: str

    @classmethod
    def open(cls, folder: str | Path, device: str) -> Self:
        """Of a model folder made by `weights.models: [scores]`. Raises InputError where it is none."""
        path = Path(folder) / "model.safetensors"
        try:
            with safetensors.safe_open(path, "pt", device) as file:
                names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118
                return cls.of({name.removeprefix(PREFIX): file.get_tensor(name) for name in names}, device)
        except (OSError, safetensors.SafetensorError, RuntimeError):
            raise InputError(f"{path}: no SyncNet in it; give a folder made by weights.models: [scores]") from None

    @classmethod
    def of(cls, state: dict[str, Tensor], device: str) -> Self:
        """state: tensors of SyncNet by their names, as `SyncNet` has them. Raises RuntimeError for others."""
        network = SyncNet()
        network.load_state_dict(state)
        return cls(network.to(device).eval(), device)

    @torch.inference_mode()
    def distances(
        self, frames: Iterable[np.ndarray], size: int, landmarks: np.ndarray, audio: np.ndarray | None
    ) -> np.ndarray | None:
        """Mean distances (2 * SHIFT + 1,) between the embeddings of lips and of audio that is shifted by −SHIFT to
        SHIFT frames.

        frames: T of (size,size,3) uint8 at 25 per second. landmarks: (T,68,2) in their pixels, rows of −1 without a
        face. audio: (N,) float32 at 16 kHz, or None. None without it, where no face is found, or for less than a
        window.
        """
        if audio is None:
            return None
        windows = min(len(landmarks), len(audio) * FPS // SAMPLE_RATE) - syncnet.FRAMES
        squares = _squares(landmarks, size)
        if windows < 1 or squares is None:
            return None
        lips, voice = [], []
        steps = cepstra(np.round(np.clip(audio, -1, 1) * 32767))
        crops = (_crop(frame, square) for frame, square in zip(frames, squares, strict=False))
        for start, clips in zip(range(0, windows, AT_ONCE), _windows(crops, windows), strict=True):
            clock.progress()
            lips.append(self.network.lips(torch.from_numpy(clips).permute(0, 4, 1, 2, 3).float().to(self.device)).cpu())
            firsts = range(STEPS_PER_FRAME * start, STEPS_PER_FRAME * (start + len(clips)), STEPS_PER_FRAME)
            pieces = np.stack([steps[first : first + syncnet.STEPS].T for first in firsts])
            voice.append(self.network.audio(torch.from_numpy(pieces)[:, None].to(self.device)).cpu())
        return shifted_distances(torch.cat(lips), torch.cat(voice))


def shifted_distances(lips: Tensor, audio: Tensor) -> np.ndarray:
    """As `LipSync.distances`, of the embeddings (N,1024) of windows of frames and of audio."""
    padded = nn.functional.pad(audio, (0, 0, SHIFT, SHIFT))
    return np.array(
        [
            float(nn.functional.pairwise_distance(lips, padded[shift : shift + len(lips)]).mean())
            for shift in range(2 * SHIFT + 1)
        ]
    )


def scores(distances: np.ndarray) -> dict[str, float]:
    """`lse_d`, the least of the distances (2·SHIFT+1,), and `lse_c`, their median less that."""
    least = float(distances.min())
    return {"lse_d": least, "lse_c": float(np.median(distances)) - least}


def offset(distances: np.ndarray) -> int:
    """Frames, −SHIFT to SHIFT, by which the audio is late where lips and audio fit best, by distances (2·SHIFT+1,)."""
    return int(distances.argmin()) - SHIFT


def _windows(crops: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Windows (n,FRAMES,SIDE,SIDE,3) of successive crops, AT_ONCE at a time, `count` in all."""
    held: list[np.ndarray] = []
    for start, stop in pairwise([*range(0, count, AT_ONCE), count]):
        held = held[AT_ONCE:]
        while len(held) < stop - start + syncnet.FRAMES - 1:
            held.append(next(crops))
        yield np.stack([np.stack(held[k : k + syncnet.FRAMES]) for k in range(stop - start)])


def _squares(landmarks: np.ndarray, size: int) -> np.ndarray | None:
    """Centre and half the side (T,3) of the faces' boxes; where none is found, those of the frame before or after."""
    known = np.flatnonzero(has_face(landmarks))
    if not len(known):
        return None
    x0, y0, x1, y1 = face_boxes(landmarks[known], size).T.astype(float)
    found = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, np.maximum(x1 - x0, y1 - y0) / 2], axis=1)
    nearest = np.clip(np.searchsorted(known, np.arange(len(landmarks)), "right") - 1, 0, None)
    return found[nearest]


def _crop(frame: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Crop a face as SyncNet's input: (SIDE,SIDE,3) uint8, BGR."""
    x, y, half = square
    side, scale = 2 * half * (1 + CROP_MARGIN), syncnet.SIDE / (2 * half * (1 + CROP_MARGIN))
    left, top = x - side / 2, y - half
    place = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    grey = (110, 110, 110)
    cut = cv2.warpAffine(frame, place, (syncnet.SIDE, syncnet.SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=grey)
    return cut[..., ::-1]
