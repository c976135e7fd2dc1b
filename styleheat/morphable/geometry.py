"""Motion from geometry: the position in the portrait of each pixel of the driven image, by the face model only.

The surface of the portrait's face is projected twice: as in the portrait, and with the driver's expression and pose.
Rasterising its triangles in the driven image gives the position in the portrait of each pixel. Two discs behind the
lids represent the eyeballs, which turn with the head and don't follow the lids, and a plane behind the lips represents
the teeth. Around the face, and where the portrait does not show what should be visible, a spline through the
visible points of the surface and the face's silhouette continues the motion smoothly, to zero at the image's border.
With the border freed above the chin, it continues to the skull's motion there.

The result is a field (3,g,g): displacement right and down, in shares of the image's width, from a pixel of the driven
image to its position in the portrait; and the confidence, 0 to 1, that the portrait shows the pixel's content there.
Cells tile the image: cell k of g is around (k + 0.5) / g of the width.
"""

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from styleheat.morphable import coefficients as layout
from styleheat.morphable.camera import CAMERA_DISTANCE, FOCAL, project, rotation
from styleheat.morphable.facing import facing, visibility
from styleheat.morphable.lids import Lids, around_eyes, lid_edges, openness
from styleheat.morphable.lips import Lips, gap_of, lip_edges
from styleheat.morphable.mesh import MOUTH, MOUTH_DEPTH, SKIN, eye_discs, face_mesh, teeth_plane
from styleheat.morphable.points import JAW
from styleheat.morphable.raster import Raster, rasterise
from styleheat.morphable.surface import face_surface
from styleheat.morphable.surroundings import SILHOUETTE, SKULL, Skull, continued, freed, silhouette

GRID = 256
"""Cells across the field: lids and lips are some cells high."""

CHANNELS, CHANGES = 3, 4
"""Of the field, and of what changes for a finished frame."""

SAME_DEPTH = 0.09
"""Units of the face model within which two surfaces are the same."""

SOFT = 5
"""Width in cells of the soft edge between the surface and the spline."""

FACING, ENOUGH = 0.1, 0.9
"""Cosine to the line of sight above which a vertex is seen, and visibility above which the portrait shows it well."""

OPEN, HOLE = 7, 3
"""Minimum width in cells of an open mouth with visible teeth, and of a region that the portrait does not show. Where
lips touch, landmarks leave gaps between them."""

SEAM, LID_SEAM = 4.0 / GRID, 2.0 / GRID
"""Difference of the displacement down between a cell and the next one, above which they belong to two surfaces, such as
lips that were apart in the portrait; at the eyes, where lids hide each other, less. Interpolated in between, a frame
would show what the portrait has between them."""

CHIN = JAW[8]
"""The landmark with which the lower teeth move."""

_AROUND = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class View:
    """The mesh in an image: points (V,2) in shares of the image's width, depth (V,) in units, larger is further; facing
    (V,): the cosine between surface and line of sight, negative where it is turned away. teeth (4,2): places on the
    plane of the teeth: left, right, below and above its middle; lower_teeth (4,2): the same, moved with the jaw.
    silhouette (O,2): the face's outline. skull: behind the face. shut (2,): how far each eye is closed, from 0, as
    in the portrait, to 1."""

    points: np.ndarray
    depth: np.ndarray
    facing: np.ndarray
    teeth: np.ndarray
    lower_teeth: np.ndarray
    silhouette: np.ndarray
    skull: Skull
    shut: np.ndarray

    @property
    def landmarks(self) -> np.ndarray:
        """(68,2)."""
        return self.points[face_surface().landmarks]

    @property
    def lips(self) -> np.ndarray:
        """(2,R,2): the edges of the opening, upper and lower, from the left corner to the right one."""
        return lip_edges(self.points[face_surface().mouth])


