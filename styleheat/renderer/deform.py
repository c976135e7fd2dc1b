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
    """Add displacements, turn the jaw, bring the lips together, slide the lids over the eyeballs."""
    out = vertices.copy()
    for k in range(shapes.shape[0]):
        w = weights[k]
        if w != 0:
            for n in range(out.shape[0]):
                out[n, 0] += w * shapes[k, n, 0]
                out[n, 1] += w * shapes[k, n, 1]
                out[n, 2] += w * shapes[k, n, 2]
    jaw, close = controls[JAW], controls[CLOSE]
    if jaw != 0:
        for n in range(out.shape[0]):
            angle = jaw * JAW_ANGLE * jaw_weight[n]
            if angle != 0:
                y, z = out[n, 1] - JAW_HINGE[0], out[n, 2] - JAW_HINGE[1]
                co, si = math.cos(angle), math.sin(angle)
                out[n, 1] = JAW_HINGE[0] + y * co - z * si
                out[n, 2] = JAW_HINGE[1] + z * co + y * si
    if close != 0:
        for column in range(COLUMNS):
            upper, lower = MOUTH_UPPER * COLUMNS + column, MOUTH_LOWER * COLUMNS + column
            gap_y, gap_z = out[upper, 1] - out[lower, 1], out[upper, 2] - out[lower, 2]
            for row in range(ROWS):
                n = row * COLUMNS + column
                w = close * close_weight[n]
                if w != 0:
                    out[n, 1] += w * gap_y
                    out[n, 2] += w * gap_z
    blink, squint, brow, smile, gaze = (
        controls[BLINK],
        controls[SQUINT],
        controls[BROW],
        controls[SMILE],
        controls[GAZE_Y],
    )
    eye_x, eye_z, radius, eye_top, eye_bottom, tilt, half, fold = lids
    opened = 1 + 0.16 * brow + 0.9 * gaze - 0.12 * smile - 0.25 * squint + 0.32 * controls[WIDE]
    wink = controls[WINK]
    for n in range(eye_table.shape[0]):
        index, sign, xr, ey = int(eye_table[n, 0]), eye_table[n, 1], eye_table[n, 2], eye_table[n, 3]
        inside = max(0.0, 1 - abs(xr + 0.06) ** 2.3 / 1.06**2.3)
        above = eye_top * opened * inside**0.72 * (1 - 0.10 * xr)
        inside = max(0.0, 1 - abs(xr) ** 2.2)
        below = -eye_bottom * max(1 - 0.35 * smile - 0.45 * squint - 0.5 * gaze, 0.1) * inside**0.8 * (1 + 0.18 * xr)
        shut = -0.55 * eye_bottom * inside**0.8
        closed = max(blink, wink * sign)
        above += (shut - above) * closed
        below += (shut - below) * closed
        if abs(xr) < 1.6:
            slope = tilt * half * xr * (1 - min(1.0, max(0.0, (abs(xr) - 1.0) / 0.6)))
        else:
            slope = 0.0
        rim = eye_table[n, 7]
        shift = above * eye_table[n, 4] + below * eye_table[n, 5]
        fade = 1 - min(1.0, abs(ey) / 0.2)
        out[index, 1] += shift + slope * fade
        x = out[index, 0] - sign * eye_x
        y = out[index, 1] - EYE_ROW
        thick = 0.020 - 0.014 * rim
        ball = math.sqrt(max((radius + thick) ** 2 - x * x - y * y, 0.0)) + eye_z
        # the fold above the upper lid
        crease = math.exp(-(((ey - 0.062) / 0.016) ** 2)) * (1 - closed) * max(0.0, 1 - abs(xr / 1.15) ** 3)
        hood = math.exp(-(((ey - 0.10) / 0.03) ** 2)) * (1 - closed) * max(0.0, 1 - abs(xr / 1.3) ** 3)
        lying = ball - 0.020 * crease + fold * hood
        out[index, 2] += (lying - out[index, 2]) * eye_table[n, 6]
    return out
