"""What hides a part of the face for some of a clip: colours there that differ from the clip's usual ones.

Frames are unwarped by their landmarks to one small frontal face; the median over the clip's frames is its usual face.
What hides the same part throughout is not found, as it is usual. Light, expressions and turning change up to 0.17 of
the inner face on rendered talking heads, and nothing on carphone, a real one.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial import Delaunay

from styleheat.morphable.points import EYE_LEFT, EYE_RIGHT, MEAN

SIDE = 64
"""Pixels of the frontal face."""

MARGIN = 5
"""Width of what is left out at the outline and around eyes and lips, whose movement landmarks do not follow
exactly."""

LIPS = range(48, 60)

DIFFERENT = 12.0
"""CIELAB distance from which a colour is another one; a difference in lightness counts half, as shadows move."""


class _Frontal(NamedTuple):
    """For the pixels of the frontal face: landmarks (P,3) of the triangle around each, their weights (P,3), and places
    (P,) in the image; inner: (SIDE,SIDE) bool, which of all pixels are looked at."""

    corners: np.ndarray
    weights: np.ndarray
    places: np.ndarray
    inner: np.ndarray


def hidden(faces: np.ndarray) -> np.ndarray:
    """The share of the inner face (T,), 0 to 1, that something hides in each of T frames of one clip, as
    `frontal_face` gives them."""
    inner = _frontal().inner
    difference = faces - np.median(faces, axis=0)
    difference[..., 0] -= np.median(difference[:, inner, 0], axis=1)[:, None, None]  # of the light
    distance = np.sqrt((difference**2) @ np.array([0.25, 1, 1], np.float32))
    different = [cv2.medianBlur((one > DIFFERENT).astype(np.uint8), 5) for one in distance]
    return np.array([one[inner].mean() for one in different])


def frontal_face(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face of a frame (H,W,3) uint8 with landmarks (68,2): (SIDE,SIDE,3) float32, CIELAB."""
    frontal = _frontal()
    place = np.full((SIDE * SIDE, 2), -1, np.float32)
    place[frontal.places] = np.einsum("pk,pkc->pc", frontal.weights, points[frontal.corners])
    shrunk = float(np.ptp(points[:, 0])) / SIDE  # pixels of the frame in one of the face
    smooth = cv2.GaussianBlur(frame, (0, 0), max(0.4 * shrunk, 0.5))
    x, y = place.T.reshape(2, SIDE, SIDE)
    face = cv2.remap(smooth, x, y, cv2.INTER_LINEAR)
    return cv2.cvtColor(face.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


@cache
def _frontal() -> _Frontal:
    points = MEAN[:, :2] * (1, -1)
    points = (points - points.min(0)) / np.ptp(points, axis=0).max() * (0.9 * SIDE) + 0.05 * SIDE
    triangles = Delaunay(points)
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    triangle = triangles.find_simplex(pixels)
    places = np.flatnonzero(triangle >= 0)
    affine = triangles.transform[triangle[places]]
    weights = np.einsum("pij,pj->pi", affine[:, :2], pixels[places] - affine[:, 2])
    weights = np.column_stack([weights, 1 - weights.sum(1)])
    inner: np.ndarray = np.zeros((SIDE, SIDE), np.uint8)
    inner.ravel()[places] = 1
    around = np.ones((MARGIN, MARGIN), np.uint8)
    inner = cv2.erode(inner, around)
    for part in (LIPS, EYE_LEFT, EYE_RIGHT):
        outline = cv2.convexHull(points[list(part)].astype(np.int32))
        inner[cv2.dilate(cv2.fillConvexPoly(np.zeros_like(inner), outline, 1), around) > 0] = 0
    return _Frontal(triangles.simplices[triangle[places]], weights, places, inner > 0)
