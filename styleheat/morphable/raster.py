"""Triangles rasterised on the CPU, with a depth buffer and interpolated attributes."""

import math
from dataclasses import dataclass

import numba
import numpy as np


@dataclass(frozen=True)
class Raster:
    """A rasterised mesh: depth (g,g), infinite without a triangle; label (g,g), the kind of the triangle, else 0; and
    the interpolated attributes of its vertices (g,g,C)."""

    depth: np.ndarray
    label: np.ndarray
    attributes: np.ndarray


def rasterise(
    points: np.ndarray,
    depth: np.ndarray,
    attributes: np.ndarray,
    triangles: np.ndarray,
    kinds: np.ndarray,
    grid: int,
) -> Raster:
    """Rasterise triangles (F,3) of kinds (F,) into g×g cells. Of the vertices: points (V,2), in shares of the width,
    depth (V,) and attributes (V,C)."""
    raster = Raster(
        np.full((grid, grid), np.inf, np.float32),
        np.zeros((grid, grid), np.uint8),
        np.zeros((grid, grid, attributes.shape[1]), np.float32),
    )
    _draw(points * grid, depth, attributes, triangles, kinds, *vars(raster).values())
    return raster


@numba.njit(cache=True, nogil=True)
def _draw(
    points: np.ndarray,
    depth: np.ndarray,
    attributes: np.ndarray,
    triangles: np.ndarray,
    kinds: np.ndarray,
    z: np.ndarray,
    label: np.ndarray,
    found: np.ndarray,
) -> None:
    """Draw triangles that face the camera, the nearest wins, into the arrays of a `Raster`. points: pixels, the first
    pixel from 0 to 1."""
    size = z.shape[0]
    for f in range(triangles.shape[0]):
        i, j, k = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0, x1, y1, x2, y2 = points[i, 0], points[i, 1], points[j, 0], points[j, 1], points[k, 0], points[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area > -1e-9:  # turned away: y runs down, so that counter-clockwise is negative
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2) - 0.5)), min(size - 1, math.floor(max(x0, x1, x2) - 0.5))
        top, bottom = max(0, math.ceil(min(y0, y1, y2) - 0.5)), min(size - 1, math.floor(max(y0, y1, y2) - 0.5))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                a = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                b = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                c = 1 - a - b
                if a < 0 or b < 0 or c < 0:
                    continue
                here = a * depth[i] + b * depth[j] + c * depth[k]
                if here >= z[y, x]:
                    continue
                z[y, x], label[y, x] = here, kinds[f]
                for q in range(attributes.shape[1]):
                    found[y, x, q] = a * attributes[i, q] + b * attributes[j, q] + c * attributes[k, q]
