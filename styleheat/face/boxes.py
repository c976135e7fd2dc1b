"""Boxes around the mouth, the eyes and the face, by the 68 landmarks."""

import numpy as np

from styleheat.morphable.coefficients import has_face

MOUTH = slice(48, 68)
MOUTH_MARGIN = 0.35
"""iBUG 300-W indices (0-based) of the mouth's points, and the margin around them, as a share of their width: lips,
their shadow and the moving chin's edge."""

FOREHEAD = 0.35
"""How far the face goes on above the highest point, the brows', as a share of the points' height."""

EYES = slice(36, 48)
EYE_MARGIN = 0.15
"""iBUG 300-W indices of the eyes' points, and the margin around them, as a share of the width of both."""


def mouth_boxes(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Square boxes around the mouths of (T,68,2) landmarks: (T,4) int x0 y0 x1 y1 clipped to a size×size frame.

    The side is the mouth's larger extent and MOUTH_MARGIN of its width on each side. Empty (all 0) without a face.
    """
    points = landmarks[:, MOUTH]
    low, high = points.min(1), points.max(1)
    half = (high - low).max(1) / 2 + MOUTH_MARGIN * (high - low)[:, 0]
    centre = (low + high) / 2
    boxes = np.concatenate([np.floor(centre - half[:, None]), np.ceil(centre + half[:, None])], 1)
    boxes = np.clip(boxes, 0, size).astype(int)
    boxes[~has_face(landmarks)] = 0
    return boxes


def eye_boxes(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Boxes around both eyes of (T,68,2) landmarks, with EYE_MARGIN of their width on each side: as `face_boxes`."""
    points = landmarks[:, EYES]
    low, high = points.min(1), points.max(1)
    margin = EYE_MARGIN * (high - low)[:, :1]
    boxes = np.clip(np.concatenate([np.floor(low - margin), np.ceil(high + margin)], 1), 0, size).astype(int)
    boxes[~has_face(landmarks)] = 0
    return boxes


def face_boxes(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Boxes around the full faces of (T,68,2) landmarks, FOREHEAD included: as `mouth_boxes`, but not square."""
    low, high = landmarks.min(1), landmarks.max(1)
    low = low - (high - low) * (0, FOREHEAD)
    boxes = np.clip(np.concatenate([np.floor(low), np.ceil(high)], 1), 0, size).astype(int)
    boxes[~has_face(landmarks)] = 0
    return boxes
