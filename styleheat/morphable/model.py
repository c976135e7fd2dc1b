"""Our own linear face model: 68 landmarks in three dimensions as a mean, 80 identity and 64 expression directions.

It has the layout, camera and rotation of Deep3DFaceRecon's BFM pipeline (257 coefficients; `coefficients.py`), so that
its coefficients drive the same networks, but it contains nothing of BFM: the mean is the average of what
MediaPipe's face mesh reports of speaking faces, made symmetric and the lips closed; the directions are deformations
designed by hand and named ("jaw_open", "blink_left"), completed to 80 and 64 by smooth modes of the landmark graph.

Axes: x to the right of the image, y up, z towards the viewer. The face is 1.3 units from chin to brow, its outer eye
corners 0.9 apart; one unit is about 102 pixels of the 224-pixel crop. "Left" and "right" are the image's.
A coefficient of 1 is about one standard deviation: among people, or in talking.

Each direction is symmetric, antisymmetric, or one of a left-right pair, so the coefficients of a mirrored face are a
signed permutation of the face's own (`FaceModel.mirror`).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse.csgraph import connected_components

from styleheat.constants import EXPRESSION, IDENTITY, LANDMARKS
from styleheat.morphable import coefficients as layout
from styleheat.morphable.camera import project, rotation
from styleheat.morphable.directions import (
    BROWS_AND_LIDS,
    STABLE,
    Field,
    expression_fields,
    identity_fields,
    moved_by,
)
from styleheat.morphable.points import LIPS, MEAN, MIRROR


@dataclass(frozen=True)
class FaceModel:
    """Landmarks that are linear in the coefficients, before rotation and camera.

    mean (68, 3); identity (80, 68, 3) and expression (64, 68, 3): displacements in units for a coefficient of 1;
    the names of the directions, by which `named` and `mirror` find them.
    """

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    identity_names: tuple[str, ...]
    expression_names: tuple[str, ...]

    def shape(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (T, 257 or 260) → the face in its own axes, without pose (T, 68, 3)."""
        identity = np.tensordot(coefficients[:, layout.IDENTITY], self.identity, 1)
        expression = np.tensordot(coefficients[:, layout.EXPRESSION], self.expression, 1)
        return self.mean + identity + expression

    def landmarks(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (T, 257 or 260) → landmarks (T, 68, 2) in pixels of the 224-pixel crop, y down."""
        turned = self.shape(coefficients) @ rotation(coefficients[:, layout.ANGLE]).swapaxes(-1, -2)
        return project(turned + coefficients[:, None, layout.TRANSLATION])

    def named(self, expression: np.ndarray, name: str) -> np.ndarray:
        """The one expression coefficient called `name`, from (..., 64) or a descriptor (..., 73)."""
        return expression[..., self.expression_names.index(name)]

    def mirror(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (T, 257) of a face → those of its mirror image, exactly."""
        mirrored = coefficients.copy()
        for part, names in ((layout.IDENTITY, self.identity_names), (layout.EXPRESSION, self.expression_names)):
            order, sign = _mirrored_order(names)
            mirrored[:, part] = coefficients[:, part][:, order] * sign
        mirrored[:, layout.ANGLE] *= (1, -1, -1)
        mirrored[:, layout.TRANSLATION] *= (-1, 1, 1)
        return mirrored

    def mirror_descriptor(self, descriptors: np.ndarray, size: int) -> np.ndarray:
        """Descriptors (..., 73) of frames of `size` pixels → those of the frames' mirror images, exactly."""
        order, sign = _mirrored_order(self.expression_names)
        mirrored = descriptors.copy()
        mirrored[..., layout.DESCRIPTOR_EXPRESSION] = descriptors[..., order] * sign
        mirrored[..., layout.DESCRIPTOR_ANGLE] *= np.array([1, -1, -1], descriptors.dtype)
        mirrored[..., layout.DESCRIPTOR_TRANSLATION] *= np.array([-1, 1, 1], descriptors.dtype)
        # The crop's centre in pixels of the frame scaled to 256, where the last column is not 255 but 256 − 256/size.
        column = layout.DESCRIPTOR_CROP.start + 1
        mirrored[..., column] = layout.FRAME_SIZE * (1 - 1 / size) - descriptors[..., column]
        return mirrored


@cache
def face_model() -> FaceModel:
    """The model, computed once a process (milliseconds), and the same on every machine but for rounding errors.

    Trained weights are only valid for the directions that they were trained with.
    """
    everywhere = np.arange(LANDMARKS)
    expression = {name: _without_motion(field, STABLE) for name, field in expression_fields().items()}
    identity = {name: _without_motion(field, everywhere, scale=True) for name, field in identity_fields().items()}

    for name, points, amplitude, up_to in (
        ("lips", LIPS, 0.012, 56),
        ("brows_and_lids", BROWS_AND_LIDS, 0.008, EXPRESSION),
    ):
        known = np.stack(list(expression.values()))
        expression |= _smooth_modes(name, points, amplitude, known, up_to - len(expression))
    known = np.stack([*identity.values(), *expression.values(), *_motions(scale=True)])
    identity |= _smooth_modes("face", everywhere, 0.006, known, IDENTITY - len(identity))
    return FaceModel(
        MEAN,
        np.stack(list(identity.values())),
        np.stack(list(expression.values())),
        tuple(identity),
        tuple(expression),
    )


@cache
def _mirrored_order(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """For each direction, which one it becomes in the mirror image, and with what sign."""

    def other_side(name: str) -> str:
        stem, _, side = name.rpartition("_")
        return f"{stem}_{'right' if side == 'left' else 'left'}" if side in ("left", "right") else name

    order = np.array([names.index(other_side(name)) for name in names])
    return order, np.array([-1.0 if name.endswith(("_odd", "_sideways")) else 1.0 for name in names])


# --- completing the directions


def _motions(scale: bool) -> np.ndarray:
    """Rigid motions of the mean face: 3 translations, 3 rotations and, if asked, scaling (6 or 7, 68, 3)."""
    zero, one = np.zeros(LANDMARKS), np.ones(LANDMARKS)
    x, y, z = MEAN.T
    motions = [moved_by(one, x=1.0), moved_by(one, y=1.0), moved_by(one, z=1.0)]
    turns = [(zero, -z, y), (z, zero, -x), (-y, x, zero)]
    motions += [np.stack(turn, axis=1) for turn in turns]
    return np.stack(motions + ([MEAN] if scale else []))


def _without_motion(field: Field, points: list[int] | np.ndarray, scale: bool = False) -> Field:
    """`field` less the rigid motion that fits it best at `points`, which the pose describes."""
    motions = _motions(scale)
    best, *_ = np.linalg.lstsq(motions[:, points].reshape(len(motions), -1).T, field[points].ravel(), rcond=None)
    return field - np.tensordot(best, motions, 1)


def _smooth_modes(name: str, points: np.ndarray, amplitude: float, known: np.ndarray, count: int) -> dict[str, Field]:
    """`count` deformations of `points`, smooth first, orthogonal to `known` (K, 68, 3) and to each other.

    They are harmonics of the landmark graph (eigenvectors of its Laplacian) along one axis, even or odd in x, so that
    each is symmetric or antisymmetric; `amplitude` is their root mean square over the points.
    """
    basis, sizes, _ = np.linalg.svd(known.reshape(len(known), -1).T, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]  # some of the known are combinations of others
    modes: dict[str, Field] = {}
    for harmonic, even in _harmonics(points):
        for axis in range(3):
            field = np.zeros((LANDMARKS, 3))
            field[points, axis] = harmonic
            symmetric = even == (axis > 0)  # mirroring turns x over
            rest = field.ravel()
            for _ in range(2):  # twice for accuracy
                rest = rest - basis @ (basis.T @ rest)
            if np.linalg.norm(rest) < 0.3:  # mostly a combination of known ones
                continue
            rest /= np.linalg.norm(rest)
            basis = np.column_stack([basis, rest])
            modes[f"{name}_mode_{len(modes)}{'' if symmetric else '_odd'}"] = (
                amplitude * np.sqrt(len(points)) * rest.reshape(LANDMARKS, 3)
            )
            if len(modes) == count:
                return modes
    raise AssertionError(f"{name}: only {len(modes)} of {count} modes")


def _harmonics(points: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """Eigenvectors of the Laplacian of the graph on `points`, smooth first, each with whether it is even in x."""
    place = {int(point): index for index, point in enumerate(points)}
    weights = np.zeros((len(points), len(points)))
    for a, b in _edges():
        if a in place and b in place:
            weights[place[a], place[b]] = weights[place[b], place[a]] = 1 / np.linalg.norm(MEAN[a] - MEAN[b])
    laplacian = np.diag(weights.sum(0)) - weights
    swap = np.eye(len(points))[[place[int(MIRROR[point])] for point in points]]

    # Each connected part (with its mirror image) by itself: all have a constant of frequency 0, and of vectors of one
    # frequency a solver returns any mixture, another one on another kind of processor.
    found = []
    count, part_of = connected_components(weights + swap)
    for part in range(count):
        own = np.flatnonzero(part_of == part)
        # An orthonormal basis of the even or odd functions: the swap's eigenvectors of 1 or −1.
        values, vectors = np.linalg.eigh(swap[np.ix_(own, own)])
        for even in (True, False):
            half = vectors[:, values > 0] if even else vectors[:, values < 0]
            frequencies, inside = np.linalg.eigh(half.T @ laplacian[np.ix_(own, own)] @ half)
            for frequency, vector in zip(frequencies, (half @ inside).T, strict=True):
                everywhere = np.zeros(len(points))
                everywhere[own] = vector * np.sign(vector[np.argmax(np.abs(vector) > 0.9 * np.abs(vector).max())])
                found.append((round(float(frequency), 6), everywhere, even))
    found.sort(key=lambda item: item[0])
    return [(vector, even) for _, vector, even in found]


def _edges() -> list[tuple[int, int]]:
    """The landmark graph: the drawn lines of the scheme, and links between its parts, as symmetric as the face."""
    chains = ((0, 16), (17, 21), (22, 26), (27, 30), (31, 35))
    lines = [(i, i + 1) for first, last in chains for i in range(first, last)]
    rings = [
        (first + i, first + (i + 1) % (last - first))
        for first, last in ((36, 42), (42, 48), (48, 60), (60, 68))
        for i in range(last - first)
    ]
    links = [(48, 60), (50, 61), (51, 62), (57, 66), (58, 67)]  # outer to inner lip
    links += [(8, 57), (6, 59), (4, 48), (33, 51), (31, 49), (30, 33), (27, 39), (21, 27), (20, 38), (18, 37)]
    links += [(0, 36), (17, 36), (2, 41), (31, 40)]
    mirrored = {tuple(sorted((int(MIRROR[a]), int(MIRROR[b])))) for a, b in links}
    return sorted({*lines, *(tuple(sorted(edge)) for edge in rings + links), *mirrored})  # type: ignore[arg-type]
