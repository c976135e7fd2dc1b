"""Rotation and camera of Deep3DFaceRecon's face model."""

import numpy as np

from styleheat.morphable import coefficients as layout

FOCAL = 1015.0
CENTRE = 112.0
CAMERA_DISTANCE = 10.0
"""Deep3DFaceRecon's camera: pixels of a 224-pixel image, and units from the face's origin."""


def rotation(angles: np.ndarray) -> np.ndarray:
    """Angles (..., 3) in radians about x, y, z → matrices (..., 3, 3), R = Rz · Ry · Rx, for column vectors.

    As Deep3DFaceRecon's `compute_rotation`. Positive x nods down, positive y turns to the image's right, positive z
    tilts counter-clockwise.
    """
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(angles), -1, 0), np.moveaxis(np.sin(angles), -1, 0)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def angles(rotations: np.ndarray) -> np.ndarray:
    """Matrices (...,3,3) → angles (...,3): the inverse of `rotation` for |y| < 90°."""
    x = np.arctan2(rotations[..., 2, 1], rotations[..., 2, 2])
    y = np.arcsin(np.clip(-rotations[..., 2, 0], -1, 1))
    z = np.arctan2(rotations[..., 1, 0], rotations[..., 0, 0])
    return np.stack([x, y, z], -1)


def project(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) after rotation and translation → pixels (..., 2) of the 224-pixel crop, y down."""
    depth = CAMERA_DISTANCE - points[..., 2:]
    pixels = FOCAL * points[..., :2] / depth + CENTRE
    pixels[..., 1] = layout.CROP_SIZE - 1 - pixels[..., 1]
    return pixels
