"""The named directions of the face model: displacements (68, 3) in units, designed on the mean face."""

import numpy as np

from styleheat.constants import LANDMARKS
from styleheat.morphable.points import BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT, JAW, LIPS, MEAN, MIRROR, NOSE

_X, _Y, _Z = MEAN.T
_UPPER_LIP = [49, 50, 51, 52, 53, 61, 62, 63]
_LOWER_LIP = [55, 56, 57, 58, 59, 65, 66, 67]
_OUTER_UPPER, _OUTER_LOWER = [49, 50, 51, 52, 53], [55, 56, 57, 58, 59]
_CORNERS = [48, 54, 60, 64]
BROWS_AND_LIDS = np.array([*BROW_LEFT, *BROW_RIGHT, 37, 38, 40, 41, 43, 44, 46, 47])
_HINGE_Y, _HINGE_Z = 0.04, -0.38
"""The jaw's axis, a little in front of the ears."""

STABLE = [0, 1, 15, 16, 27, 28, 29, 30, 36, 39, 42, 45]
"""Points that hardly move with expressions: they separate the head's motion from the face's."""

Field = np.ndarray


def _at(points: list[int] | np.ndarray | dict[int, float]) -> np.ndarray:
    """Weights (68,): 1 at the points, or the given weight at each."""
    weights = np.zeros(LANDMARKS)
    for point in points:
        weights[point] = points[point] if isinstance(points, dict) else 1.0
    return weights


def moved_by(weights: np.ndarray, x: float | Field = 0.0, y: float | Field = 0.0, z: float | Field = 0.0) -> Field:
    """The displacement (x, y, z), each a number or one a landmark, times the landmark's weight."""
    return np.stack([weights * x, weights * y, weights * z], axis=1)


def _both_sides(name: str, left: Field) -> dict[str, Field]:
    return {f"{name}_left": left, f"{name}_right": _mirrored(left)}


def _mirrored(field: Field) -> Field:
    return field[MIRROR] * (-1, 1, 1)


def expression_fields() -> dict[str, Field]:
    """Movements of faces in talking. One unit is a third of the strongest movement, or less."""
    # How far each part follows the jaw bone, as landmarks are found on skin: the middle of the lower lip fully, the
    # chin and the corners of the mouth in part, the ramus little.
    contour = {2: 0.1, 3: 0.3, 4: 0.45, 5: 0.55, 6: 0.6, 7: 0.68}
    jaw = _at({**contour, **{16 - point: weight for point, weight in contour.items()}, 8: 0.7})
    jaw += _at({point: 1.0 - 0.4 * (_X[point] / 0.28) ** 2 for point in _LOWER_LIP}) + 0.42 * _at(_CORNERS)
    turn = moved_by(jaw, y=-(_Z - _HINGE_Z), z=_Y - _HINGE_Y)  # a rotation about the hinge, one radian

    lips, middle = _at(LIPS), np.clip(1 - (_X / 0.28) ** 2, 0, 1)
    outer_upper, outer_lower = _at(_OUTER_UPPER), _at(_OUTER_LOWER)
    upper, lower = _at(_UPPER_LIP) * (0.3 + 0.7 * middle), _at(_LOWER_LIP) * (0.3 + 0.7 * middle)
    sides = np.abs(_X) / 0.28
    corner = _at({48: 1.0, 60: 0.9, 49: 0.5, 59: 0.5, 61: 0.25, 67: 0.25, 50: 0.15, 58: 0.15})

    return {
        "jaw_open": 0.08 * turn + moved_by(_at(_CORNERS), x=-0.03 * _X / 0.28),
        "jaw_sideways": moved_by(jaw, x=0.02),
        "jaw_forward": moved_by(jaw, y=0.004, z=0.02),
        "lips_round": moved_by(lips, x=-0.13 * _X, z=0.02 + 0.02 * middle) + moved_by(outer_upper, y=0.006),
        "lips_spread": moved_by(lips, x=0.09 * _X, z=-0.015 * sides),
        "lips_sideways": moved_by(lips, x=0.018),
        "upper_lip_raise": moved_by(upper, y=0.018, z=0.003),
        "lower_lip_drop": moved_by(lower, y=-0.022, z=0.003),
        "upper_lip_roll": moved_by(outer_upper, y=-0.010, z=-0.010),
        "lower_lip_roll": moved_by(outer_lower, y=0.013, z=-0.010),
        "chin_raise": moved_by(lower, y=0.016, z=0.008) + moved_by(_at([7, 8, 9]), y=0.010) + moved_by(upper, y=0.006),
        **_both_sides("smile", moved_by(corner, x=-0.014, y=0.024, z=-0.012) + moved_by(_at([40, 41]), y=0.004)),
        **_both_sides("frown", moved_by(corner, x=-0.002, y=-0.018, z=-0.004)),
        **_both_sides("brow_inner_raise", moved_by(_at({19: 0.3, 20: 0.8, 21: 1.0}), y=0.022)),
        **_both_sides("brow_outer_raise", moved_by(_at({17: 0.9, 18: 1.0, 19: 0.8, 20: 0.3}), y=0.022)),
        "brow_squeeze": moved_by(_at({20: 0.5, 21: 1.0, 22: 1.0, 23: 0.5}), x=-0.012 * np.sign(_X), y=-0.010),
        **_both_sides("blink", moved_by(_at([37, 38]), y=-0.022, z=0.004) + moved_by(_at([40, 41]), y=0.003)),
        **_both_sides("squint", moved_by(_at([40, 41]), y=0.008)),
        "nose_wrinkle": moved_by(_at([31, 32, 33, 34, 35]), y=0.008) + moved_by(upper, y=0.004),
        "nostril_flare": moved_by(_at([31, 32, 34, 35]), x=0.05 * _X),
    }


