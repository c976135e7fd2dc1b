"""Landmarks by an estimator other than the one that drives, for the average keypoint distance (AKD).

The points that drive are those that a network was trained to follow: by them it may look better than it is. Nothing is
downloaded for this: without the other estimator's weights, AKD is left out.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from styleheat import clock
from styleheat.constants import LANDMARKS
from styleheat.evaluation.frames import Frames
from styleheat.face.landmarks import Landmarker, landmarker, stack

SIZE = 256
"""Pixels a side of the frames in which points are sought, as in papers."""

WEIGHTS = ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar")
"""Names that face_alignment's detector and network have in torch's cache."""

LEFT_OUT = "akd and mkr: need the weights of face_alignment in torch's cache (docs/evaluation.md)"

Backend = Literal["mediapipe", "face_alignment"]


def backend(driving: Backend) -> Backend | None:
    """The back end of `face.landmarks` that isn't the driving one; None where its weights would have to be
    downloaded."""
    if driving == "face_alignment":
        return "mediapipe"
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    return "face_alignment" if all((cache / name).is_file() for name in WEIGHTS) else None


def opened(name: Backend | None, device: str) -> Landmarker | None:
    """What `backend` named, made once in each process. Raises InputError where its files can't be read."""
    return None if name is None else landmarker(name, device)


def found(frames: Frames, numbers: Iterable[int], finder: Landmarker) -> np.ndarray:
    """(N,68,2) float32: the points of the largest face in some frames (S,S,3) uint8, in pixels of the frame scaled to
    SIZE; −1 where none was found. Each frame is a sign of progress for the time limit of a clip."""
    points = []
    for number in numbers:
        clock.progress()
        points.append(finder.landmarks(_scaled(frames[number])))
    return stack(points)


def absent() -> np.ndarray:
    """What stands for points where there is no other estimator, (0,0,2) float32; `sought` tells it from others."""
    return np.zeros((0, 0, 2), np.float32)


def sought(points: np.ndarray) -> bool:
    """Whether there was an estimator to find these points (N,68,2)."""
    return points.shape[1] == LANDMARKS


def _scaled(frame: np.ndarray) -> np.ndarray:
    if len(frame) == SIZE:
        return frame
    way = cv2.INTER_AREA if len(frame) > SIZE else cv2.INTER_CUBIC
    return cv2.resize(frame, (SIZE, SIZE), interpolation=way)
