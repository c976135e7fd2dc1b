"""What expression coefficients mean for the 68 landmarks, whichever face model they belong to."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors

from styleheat.clips.store import ClipStore
from styleheat.constants import ANGLE, EXPRESSION, LANDMARKS
from styleheat.morphable import coefficients as layout
from styleheat.morphable.measures import interocular_distance
from styleheat.morphable.model import face_model

FRAMES = 20_000
"""Frames that a basis is estimated from, at most."""

RIDGE = 1e-3
"""Weight of the squared coefficients of the regression, beside 1 for the mean squared error: coefficients that say the
same keep a finite share each."""


class LandmarkBasis(NamedTuple):
    """Landmarks of a face in its own axes, linear in the expression coefficients, in units of our own face model."""

    mean: np.ndarray
    """(68, D), D = 2 or 3, y up."""
    expression: np.ndarray
    """(64, 68, D): displacements for a coefficient of 1."""


def landmark_basis(backend: str, weights: str | Path, store: ClipStore) -> LandmarkBasis:
    """The basis of a set's coefficients.

    backend: `sets.<set>.coefficients.backend`. `fit`: our own face model's. `deep3d`: that of the Basel Face Model, if
    the folder `weights` has it (its licence keeps it out of the release), else an estimate from the set's own frames.
    """
    if backend == "fit":
        return LandmarkBasis(face_model().mean, face_model().expression)
    found = _basel(Path(weights) / "model.safetensors")
    return found or estimated(store)


def _basel(path: Path) -> LandmarkBasis | None:
    if not path.is_file():
        return None
    with safetensors.safe_open(path, "np") as opened:
        if "face.keypoints" not in opened.keys():  # noqa: SIM118  not a dict
            return None
        keypoints = opened.get_tensor("face.keypoints")
        mean = opened.get_tensor("face.mean_shape").reshape(-1, 3)[keypoints]
        directions = opened.get_tensor("face.expression").T.reshape(EXPRESSION, -1, 3)[:, keypoints]
    return _scaled(mean, directions)


def estimated(store: ClipStore) -> LandmarkBasis:
    """A basis (D = 2) by ridge regression of the training frames' landmarks on their expression and angles.

    Landmarks are moved, turned and scaled to a fixed distance between the eyes first, so that what is left of the pose
    is what the angles say.
    """
    clips = store.clips("train")
    count = max(1, FRAMES // len(clips))
    points, known = [], []
    for clip in clips:
        landmarks, coefficients = store.landmarks(clip), store.coefficients(clip)
        shown = np.linspace(0, len(landmarks) - 1, min(count, len(landmarks))).astype(int)
        points.append(_upright(landmarks[shown].astype(np.float64)))
        known.append(
            np.concatenate([coefficients[shown][:, layout.EXPRESSION], coefficients[shown][:, layout.ANGLE]], 1)
        )
    targets, inputs = np.concatenate(points).reshape(-1, LANDMARKS * 2), np.concatenate(known).astype(np.float64)
    centre, mean = inputs.mean(0), targets.mean(0)
    centred = inputs - centre
    normal = centred.T @ centred / len(inputs) + RIDGE * np.eye(EXPRESSION + ANGLE)
    slopes = np.linalg.solve(normal, centred.T @ (targets - mean) / len(inputs))
    neutral = mean - centre @ slopes
    return _scaled(neutral.reshape(LANDMARKS, 2), slopes[:EXPRESSION].reshape(EXPRESSION, LANDMARKS, 2))


def _upright(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2), y down -> the same with the eyes' centres at (-0.5, 0) and (0.5, 0), y up."""
    left, right = landmarks[:, 36:42].mean(1), landmarks[:, 42:48].mean(1)
    across = right - left
    turned = (landmarks - (left + right)[:, None] / 2) @ np.array([1, 1j])
    turned = turned / (across @ np.array([1, 1j]))[:, None]
    return np.stack([turned.real, -turned.imag], axis=-1)


def _scaled(mean: np.ndarray, expression: np.ndarray) -> LandmarkBasis:
    """A basis brought to the distance between the eyes that our own face model has."""
    wanted = float(interocular_distance(face_model().mean[None, :, :2])[0])
    scale = wanted / float(interocular_distance(mean[None, :, :2])[0])
    return LandmarkBasis(scale * mean, scale * expression)