def identity_fields() -> dict[str, Field]:
    """Differences between faces. None opens the mouth: the lips of every neutral face are closed."""
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
        "face_wide": moved_by(everything, x=0.05 * _X),
        "face_long_below": moved_by(everything, y=0.06 * np.minimum(_Y, 0)),
        "face_deep": moved_by(everything, z=0.08 * _Z),
        "temples_wide": moved_by(_at([0, 1, 15, 16]), x=0.035 * side),
        "temples_back": moved_by(_at([0, 1, 15, 16]), z=-0.05),
        "jaw_wide": moved_by(lower_jaw, x=0.10 * _X),
        "jaw_back": moved_by(_at([2, 3, 4, 12, 13, 14]), z=-0.04),
        "jaw_low": moved_by(_at([2, 3, 4, 12, 13, 14]), y=-0.03),
        "jaw_odd": moved_by(lower_jaw, x=0.012),
        "chin_long": moved_by(chin, y=-0.035),
        "chin_wide": moved_by(chin, x=0.15 * _X),
        "chin_forward": moved_by(chin, z=0.04),
        "brows_high": moved_by(brows, y=0.025),
        "brows_arched": moved_by(brows, y=0.05 * (brow_end * (1 - brow_end) * 4 - 0.5)),
        "brows_slanted": moved_by(brows, y=0.025 * (brow_end - 0.5)),
        "brows_apart": moved_by(brows, x=0.018 * side),
        "brows_long": moved_by(brows, x=0.025 * side * brow_end),
        "brows_forward": moved_by(brows, z=0.02),
        "brows_odd": moved_by(brows, y=0.010 * side),
        "eyes_apart": moved_by(eyes, x=0.012 * side),
        "eyes_high": moved_by(eyes, y=0.018),
        "eyes_deep": moved_by(eyes, z=-0.018),
        "eyes_wide": moved_by(eyes, x=0.09 * (_X - eye_x)),
        "eyes_tall": moved_by(upper_lids, y=0.007) + moved_by(lower_lids, y=-0.005),
        "eyes_slanted": moved_by(eyes, y=0.06 * (np.abs(_X) - 0.31)),
        "eyes_odd": moved_by(eyes, y=0.006 * side),
        "nose_long": moved_by(_at({29: 0.5, 30: 0.9, 31: 1, 32: 1, 33: 1, 34: 1, 35: 1}), y=-0.025),
        "nose_wide": moved_by(nose, x=0.14 * _X),
        "nose_forward": moved_by(_at({28: 0.3, 29: 0.7, 30: 1, 32: 0.5, 33: 0.6, 34: 0.5}), z=0.045),
        "nose_bridge_high": moved_by(_at({27: 1, 28: 0.8, 29: 0.3}), z=0.03),
        "nose_tip_up": moved_by(_at([30]), y=0.018) + moved_by(_at([33]), y=0.005),
        "nose_bridge_long": moved_by(_at({27: 1, 28: 0.6, 29: 0.2}), y=0.022),
        "nose_odd": moved_by(_at({28: 0.3, 29: 0.8, 30: 1, 33: 0.6}), x=0.008),
        "mouth_wide": moved_by(lips, x=0.09 * _X),
        "mouth_low": moved_by(lips, y=-0.022),
        "mouth_forward": moved_by(lips, z=0.025),
        "mouth_flat": moved_by(lips, z=0.10 * (_Z - 0.35)),
        "mouth_curved": moved_by(lips, y=0.012 * (2 * np.abs(_X) / 0.28 - 1)),
        "mouth_odd": moved_by(lips, x=0.008),
        "upper_lip_full": moved_by(outer_upper, y=0.013, z=0.008),
        "lower_lip_full": moved_by(outer_lower, y=-0.015, z=0.008),
        "upper_lip_bowed": moved_by(_at({51: -1.0, 50: 0.5, 52: 0.5}), y=0.006),
    }
