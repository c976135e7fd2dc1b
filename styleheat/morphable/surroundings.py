"""What is around the face surface: its silhouette, and a smooth continuation of its motion.

The side of a head that turns away hides its part of the face's outline: what is seen there is the contour of the cheek,
beside which the image goes on with hair, ear and background. The outline's vertices are therefore moved outwards to the
contour, by nothing where they are on it themselves.

A spline continues the motion of the points that are known over the rest of the image.
"""

from functools import cache

import numpy as np

from styleheat.morphable.spline import spline
from styleheat.morphable.surface import face_surface

BEND = 1.5
"""How much a vertex beside an outline's normal counts less for the contour there: units of the face model for each
squared unit of its distance from the normal. The maximum over all vertices is then a smooth function of the pose."""

SPLINE_GRID = 32
"""Cells across the field of the spline, which is smooth."""

ANCHORS = 6
"""Points a side, on the image's border, that the spline holds still."""

SOFTNESS = 5e-3
"""Of the spline: added to the diagonal of its kernel, in shares of the image's width, at fully visible points. The
weight of a point decreases as it turns away, so that none disappears from one frame to the next."""

SILHOUETTE = 0.7
"""Weight of the silhouette's points."""

LEAST = 0.05
"""Points of lower visibility are left out of the spline."""


@cache
def _normals() -> np.ndarray:
    """(O,2): the normals of the mean face's outline in the frontal plane, outwards, y up."""
    surface = face_surface()
    outline = surface.mean[surface.outline, :2]
    along = np.roll(outline, -1, 0) - np.roll(outline, 1, 0)
    normals = np.column_stack([along[:, 1], -along[:, 0]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    outwards = np.sign(((outline - outline.mean(0)) * normals).sum())
    return normals * outwards


def silhouette(points: np.ndarray, turn: np.ndarray, unit: float) -> np.ndarray:
    """The outline (O,2) of the face, on the contour that the surface has in an image.

    points: (V,2), the surface's vertices in the image, y down. turn: (3,3), the head's rotation. unit: a unit of the
    face model in the image, in what points are measured in.
    """
    up = turn[:2, 1] * (1, -1)
    up = up / np.linalg.norm(up)
    right = np.array([-up[1], up[0]])
    normals = _normals() @ np.stack([right, up])
    outline = points[face_surface().outline]
    apart = points[None] - outline[:, None]
    outwards = np.einsum("ovk,ok->ov", apart, normals)
    beside = np.einsum("ovk,ok->ov", apart, normals[:, ::-1] * (-1, 1))
    reach = (outwards - BEND / unit * beside**2).max(1)
    return outline + normals * reach[:, None]


def continued(at: np.ndarray, came: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Displacements (2,SPLINE_GRID,SPLINE_GRID) of a smooth field, zero at the border.

    at, came: (N,2), places of points in the driven image and in the portrait. visible: (N,), their weights, 0 to 1.
    """
    at, came, visible = at[visible > LEAST], came[visible > LEAST], visible[visible > LEAST]
    edge = (np.arange(ANCHORS) + 0.5) / ANCHORS
    zero, one = np.zeros(ANCHORS), np.ones(ANCHORS)
    border = np.concatenate([np.stack(pair, 1) for pair in ((edge, zero), (edge, one), (zero, edge), (one, edge))])
    values = np.concatenate([came - at, np.zeros_like(border)])
    softness = SOFTNESS / np.concatenate([visible, np.ones(len(border))]) ** 4
    middle = (np.arange(SPLINE_GRID) + 0.5) / SPLINE_GRID
    x, y = np.meshgrid(middle, middle)
    field = spline(np.concatenate([at, border]), values, softness, np.stack([x.ravel(), y.ravel()], 1))
    return field.T.reshape(2, SPLINE_GRID, SPLINE_GRID)
