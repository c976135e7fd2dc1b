"""How the face's surface is turned to the camera, and so whether an image shows it."""

from functools import cache

import numpy as np
from scipy.sparse import csr_matrix

from styleheat.morphable.camera import CAMERA_DISTANCE
from styleheat.morphable.surface import face_surface

HIDDEN, VISIBLE = 0.15, 0.5
"""Ratios of a point's cosine to the line of sight in the portrait to that in the driven image: below the first the
portrait does not show the point, above the second it does."""


def facing(placed: np.ndarray) -> np.ndarray:
    """The cosine (V,) between the normals of the surface's vertices, placed before the camera (V,3), and the line of
    sight."""
    a, b, c = (placed[face_surface().triangles[:, k]] for k in range(3))
    normals = _vertex_sums() @ np.cross(b - a, c - a)
    sight = np.array([0, 0, CAMERA_DISTANCE]) - placed
    return (normals * sight).sum(1) / np.linalg.norm(normals, axis=1) / np.linalg.norm(sight, axis=1)


def visibility(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How well the portrait shows points (N,), 0 to 1, by the cosines at which they face the camera in both images."""
    slope = np.clip((source / np.maximum(target, 0.1) - HIDDEN) / (VISIBLE - HIDDEN), 0, 1)
    return slope * slope * (3 - 2 * slope)


@cache
def _vertex_sums() -> csr_matrix:
    """(V,F): sums values of the skin's triangles over those around each vertex."""
    triangles = face_surface().triangles
    rows, columns = triangles.ravel(), np.repeat(np.arange(len(triangles)), 3)
    return csr_matrix((np.ones(len(rows)), (rows, columns)), (len(face_surface().mean), len(triangles)))