class Geometry:
    """The face of a portrait, prepared for computing fields.

    own: its `View`. covered: (GRID,GRID) bool, where in the portrait the face is. opens: whether its mouth is open and
    shows the teeth.
    """

    def __init__(self, coefficients: np.ndarray, landmarks: np.ndarray, size: int) -> None:
        """coefficients: packed, (260,), of the portrait. landmarks: (68,2) that were found in it, in pixels of the
        image scaled to 256 (`FRAME_SIZE`), to which the surface is fitted. size: pixels of the image."""
        surface = face_surface()
        self._middle = 0.5 / size  # of the first pixel, whose number stays 0 in the scaled image
        self._neutral = surface.neutral(coefficients[layout.IDENTITY].astype(np.float64))
        self._eyes, self._teeth = eye_discs(self._neutral), teeth_plane(self._neutral)
        own = layout.descriptor(coefficients[None])[0].astype(np.float64)
        self._residual = np.zeros((len(surface.mean), 2))
        self._opening = len(surface.mouth) + 1  # vertices, the last ones
        skin = self._neutral + surface.moved(own[layout.DESCRIPTOR_EXPRESSION])
        self._lips = Lips(touching=gap_of(self._neutral), gap=gap_of(skin))
        self._lids = Lids(own=_openness(skin))
        self._head = self.view(own).points[: len(surface.mean)]
        found = landmarks / layout.FRAME_SIZE + self._middle
        self._residual = surface.spread @ (found - self._head[surface.landmarks])
        self.own = self.view(own)
        self._raster = _rasterised(self.own, np.zeros((len(self.own.depth), 0)))
        _mark_mouth(self._raster.label)
        self.opens = bool((self._raster.label == MOUTH).any())
        # Cells along the outline count as outside of the face: both sides look alike.
        self.covered = self._raster.label > 0
        self._inside = cv2.erode((self._raster.label > 0).astype(np.uint8), np.ones((SOFT, SOFT)))

    def __call__(self, descriptor: np.ndarray) -> np.ndarray:
        """Descriptor (73,) that the portrait's face shall have → the field (3,GRID,GRID), float32."""
        return self.field(self.view(descriptor))

    def field(self, target: View) -> np.ndarray:
        """A view of the portrait's face → the field (3,GRID,GRID), float32."""
        return self._joined(self._raster_of(target), continued(*self._known(target)))[0]

    def freed(self, target: View) -> tuple[np.ndarray, np.ndarray]:
        """The field (3,GRID,GRID) of a view, and what changes for a finished frame (4,GRID,GRID), float32.

        The changes, where the border is free: what is added to the displacement right and down, so that the border
        above the chin follows the skull; and the share, 0 to 1, of what a network adds of its own that no longer holds,
        as it makes up for a border that stands still. These are 0 on the face, and the first two for the portrait's own
        view. Then, free or not: how surely the portrait shows an eye and its lids, 0 to 1, sharp up to their edges.
        """
        raster, (at, came, visible) = self._raster_of(target), self._known(target)
        field, weight, sure = self._joined(raster, continued(at, came, visible))
        changes = np.empty((CHANGES, GRID, GRID), np.float32)
        changes[:3] = _resized(freed(at, visible, self.own.skull, target.skull))
        changes[:2] *= 1 - weight
        changes[2] = np.clip(changes[2], 0, 1 - _soft((raster.label > 0).astype(np.float32)))
        sure[1:][np.abs(np.diff(field[1], axis=0)) > LID_SEAM] = 0
        sure = cv2.min(sure, cv2.blur(sure, (3, 3)))
        changes[3] = np.minimum(sure * around_eyes(target.landmarks, GRID), 1)
        return field, changes

    def _raster_of(self, target: View) -> Raster:
        """A view, with where each pixel was in the portrait (2), how far away there, and how well it was seen there."""
        source = self.own
        visible = np.ones(len(source.depth))
        visible[: len(source.facing)] = visibility(source.facing, target.facing)
        came = lid_edges(source.points, source.landmarks, target.shut)
        came[-self._opening :] = _along(target.teeth, source.teeth, target.points[-self._opening :])
        return _rasterised(target, np.column_stack([came, source.depth, visible]))

    def _joined(self, target: Raster, spline: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The field: the surface where the portrait shows it, the spline elsewhere, with a soft edge between; the
        surface's weight (GRID,GRID); and how surely the portrait shows the surface (GRID,GRID), cell by cell. In the
        field, hidden regions are not narrowed by the blur, as an opening between lips is thin."""
        certain, weight = np.empty((GRID, GRID), np.float32), np.empty((GRID, GRID), np.float32)
        _weigh(target.label, target.attributes, self._raster.label, self._raster.depth, certain, weight)
        sure = certain.copy()
        weight = np.minimum(_soft(weight), weight)
        field = np.empty((CHANNELS, GRID, GRID), np.float32)
        field[:2] = _resized(spline)
        _blend(target.label, target.attributes, self._inside, weight, certain, field)
        certain[_slivers(certain < 0.5, HOLE)] = 1
        certain[1:][np.abs(np.diff(field[1], axis=0)) > SEAM] = 0
        field[2] = np.minimum(_soft(certain), cv2.blur(cv2.erode(certain, _AROUND), (3, 3)))
        return field, weight, sure

    def other_side(self, target: View) -> np.ndarray | None:
        """Where the portrait shows the skin of a view on the other side of the face: (CHANNELS + 1,GRID,GRID) float32.

        As `field`, but each point comes from its mirror image, and the confidence is 0 outside of the skin; then how
        much of the skin the portrait hides, 0 to 1. None if it hides none.
        """
        mirror, source = face_surface().mirror, self.own
        shown = visibility(source.facing, target.facing)
        if (shown[target.facing > FACING] > ENOUGH).all():
            return None
        came, depth = source.points.copy(), source.depth.copy()
        visible, hidden = np.zeros(len(depth)), np.zeros(len(depth))
        skin = slice(len(mirror))
        came[skin], depth[skin], hidden[skin] = (
            source.points[mirror],
            source.depth[mirror],
            1 - np.minimum(shown / ENOUGH, 1),
        )
        visible[skin] = visibility(source.facing[mirror], target.facing)
        raster = _rasterised(target, np.column_stack([came, depth, visible, hidden]))
        label = np.where(raster.label == SKIN, np.uint8(SKIN), np.uint8(0))
        field = np.zeros((CHANNELS + 1, GRID, GRID), np.float32)
        _weigh(label, raster.attributes, self._raster.label, self._raster.depth, field[2], np.empty_like(field[2]))
        cells = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
        field[0], field[1] = raster.attributes[..., 0] - cells, raster.attributes[..., 1] - cells[:, None]
        field[:2, label == 0] = 0
        field[2] *= np.maximum(2 * _soft(field[2]) - 1, 0)
        field[3] = _soft(raster.attributes[..., 4] * label)
        return field

    def view(self, descriptor: np.ndarray) -> View:
        """The portrait's face with the expression and pose of a descriptor (73,)."""
        surface, descriptor = face_surface(), descriptor.astype(np.float64)
        expression = descriptor[layout.DESCRIPTOR_EXPRESSION]
        moves = surface.moved(expression)
        skin = self._neutral + moves
        mouth = skin[surface.mouth]
        mouth = np.concatenate([mouth, mouth.mean(0, keepdims=True) - (0, 0, MOUTH_DEPTH)])
        teeth = np.concatenate([self._teeth, self._teeth + moves[surface.landmarks[CHIN]]])
        placed, points = self._placed(np.concatenate([skin, self._eyes, mouth, teeth]), descriptor)
        points, teeth = points[: -len(teeth)], points[-len(teeth) :]
        residual = self._residual_of(points[: len(skin)])
        points[: len(skin)] += residual
        landmarks = points[surface.landmarks]
        lids, shut = self._lids.closing(landmarks, residual[surface.landmarks], _openness(skin))
        closing = surface.spread @ (self._lips.closing(landmarks, gap_of(skin)) + lids)
        points[: len(skin)] += closing
        opening = (residual + closing)[surface.mouth]
        teeth += opening.mean(0)
        points[-len(mouth) :] += np.concatenate([opening, opening.mean(0, keepdims=True)])
        turn = rotation(descriptor[layout.DESCRIPTOR_ANGLE])
        unit = layout.CROP_SCALE / descriptor[layout.DESCRIPTOR_CROP][0] / layout.FRAME_SIZE
        return View(
            points,
            -placed[: len(points), 2],
            facing(placed[: len(skin)]),
            teeth[:4],
            teeth[4:],
            silhouette(points[: len(skin)], turn, unit),
            self._skull(descriptor),
            shut,
        )

    def _placed(self, points: np.ndarray, descriptor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (N,3) of the face in its own axes → before the camera (N,3), and in the image (N,2)."""
        turn = rotation(descriptor[layout.DESCRIPTOR_ANGLE])
        placed = points @ turn.T + descriptor[layout.DESCRIPTOR_TRANSLATION]
        params = np.full((1, 5), float(layout.FRAME_SIZE))
        params[0, 2:] = descriptor[layout.DESCRIPTOR_CROP]
        return placed, layout.from_crop(project(placed)[None], params)[0] / layout.FRAME_SIZE + self._middle

    def _residual_of(self, points: np.ndarray) -> np.ndarray:
        """The residual of the portrait's landmarks, spread and turned and scaled with the head (V,2)."""
        if not self._residual.any():
            return self._residual
        a, b = (part - part.mean() for part in (self._head @ (1, 1j), points @ (1, 1j)))
        turned = (self._residual @ (1, 1j)) * (a.conj() @ b) / (a.conj() @ a).real
        return np.column_stack([turned.real, turned.imag])

    def _known(self, target: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the spline goes through, for `continued`: the points visible in both views, and the silhouettes."""
        source, inside = self.own, face_mesh().inside
        at, came = (np.concatenate([v.points[inside], v.silhouette]) for v in (target, source))
        visible = visibility(source.facing[inside], target.facing[inside]) * np.clip(4 * target.facing[inside], 0, 1)
        return at, came, np.concatenate([visible, np.full(len(source.silhouette), SILHOUETTE)])

    def _skull(self, descriptor: np.ndarray) -> Skull:
        """The skull, which doesn't follow expressions: its chin stays when the mouth opens."""
        chin = self._neutral[face_surface().landmarks[CHIN]]
        placed, (centre, chin) = self._placed(np.stack([SKULL, chin]), descriptor)
        unit = FOCAL / (CAMERA_DISTANCE - placed[0, 2]) / descriptor[layout.DESCRIPTOR_CROP][0] / layout.FRAME_SIZE
        up = rotation(descriptor[layout.DESCRIPTOR_ANGLE])[:2, 1] * (1, -1)
        return Skull(centre, chin, up * unit / np.linalg.norm(up))


def _along(ours: np.ndarray, theirs: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N,2), transformed by the affine map that takes points `ours` (4,2) to `theirs` (4,2)."""
    known = np.column_stack([ours, np.ones(len(ours))])
    affine = np.linalg.lstsq(known, theirs, rcond=None)[0]
    return np.column_stack([points, np.ones(len(points))]) @ affine


def _openness(skin: np.ndarray) -> np.ndarray:
    """Of both eyes (2,) of a surface (V,3), in front of it."""
    return openness(skin[face_surface().landmarks, :2] * (1, -1))


def mirror_field(field: np.ndarray) -> np.ndarray:
    """The field (3,g,g) of a mirrored portrait in a mirrored image."""
    mirrored = np.ascontiguousarray(field[:, :, ::-1])
    mirrored[0] *= -1
    return mirrored


def _rasterised(view: View, attributes: np.ndarray) -> Raster:
    """`face_mesh` in an image; attributes: (V,C), of its vertices."""
    mesh = face_mesh()
    return rasterise(view.points, view.depth, attributes, mesh.triangles, mesh.kinds, GRID)


def _resized(spline: np.ndarray) -> np.ndarray:
    """(C,SPLINE_GRID,SPLINE_GRID) → (C,GRID,GRID) float32."""
    parts = [cv2.resize(part, (GRID, GRID), interpolation=cv2.INTER_CUBIC) for part in spline]
    return np.stack(parts).astype(np.float32)


def _mark_mouth(label: np.ndarray) -> None:
    """Restrict the label MOUTH to openings that show the teeth, not gaps between touching lips; in place."""
    label[_slivers(label == MOUTH, OPEN)] = SKIN


def _slivers(mask: np.ndarray, cells: int) -> np.ndarray:
    """The connected parts of a mask (g,g) bool in which no square of so many cells fits."""
    count, part = cv2.connectedComponents(mask.astype(np.uint8))
    wide = np.zeros(count, bool)
    wide[part[cv2.erode(mask.astype(np.uint8), np.ones((cells, cells), np.uint8)) > 0]] = True
    return mask & ~wide[part]


def _soft(image: np.ndarray) -> np.ndarray:
    return cv2.blur(image, (SOFT, SOFT), borderType=cv2.BORDER_REPLICATE)


@numba.njit(cache=True, nogil=True)
def _weigh(
    label: np.ndarray,
    attributes: np.ndarray,
    own_label: np.ndarray,
    own_depth: np.ndarray,
    certain: np.ndarray,
    weight: np.ndarray,
) -> None:
    """For each pixel of the surface: the confidence that the portrait shows its content, and the weight of the
    surface's displacement against the spline's: 1 in eyes and mouth, on skin the visibility in the portrait."""
    size = label.shape[0]
    for y in range(size):
        for x in range(size):
            kind = label[y, x]
            certain[y, x] = weight[y, x] = 0
            if kind == 0:
                continue
            weight[y, x] = 1
            column = min(max(int(attributes[y, x, 0] * size), 0), size - 1)
            row = min(max(int(attributes[y, x, 1] * size), 0), size - 1)
            there = own_label[row, column]
            if kind == SKIN:
                weight[y, x] = attributes[y, x, 3]
                hidden = there == SKIN and attributes[y, x, 2] - own_depth[row, column] > SAME_DEPTH
                certain[y, x] = 0 if hidden else weight[y, x]
            else:
                certain[y, x] = there == kind


@numba.njit(cache=True, nogil=True)
def _blend(
    label: np.ndarray,
    attributes: np.ndarray,
    inside: np.ndarray,
    weight: np.ndarray,
    certain: np.ndarray,
    field: np.ndarray,
) -> None:
    """Blend the surface's displacements into the spline's. Outside of the face, pixels that
    would be taken from the portrait's face are uncertain."""
    size = label.shape[0]
    for y in range(size):
        for x in range(size):
            right, down = (x + 0.5) / size, (y + 0.5) / size
            if label[y, x] > 0:
                w = weight[y, x]
                field[0, y, x] += w * (attributes[y, x, 0] - right - field[0, y, x])
                field[1, y, x] += w * (attributes[y, x, 1] - down - field[1, y, x])
            else:
                column = min(max(int((field[0, y, x] + right) * size), 0), size - 1)
                row = min(max(int((field[1, y, x] + down) * size), 0), size - 1)
                certain[y, x] = inside[row, column] == 0
