"""How the skin of a head moves with its controls, compiled."""

import math

import numpy as np

from styleheat.renderer.controls import (
    BLINK,
    BROW,
    CLOSE,
    GAZE_Y,
    JAW,
    JAW_ANGLE,
    JAW_HINGE,
    SMILE,
    SQUINT,
    WIDE,
    WINK,
)
from styleheat.renderer.grid import COLUMNS, EYE_ROW, MOUTH_LOWER, MOUTH_UPPER, ROWS
from styleheat.renderer.raster import compiled


@compiled
def deform_skin(
    vertices: np.ndarray,
    shapes: np.ndarray,
    weights: np.ndarray,
    jaw_weight: np.ndarray,
    close_weight: np.ndarray,
    controls: np.ndarray,
    eye_table: np.ndarray,
    lids: np.ndarray,
) -> np.ndarray:
    """The skin's vertices (N, 3) for one frame's controls, all float32.

    vertices (N, 3): neutral, eyes shut. shapes (K, N, 3) and weights (K,): displacements and how much of each to add.
    jaw_weight, close_weight (N,): how far a vertex follows the jaw, and the closing lips. controls
    (len(CONTROLS),). eye_table and lids: as `Head` makes them.
    """
    out = vertices.copy()
    _add_shapes(out, shapes, weights)
    if controls[JAW] != 0:
        _turn_jaw(out, jaw_weight, controls[JAW])
    if controls[CLOSE] != 0:
        _close_lips(out, close_weight, controls[CLOSE])
    _move_lids(out, controls, eye_table, lids)
    return out


@compiled
def _add_shapes(out: np.ndarray, shapes: np.ndarray, weights: np.ndarray) -> None:
    for k in range(shapes.shape[0]):
        w = weights[k]
        if w != 0:
            for n in range(out.shape[0]):
                out[n, 0] += w * shapes[k, n, 0]
                out[n, 1] += w * shapes[k, n, 1]
                out[n, 2] += w * shapes[k, n, 2]


@compiled
def _turn_jaw(out: np.ndarray, jaw_weight: np.ndarray, jaw: float) -> None:
    """Turn vertices about the jaw's hinge, each by its weight."""
    for n in range(out.shape[0]):
        angle = jaw * JAW_ANGLE * jaw_weight[n]
        if angle != 0:
            y, z = out[n, 1] - JAW_HINGE[0], out[n, 2] - JAW_HINGE[1]
            co, si = math.cos(angle), math.sin(angle)
            out[n, 1] = JAW_HINGE[0] + y * co - z * si
            out[n, 2] = JAW_HINGE[1] + z * co + y * si


@compiled
def _close_lips(out: np.ndarray, close_weight: np.ndarray, close: float) -> None:
    """Bring the lips together: each column of the grid moves by shares of its own gap."""
    for column in range(COLUMNS):
        upper, lower = MOUTH_UPPER * COLUMNS + column, MOUTH_LOWER * COLUMNS + column
        gap_y, gap_z = out[upper, 1] - out[lower, 1], out[upper, 2] - out[lower, 2]
        for row in range(ROWS):
            n = row * COLUMNS + column
            w = close * close_weight[n]
            if w != 0:
                out[n, 1] += w * gap_y
                out[n, 2] += w * gap_z


@compiled
def _move_lids(out: np.ndarray, controls: np.ndarray, eye_table: np.ndarray, lids: np.ndarray) -> None:
    """Open the eyes as far as the controls say, and lay the lids on the eyeballs."""
    blink, wink, squint = controls[BLINK], controls[WINK], controls[SQUINT]
    smile, gaze = controls[SMILE], controls[GAZE_Y]
    eye_x, eye_z, radius, eye_top, eye_bottom, tilt, half, fold = lids
    opened = 1 + 0.16 * controls[BROW] + 0.9 * gaze - 0.12 * smile - 0.25 * squint + 0.32 * controls[WIDE]
    lowered = max(1 - 0.35 * smile - 0.45 * squint - 0.5 * gaze, 0.1)
    for n in range(eye_table.shape[0]):
        index, sign, xr, ey = int(eye_table[n, 0]), eye_table[n, 1], eye_table[n, 2], eye_table[n, 3]
        upper_share, lower_share, ball_share, rim = eye_table[n, 4], eye_table[n, 5], eye_table[n, 6], eye_table[n, 7]
        closed = max(blink, wink * sign)
        above, below = _lid_edges(xr, eye_top * opened, eye_bottom, lowered, closed)
        if abs(xr) < 1.6:
            slope = tilt * half * xr * (1 - min(1.0, max(0.0, (abs(xr) - 1.0) / 0.6)))
        else:
            slope = 0.0
        fade = 1 - min(1.0, abs(ey) / 0.2)
        out[index, 1] += above * upper_share + below * lower_share + slope * fade

        x = out[index, 0] - sign * eye_x
        y = out[index, 1] - EYE_ROW
        thick = 0.020 - 0.014 * rim
        ball = math.sqrt(max((radius + thick) ** 2 - x * x - y * y, 0.0)) + eye_z
        # the fold above the upper lid
        crease = math.exp(-(((ey - 0.062) / 0.016) ** 2)) * (1 - closed) * max(0.0, 1 - abs(xr / 1.15) ** 3)
        hood = math.exp(-(((ey - 0.10) / 0.03) ** 2)) * (1 - closed) * max(0.0, 1 - abs(xr / 1.3) ** 3)
        depth = ball - 0.020 * crease + fold * hood
        out[index, 2] += (depth - out[index, 2]) * ball_share


@compiled
def _lid_edges(xr: float, top: float, bottom: float, lowered: float, closed: float) -> tuple[float, float]:
    """Heights of the upper and the lower lid's edge over the closed eye's line, at xr (-1 inner corner .. 1 outer).

    top, bottom: how far the open lids are from that line in the middle, decimetres, the lower one times `lowered`.
    closed: 0 open .. 1 shut.
    """
    inside = max(0.0, 1 - abs(xr + 0.06) ** 2.3 / 1.06**2.3)
    above = top * inside**0.72 * (1 - 0.10 * xr)
    inside = max(0.0, 1 - abs(xr) ** 2.2)
    below = -bottom * lowered * inside**0.8 * (1 + 0.18 * xr)
    shut = -0.55 * bottom * inside**0.8
    return above + (shut - above) * closed, below + (shut - below) * closed
