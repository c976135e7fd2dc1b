"""The triangles of a face in an image: its surface, discs behind the lids as eyeballs, and the opening of the mouth."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from styleheat.morphable.surface import face_surface

SKIN, MOUTH, EYES = 1, 2, 3
"""What a triangle is of; 0: none."""

EYE_WIDTH, EYE_HEIGHT = 1.05, 0.62
"""Of the disc behind the lids, in shares of the distance between the eye's corners."""

EYE_DEPTH, MOUTH_DEPTH = 0.06, 0.10
"""How far behind the corners, in units of the face model, eyeballs and teeth are."""


@dataclass(frozen=True)
class Mesh:
    """The triangles to draw, and the points that the spline goes through.

    triangles (F,3): of the surface's vertices, then the eyes' (2·(EDGE+1)), then those of the opening of the mouth: its
    border once more, and its centre.
    kinds (F,): SKIN, MOUTH or EYES. inside (K,): skin vertices within the outline that the spline goes through.
    """

    triangles: np.ndarray
    kinds: np.ndarray
    inside: np.ndarray


EDGE = 12
"""Vertices around an eye's disc."""


@cache
def face_mesh() -> Mesh:
    surface = face_surface()
    count = len(surface.mean)
    triangles = [surface.triangles]
    kinds = [np.full(len(surface.triangles), SKIN)]
    for eye in (0, 1):
        centre = count + eye * (EDGE + 1)
        ring = centre + 1 + np.arange(EDGE)
        triangles.append(np.stack([np.full(EDGE, centre), ring, np.roll(ring, -1)], 1))
        kinds.append(np.full(EDGE, EYES))
    ring = count + 2 * (EDGE + 1) + np.arange(len(surface.mouth))
    centre = ring[-1] + 1
    fan = np.stack([np.full(len(ring), centre), np.roll(ring, -1), ring], 1)  # the border runs clockwise around a hole
    triangles.append(fan)
    kinds.append(np.full(len(ring), MOUTH))
    return Mesh(np.concatenate(triangles).astype(np.int64), np.concatenate(kinds), _inside(surface.mean))


def _inside(mean: np.ndarray) -> np.ndarray:
    """Some vertices, evenly spread and away from outline, lids and lips."""
    surface = face_surface()
    near = np.concatenate([surface.mouth, *surface.eyes])
    distance = np.linalg.norm(mean[:, None] - mean[near], axis=-1).min(1)
    chosen = list(surface.outline)
    candidates = np.flatnonzero(distance > 0.1)
    for _ in range(36):
        gaps = np.linalg.norm(mean[candidates, None] - mean[chosen], axis=-1).min(1)
        chosen.append(int(candidates[gaps.argmax()]))
    return np.array(chosen[len(surface.outline) :])


def eye_discs(neutral: np.ndarray) -> np.ndarray:
    """The discs behind the lids (2·(EDGE+1),3) of a face without expression: centre, then edge, of each eye."""
    discs = []
    landmarks = face_surface().landmarks
    angle = 2 * math.pi * np.arange(EDGE) / EDGE
    for left, right in ((36, 39), (42, 45)):
        a, b = neutral[landmarks[left]], neutral[landmarks[right]]
        centre, across = (a + b) / 2 - (0, 0, EYE_DEPTH), (b - a) / 2
        up = np.array([0, np.linalg.norm(across), 0])
        edge = np.cos(angle)[:, None] * across * EYE_WIDTH + np.sin(angle)[:, None] * up * EYE_HEIGHT
        discs.append(np.concatenate([centre[None], centre + edge]))
    return np.concatenate(discs)


def teeth_plane(neutral: np.ndarray) -> np.ndarray:
    """Four places (4,3) on the plane of the teeth of a face without expression, half a mouth away from its middle."""
    left, right = (neutral[face_surface().landmarks[corner]] for corner in (60, 64))
    centre = neutral[face_surface().mouth].mean(0) - (0, 0, MOUTH_DEPTH)
    across, up = (right - left) / 2, np.array([0, np.linalg.norm(right - left) / 2, 0])
    return np.stack([centre - across, centre + across, centre - up, centre + up])
