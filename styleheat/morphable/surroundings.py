"""What is around the face surface: its silhouette, and a smooth continuation of its motion.

The side of a head that turns away hides its part of the face's outline: what is seen there is the contour of the cheek,
beside which the image goes on with hair, ear and background. The outline's vertices are therefore moved outwards to the
contour, by nothing where they are on it themselves.

A spline continues the motion of the points that are known over the rest of the image. At the image's border it is held
still, as the networks are trained. Where the background need not move with the head, the border above the chin is freed
instead: it follows the skull, so that hair and skull are not sheared between the face and the border.
"""

from dataclasses import dataclass
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

SKULL = np.array([0.0, 0.35, -0.5])
"""Centre of the skull, between the ears, in the face model's axes and units: it is half a skull's length behind the
brows."""

FOLLOWS = 0.75
"""Share of the skull's motion that a freed border takes: with all of it, hair swings more than hair does."""

FREED = 0.8
"""Units of the face model above the chin from which on the border is freed completely. From the chin down it is held,
as shoulders are."""


@dataclass(frozen=True)
class Skull:
    """Where the skull is in an image; x right, y down, in shares of its width.

    centre, chin: (2,). up: (2,), to the head's own top, as long as a unit of the face model there.
    """

    centre: np.ndarray
    chin: np.ndarray
    up: np.ndarray


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
    seen = visible > LEAST
    return _smooth(at[seen], came[seen] - at[seen], visible[seen], np.zeros_like(_border()))


def freed(at: np.ndarray, visible: np.ndarray, source: Skull, target: Skull) -> np.ndarray:
    """What a freed border adds to `continued`, and how free each cell is (3,SPLINE_GRID,SPLINE_GRID). At the points it
    adds nothing, as a spline is linear in its values.

    at, visible: as for `continued`. source, target: the skull in the portrait and in the driven image.
    """
    seen = visible > LEAST
    moved = _smooth(at[seen], np.zeros_like(at[seen]), visible[seen], followed(_border(), source, target))
    return np.concatenate([moved, free(spline_cells(), target).reshape(1, SPLINE_GRID, SPLINE_GRID)])


def followed(places: np.ndarray, source: Skull, target: Skull) -> np.ndarray:
    """Displacements (N,2) of places (N,2) on the freed border of a driven image.

    FOLLOWS of the similarity that takes a sphere's silhouette and the head's upright axis to where they are in the
    portrait: what hair on a skull does, which turns within its silhouette. Exactly 0 where the skulls are the same.
    """
    lever, up, up_there = ((xy @ (1, 1j)) for xy in (places - target.centre, target.up, source.up))
    turned = np.expm1(np.log(up_there) - np.log(up)) * lever
    displacement = np.column_stack([turned.real, turned.imag]) + source.centre - target.centre
    return FOLLOWS * free(places, target)[:, None] * displacement


def free(places: np.ndarray, skull: Skull) -> np.ndarray:
    """How free places (N,2) of an image are to follow the skull (N,): 0 up to the chin, 1 from FREED above it on."""
    height = np.clip((places - skull.chin) @ skull.up / (skull.up @ skull.up) / FREED, 0, 1)
    return height * height * (3 - 2 * height)


def spline_cells() -> np.ndarray:
    """(SPLINE_GRID²,2): the middles of the spline's cells, row by row."""
    middle = (np.arange(SPLINE_GRID) + 0.5) / SPLINE_GRID
    x, y = np.meshgrid(middle, middle)
    return np.stack([x.ravel(), y.ravel()], 1)


@cache
def _border() -> np.ndarray:
    """(4·ANCHORS,2): places along the image's border."""
    edge = (np.arange(ANCHORS) + 0.5) / ANCHORS
    zero, one = np.zeros(ANCHORS), np.ones(ANCHORS)
    return np.concatenate([np.stack(pair, 1) for pair in ((edge, zero), (edge, one), (zero, edge), (one, edge))])


def _smooth(at: np.ndarray, values: np.ndarray, visible: np.ndarray, at_border: np.ndarray) -> np.ndarray:
    """The spline (2,SPLINE_GRID,SPLINE_GRID) through values (N,2) at points (N,2) and those (4·ANCHORS,2) at the
    border."""
    border = _border()
    softness = SOFTNESS / np.concatenate([visible, np.ones(len(border))]) ** 4
    field = spline(np.concatenate([at, border]), np.concatenate([values, at_border]), softness, spline_cells())
    return field.T.reshape(2, SPLINE_GRID, SPLINE_GRID)
