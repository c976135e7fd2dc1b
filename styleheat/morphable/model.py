"""Our own linear face model: 68 landmarks in three dimensions as a mean, 80 identity and 64 expression directions.

It has the layout, camera and rotation of Deep3DFaceRecon's BFM pipeline (257 coefficients; `coefficients.py`), so that
what is fitted with it drives the same networks, but it holds nothing of BFM: the mean is the average of what
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

FOCAL = 1015.0
CENTRE = 112.0
CAMERA_DISTANCE = 10.0
"""Deep3DFaceRecon's camera: pixels of a 224-pixel image, and units from the face's origin."""

JAW = np.arange(0, 17)
BROW_LEFT, BROW_RIGHT = np.arange(17, 22), np.arange(22, 27)
NOSE = np.arange(27, 36)
EYE_LEFT, EYE_RIGHT = np.arange(36, 42), np.arange(42, 48)
LIPS = np.arange(48, 68)
"""The iBUG scheme's groups of points."""

MIRROR = np.array(
    list(range(16, -1, -1))
    + list(range(26, 16, -1))
    + [27, 28, 29, 30, 35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)
"""The landmark that each landmark becomes in the mirror image."""

# fmt: off
_LEFT_HALF_AND_MIDDLE = {
    # jaw: temple to chin
    0: (-0.690, 0.195, -0.380), 1: (-0.671, -0.089, -0.413), 2: (-0.649, -0.239, -0.378), 3: (-0.605, -0.393, -0.311),
    4: (-0.542, -0.513, -0.204), 5: (-0.373, -0.663, 0.005), 6: (-0.295, -0.711, 0.078), 7: (-0.120, -0.784, 0.206),
    8: (0.0, -0.795, 0.225),
    # brow: temple inwards
    17: (-0.568, 0.431, 0.086), 18: (-0.506, 0.499, 0.160), 19: (-0.413, 0.537, 0.226), 20: (-0.290, 0.539, 0.285),
    21: (-0.148, 0.526, 0.315),
    # nose: bridge, tip, wings
    27: (0.0, 0.339, 0.322), 28: (0.0, 0.189, 0.428), 29: (0.0, 0.062, 0.548), 30: (0.0, -0.023, 0.578),
    31: (-0.155, -0.134, 0.364), 32: (-0.076, -0.163, 0.394), 33: (0.0, -0.163, 0.411),
    # eye: outer corner, upper lid, inner corner, lower lid
    36: (-0.452, 0.269, 0.109), 37: (-0.383, 0.309, 0.174), 38: (-0.276, 0.316, 0.192), 39: (-0.172, 0.256, 0.165),
    40: (-0.264, 0.236, 0.186), 41: (-0.368, 0.238, 0.169),
    # outer lip: corner, upper, lower
    48: (-0.280, -0.365, 0.208), 49: (-0.164, -0.305, 0.367), 50: (-0.081, -0.288, 0.405), 51: (0.0, -0.298, 0.413),
    57: (0.0, -0.468, 0.372), 58: (-0.081, -0.463, 0.365), 59: (-0.152, -0.446, 0.333),
    # inner lip: corner, upper, lower
    60: (-0.242, -0.362, 0.226), 61: (-0.065, -0.359, 0.353), 62: (0.0, -0.360, 0.362), 66: (0.0, -0.368, 0.351),
    67: (-0.068, -0.366, 0.341),
}
# fmt: on


def _mean() -> np.ndarray:
    mean = np.zeros((LANDMARKS, 3))
    for point, place in _LEFT_HALF_AND_MIDDLE.items():
        mean[point] = place
        mean[MIRROR[point]] = np.multiply(place, (-1, 1, 1))
    return mean


MEAN = _mean()
"""The mean face (68, 3)."""

STANDARD_POINTS = layout.five_points(MEAN)
"""Its eyes, nose tip and mouth corners (5, 3), by which frames are cropped."""


# --- rotation and camera


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
    """The inverse of `rotation` for |y| < 90°."""
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


# --- the model


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

    Trained weights are only good for the directions that they were trained with.
    """
    everywhere = np.arange(LANDMARKS)
    expression = {name: _without_motion(field, _STABLE) for name, field in _expression_fields().items()}
    identity = {name: _without_motion(field, everywhere, scale=True) for name, field in _identity_fields().items()}

    for name, points, amplitude, up_to in (
        ("lips", LIPS, 0.012, 56),
        ("brows_and_lids", _BROWS_AND_LIDS, 0.008, EXPRESSION),
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


# --- the directions: displacements (68, 3) in units, designed on the mean face

_X, _Y, _Z = MEAN.T
_UPPER_LIP = [49, 50, 51, 52, 53, 61, 62, 63]
_LOWER_LIP = [55, 56, 57, 58, 59, 65, 66, 67]
_OUTER_UPPER, _OUTER_LOWER = [49, 50, 51, 52, 53], [55, 56, 57, 58, 59]
_CORNERS = [48, 54, 60, 64]
_BROWS_AND_LIDS = np.array([*BROW_LEFT, *BROW_RIGHT, 37, 38, 40, 41, 43, 44, 46, 47])
_HINGE_Y, _HINGE_Z = 0.04, -0.38
"""The jaw's axis, a little in front of the ears."""

_STABLE = [0, 1, 15, 16, 27, 28, 29, 30, 36, 39, 42, 45]
"""Points that hardly move with expressions: they separate the head's motion from the face's."""

Field = np.ndarray


def _at(points: list[int] | np.ndarray | dict[int, float]) -> np.ndarray:
    """Weights (68,): 1 at the points, or the given weight at each."""
    weights = np.zeros(LANDMARKS)
    for point in points:
        weights[point] = points[point] if isinstance(points, dict) else 1.0
    return weights


def _move(weights: np.ndarray, x: float | Field = 0.0, y: float | Field = 0.0, z: float | Field = 0.0) -> Field:
    """The displacement (x, y, z), each a number or one a landmark, times the landmark's weight."""
    return np.stack([weights * x, weights * y, weights * z], axis=1)


def _both_sides(name: str, left: Field) -> dict[str, Field]:
    return {f"{name}_left": left, f"{name}_right": _mirrored(left)}


def _mirrored(field: Field) -> Field:
    return field[MIRROR] * (-1, 1, 1)


def _expression_fields() -> dict[str, Field]:
    """What faces do in talking. One unit is a third of the strongest movement, or less."""
    # How far each part follows the jaw bone, as landmarks are found on skin: the middle of the lower lip fully, the
    # chin and the corners of the mouth in part, the ramus little.
    contour = {2: 0.1, 3: 0.3, 4: 0.45, 5: 0.55, 6: 0.6, 7: 0.68}
    jaw = _at({**contour, **{16 - point: weight for point, weight in contour.items()}, 8: 0.7})
    jaw += _at({point: 1.0 - 0.4 * (_X[point] / 0.28) ** 2 for point in _LOWER_LIP}) + 0.42 * _at(_CORNERS)
    turn = _move(jaw, y=-(_Z - _HINGE_Z), z=_Y - _HINGE_Y)  # a rotation about the hinge, one radian

    lips, middle = _at(LIPS), np.clip(1 - (_X / 0.28) ** 2, 0, 1)
    outer_upper, outer_lower = _at(_OUTER_UPPER), _at(_OUTER_LOWER)
    upper, lower = _at(_UPPER_LIP) * (0.3 + 0.7 * middle), _at(_LOWER_LIP) * (0.3 + 0.7 * middle)
    sides = np.abs(_X) / 0.28
    corner = _at({48: 1.0, 60: 0.9, 49: 0.5, 59: 0.5, 61: 0.25, 67: 0.25, 50: 0.15, 58: 0.15})

    return {
        "jaw_open": 0.08 * turn + _move(_at(_CORNERS), x=-0.03 * _X / 0.28),
        "jaw_sideways": _move(jaw, x=0.02),
        "jaw_forward": _move(jaw, y=0.004, z=0.02),
        "lips_round": _move(lips, x=-0.13 * _X, z=0.02 + 0.02 * middle) + _move(outer_upper, y=0.006),
        "lips_spread": _move(lips, x=0.09 * _X, z=-0.015 * sides),
        "lips_sideways": _move(lips, x=0.018),
        "upper_lip_raise": _move(upper, y=0.018, z=0.003),
        "lower_lip_drop": _move(lower, y=-0.022, z=0.003),
        "upper_lip_roll": _move(outer_upper, y=-0.010, z=-0.010),
        "lower_lip_roll": _move(outer_lower, y=0.013, z=-0.010),
        "chin_raise": _move(lower, y=0.016, z=0.008) + _move(_at([7, 8, 9]), y=0.010) + _move(upper, y=0.006),
        **_both_sides("smile", _move(corner, x=-0.014, y=0.024, z=-0.012) + _move(_at([40, 41]), y=0.004)),
        **_both_sides("frown", _move(corner, x=-0.002, y=-0.018, z=-0.004)),
        **_both_sides("brow_inner_raise", _move(_at({19: 0.3, 20: 0.8, 21: 1.0}), y=0.022)),
        **_both_sides("brow_outer_raise", _move(_at({17: 0.9, 18: 1.0, 19: 0.8, 20: 0.3}), y=0.022)),
        "brow_squeeze": _move(_at({20: 0.5, 21: 1.0, 22: 1.0, 23: 0.5}), x=-0.012 * np.sign(_X), y=-0.010),
        **_both_sides("blink", _move(_at([37, 38]), y=-0.022, z=0.004) + _move(_at([40, 41]), y=0.003)),
        **_both_sides("squint", _move(_at([40, 41]), y=0.008)),
        "nose_wrinkle": _move(_at([31, 32, 33, 34, 35]), y=0.008) + _move(upper, y=0.004),
        "nostril_flare": _move(_at([31, 32, 34, 35]), x=0.05 * _X),
    }


def _identity_fields() -> dict[str, Field]:
    """How faces differ. Nothing here opens the mouth: a clip's neutral lips are closed whoever speaks."""
    everything, lips, nose = np.ones(LANDMARKS), _at(LIPS), _at(NOSE)
    jaw = _at(JAW)
    lower_jaw = jaw * np.clip((-0.1 - _Y) / 0.4, 0, 1)
    chin = _at({5: 0.3, 6: 0.5, 7: 1.0, 8: 1.0, 9: 1.0, 10: 0.5, 11: 0.3})
    brows = _at([*BROW_LEFT, *BROW_RIGHT])
    eyes = _at([*EYE_LEFT, *EYE_RIGHT])
    side = np.sign(_X)
    eye_x = side * 0.31  # the eyes' centres
    upper_lids, lower_lids = _at([37, 38, 43, 44]), _at([40, 41, 46, 47])
    brow_end = np.clip((np.abs(_X) - 0.15) / 0.41, 0, 1)  # 0 at the inner end, 1 at the outer
    outer_upper, outer_lower = _at(_OUTER_UPPER), _at(_OUTER_LOWER)

    return {
        "face_wide": _move(everything, x=0.05 * _X),
        "face_long_below": _move(everything, y=0.06 * np.minimum(_Y, 0)),
        "face_deep": _move(everything, z=0.08 * _Z),
        "temples_wide": _move(_at([0, 1, 15, 16]), x=0.035 * side),
        "temples_back": _move(_at([0, 1, 15, 16]), z=-0.05),
        "jaw_wide": _move(lower_jaw, x=0.10 * _X),
        "jaw_back": _move(_at([2, 3, 4, 12, 13, 14]), z=-0.04),
        "jaw_low": _move(_at([2, 3, 4, 12, 13, 14]), y=-0.03),
        "jaw_odd": _move(lower_jaw, x=0.012),
        "chin_long": _move(chin, y=-0.035),
        "chin_wide": _move(chin, x=0.15 * _X),
        "chin_forward": _move(chin, z=0.04),
        "brows_high": _move(brows, y=0.025),
        "brows_arched": _move(brows, y=0.05 * (brow_end * (1 - brow_end) * 4 - 0.5)),
        "brows_slanted": _move(brows, y=0.025 * (brow_end - 0.5)),
        "brows_apart": _move(brows, x=0.018 * side),
        "brows_long": _move(brows, x=0.025 * side * brow_end),
        "brows_forward": _move(brows, z=0.02),
        "brows_odd": _move(brows, y=0.010 * side),
        "eyes_apart": _move(eyes, x=0.012 * side),
        "eyes_high": _move(eyes, y=0.018),
        "eyes_deep": _move(eyes, z=-0.018),
        "eyes_wide": _move(eyes, x=0.09 * (_X - eye_x)),
        "eyes_tall": _move(upper_lids, y=0.007) + _move(lower_lids, y=-0.005),
        "eyes_slanted": _move(eyes, y=0.06 * (np.abs(_X) - 0.31)),
        "eyes_odd": _move(eyes, y=0.006 * side),
        "nose_long": _move(_at({29: 0.5, 30: 0.9, 31: 1, 32: 1, 33: 1, 34: 1, 35: 1}), y=-0.025),
        "nose_wide": _move(nose, x=0.14 * _X),
        "nose_forward": _move(_at({28: 0.3, 29: 0.7, 30: 1, 32: 0.5, 33: 0.6, 34: 0.5}), z=0.045),
        "nose_bridge_high": _move(_at({27: 1, 28: 0.8, 29: 0.3}), z=0.03),
        "nose_tip_up": _move(_at([30]), y=0.018) + _move(_at([33]), y=0.005),
        "nose_bridge_long": _move(_at({27: 1, 28: 0.6, 29: 0.2}), y=0.022),
        "nose_odd": _move(_at({28: 0.3, 29: 0.8, 30: 1, 33: 0.6}), x=0.008),
        "mouth_wide": _move(lips, x=0.09 * _X),
        "mouth_low": _move(lips, y=-0.022),
        "mouth_forward": _move(lips, z=0.025),
        "mouth_flat": _move(lips, z=0.10 * (_Z - 0.35)),
        "mouth_curved": _move(lips, y=0.012 * (2 * np.abs(_X) / 0.28 - 1)),
        "mouth_odd": _move(lips, x=0.008),
        "upper_lip_full": _move(outer_upper, y=0.013, z=0.008),
        "lower_lip_full": _move(outer_lower, y=-0.015, z=0.008),
        "upper_lip_bowed": _move(_at({51: -1.0, 50: 0.5, 52: 0.5}), y=0.006),
    }


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
    """How the mean face moves as a whole: 3 shifts, 3 turns and, if asked, growth (6 or 7, 68, 3)."""
    zero, one = np.zeros(LANDMARKS), np.ones(LANDMARKS)
    motions = [_move(one, x=1.0), _move(one, y=1.0), _move(one, z=1.0)]
    turns = [(zero, -_Z, _Y), (_Z, zero, -_X), (-_Y, _X, zero)]
    motions += [np.stack(turn, axis=1) for turn in turns]
    return np.stack(motions + ([MEAN] if scale else []))


def _without_motion(field: Field, points: list[int] | np.ndarray, scale: bool = False) -> Field:
    """`field` less the motion of the whole face that explains it best at `points`: that is the pose's to describe."""
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
            if np.linalg.norm(rest) < 0.3:  # mostly known already
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
                whole = np.zeros(len(points))
                whole[own] = vector * np.sign(vector[np.argmax(np.abs(vector) > 0.9 * np.abs(vector).max())])
                found.append((round(float(frequency), 6), whole, even))
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


# --- what a face does, read from landmarks


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
