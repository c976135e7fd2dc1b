"""How far each expression moves the skin: one function for each of `controls.SHAPES`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from styleheat.renderer.controls import SHAPES
from styleheat.renderer.curves import bump, step


@dataclass(frozen=True)
class Place:
    """Where the vertices of a neutral face lie; all arrays are (rows, columns).

    x: decimetres to the head's left. side: |x|. v: height on the face. lip: height above the line between the lips.
    front: 1 on the face, 0 behind. around, corner, upper, lower: how near the mouth, its corners, the upper and the
    lower lip. arc: of the lips, 1 in the middle, 0 at the corners. mouth: half its width. nose_y, eye_x: of the nose's
    tip and the eyes' middles. asymmetry: of the smile.
    """

    x: np.ndarray
    side: np.ndarray
    v: np.ndarray
    lip: np.ndarray
    front: np.ndarray
    around: np.ndarray
    corner: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    arc: np.ndarray
    mouth: float
    nose_y: float
    eye_x: float
    asymmetry: float


def displacements(at: Place) -> np.ndarray:
    """How far control 1 of each of SHAPES moves each vertex: (shapes, rows, columns, 3)."""
    found = np.zeros((len(SHAPES), *at.x.shape, 3))
    for name, out in zip(SHAPES, found, strict=True):
        _MOVES[name](at, out)
    return found


def _round(at: Place, out: np.ndarray) -> None:
    out[..., 0] = -0.36 * at.x * at.around
    out[..., 2] = 0.070 * bump(at.lip, 0.13) * bump(at.x, 0.17) * at.front - 0.01 * at.corner
    out[..., 1] = 0.030 * at.upper - 0.034 * at.lower


def _spread(at: Place, out: np.ndarray) -> None:
    out[..., 0] = 0.20 * at.x * at.around
    out[..., 2] = -0.035 * at.corner - 0.012 * bump(at.lip, 0.1) * bump(at.x, 0.2) * at.front


def _smile(at: Place, out: np.ndarray) -> None:
    cheek = bump(at.side - 0.40, 0.15) * bump(at.v + 0.20, 0.14) * at.front
    lifted = bump(at.side - at.mouth - 0.02, 0.15) * bump(at.lip - 0.02, 0.19) * at.front
    uneven = 1 + 0.12 * at.asymmetry * np.sign(at.x)
    out[..., 0] = np.sign(at.x) * (0.060 * lifted) * uneven
    out[..., 1] = (0.075 * lifted + 0.030 * cheek) * uneven
    out[..., 2] = -0.045 * at.corner + 0.035 * cheek - 0.014 * bump(at.lip, 0.12) * bump(at.x, 0.2) * at.front
    fold_x = 0.20 + 0.30 * np.clip(-0.38 - at.v, 0, 0.4)
    out[..., 2] -= 0.012 * bump(at.side - fold_x, 0.03) * step(-0.34, -0.42, at.v) * step(-0.72, -0.58, at.v) * at.front


def _press(at: Place, out: np.ndarray) -> None:
    out[..., 2] = -0.030 * bump(at.lip, 0.055) * at.arc * at.front
    out[..., 1] = -0.020 * at.upper * bump(at.lip - 0.07, 0.06) + 0.022 * at.lower * bump(at.lip + 0.09, 0.06)


def _upper(at: Place, out: np.ndarray) -> None:
    out[..., 1] = 0.055 * at.upper + 0.012 * bump(at.side - 0.15, 0.08) * bump(at.v + 0.36, 0.08) * at.front
    out[..., 2] = 0.010 * at.upper


def _lower(at: Place, out: np.ndarray) -> None:
    out[..., 1] = -0.060 * at.lower
    out[..., 2] = 0.008 * at.lower


def _tuck(at: Place, out: np.ndarray) -> None:
    out[..., 1] = 0.040 * at.lower
    out[..., 2] = -0.055 * at.lower * bump(at.lip, 0.06)


def _brow(at: Place, out: np.ndarray) -> None:
    raised = bump(at.v - 0.27, 0.15) * step(0.72, 0.55, at.side) * at.front
    out[..., 1] = 0.060 * raised * (0.85 + 0.25 * bump(at.side - 0.33, 0.2))
    out[..., 2] = 0.006 * raised


def _furrow(at: Place, out: np.ndarray) -> None:
    inner = bump(at.side - 0.13, 0.10) * bump(at.v - 0.22, 0.10) * at.front
    out[..., 0] = -np.sign(at.x) * 0.030 * inner * step(0.0, 0.05, at.side)
    out[..., 1] = -0.035 * inner
    out[..., 2] = 0.012 * inner


def _frown(at: Place, out: np.ndarray) -> None:
    drawn = bump(at.side - at.mouth - 0.01, 0.10) * bump(at.lip + 0.03, 0.14) * at.front
    out[..., 1] = -0.060 * drawn + 0.022 * bump(at.x, 0.16) * bump(at.lip + 0.03, 0.10) * at.front
    out[..., 1] += 0.012 * bump(at.x, 0.2) * bump(at.v + 0.92, 0.1) * at.front
    out[..., 0] = np.sign(at.x) * 0.010 * drawn
    out[..., 2] = 0.014 * bump(at.x, 0.16) * bump(at.lip + 0.06, 0.09) * at.front


def _sideways(at: Place, out: np.ndarray) -> None:
    out[..., 0] = (
        0.060 * bump(at.lip + 0.03, 0.17) * bump(at.x, 0.42) * at.front + 0.025 * bump(at.v + 0.95, 0.2) * at.front
    )
    out[..., 1] = 0.022 * np.tanh(at.x / 0.15) * at.corner


def _sneer(at: Place, out: np.ndarray) -> None:
    wings = bump(at.side - 0.14, 0.09) * bump(at.v - at.nose_y - 0.02, 0.09) * at.front
    out[..., 1] = 0.034 * wings + 0.040 * at.upper * bump(at.side - 0.12, 0.12)
    out[..., 1] -= 0.018 * bump(at.side - 0.12, 0.10) * bump(at.v - 0.20, 0.09) * at.front
    out[..., 2] = 0.014 * wings + 0.010 * bump(at.x, 0.10) * bump(at.v - 0.08, 0.05) * at.front


def _puff(at: Place, out: np.ndarray) -> None:
    cheeks = bump(at.side - 0.42, 0.17) * bump(at.v + 0.55, 0.20) * at.front
    out[..., 0] = np.sign(at.x) * 0.055 * cheeks
    out[..., 2] = 0.065 * cheeks + 0.015 * bump(at.x, 0.25) * bump(at.lip - 0.08, 0.10) * at.front


def _cock(at: Place, out: np.ndarray) -> None:
    raised = bump(at.v - 0.27, 0.14) * step(0.72, 0.55, at.side) * at.front
    out[..., 1] = 0.045 * raised * np.tanh(at.x / 0.12)


def _squint(at: Place, out: np.ndarray) -> None:
    out[..., 1] = 0.018 * bump(at.side - at.eye_x, 0.16) * bump(at.v + 0.09, 0.08) * at.front


_MOVES: dict[str, Callable[[Place, np.ndarray], None]] = {
    "round": _round,
    "spread": _spread,
    "smile": _smile,
    "press": _press,
    "upper": _upper,
    "lower": _lower,
    "tuck": _tuck,
    "brow": _brow,
    "furrow": _furrow,
    "frown": _frown,
    "sideways": _sideways,
    "sneer": _sneer,
    "puff": _puff,
    "cock": _cock,
    "squint": _squint,
}
