"""Measures of a face's movements, from its landmarks."""

import numpy as np

from styleheat.morphable.points import EYE_LEFT, EYE_RIGHT, MIRROR


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) → the gap between the inner lips as a share of the interocular distance (T,).

    The mean over the three middle pairs of points; 0 when closed, about 0.5 wide open.
    """
    gaps = landmarks[:, [67, 66, 65]] - landmarks[:, [61, 62, 63]]
    return np.linalg.norm(gaps, axis=-1).mean(1) / interocular_distance(landmarks)


def mouth_width(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) → the distance of the corners of the mouth as a share of the interocular distance (T,)."""
    return np.linalg.norm(landmarks[:, 54] - landmarks[:, 48], axis=-1) / interocular_distance(landmarks)


def eye_opening(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) → height over width of the left and right eye (T, 2), about 0.05 closed, 0.3 open."""
    openings = []
    for eye in (EYE_LEFT, EYE_RIGHT):
        outer, *upper, inner, lower_inner, lower_outer = (landmarks[:, point] for point in eye)
        height = np.linalg.norm(np.stack([upper[0] - lower_outer, upper[1] - lower_inner]), axis=-1).mean(0)
        openings.append(height / np.linalg.norm(outer - inner, axis=-1))
    return np.stack(openings, axis=1)


def blink_track(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) of one clip → how far the eyes are closed in each frame (T,), 0 to 1.

    Closed counts below 0.4 of the eyes' usual opening (its upper decile), open above 0.8 of it.
    """
    opening = eye_opening(landmarks).mean(1)
    return np.clip((0.8 - opening / np.percentile(opening, 90)) / 0.4, 0, 1)


def mirror_landmarks(landmarks: np.ndarray, size: float) -> np.ndarray:
    """Landmarks (..., 68, 2) in pixels of an image `size` wide → those of its mirror image."""
    mirrored = landmarks[..., MIRROR, :].copy()
    mirrored[..., 0] = size - 1 - mirrored[..., 0]
    return mirrored


def interocular_distance(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (..., 68, 2) → the distance of the outer eye corners (...), in their unit."""
    return np.linalg.norm(landmarks[..., 36, :] - landmarks[..., 45, :], axis=-1)
