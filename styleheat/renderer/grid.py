"""The grid of skin vertices: rows from the crown to under the chin, columns around the head, slit at eyes and mouth.

Lengths are decimetres, as in `head`.
"""

import math

import numpy as np

EYE_ROW, MOUTH_ROW = 0.04, -0.62
"""Heights of the closed eyes' and of the closed mouth's line."""


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row: height of its front, way under the chin (0 .. 1), and slit (±1, ±3 eye, ±2 mouth, + above; else 0)."""
    heights = np.concatenate(
        [
            np.linspace(1.16, 0.95, 10)[:-1],
            np.linspace(0.95, 0.30, 22)[:-1],
            np.linspace(0.30, -0.14, 45)[:-1],
            np.linspace(-0.14, -0.50, 33)[:-1],
            np.linspace(-0.50, -0.80, 35)[:-1],
            np.linspace(-0.80, -1.08, 22),
        ]
    )
    rows = [(y, 0.0, 0) for y in heights if abs(y - EYE_ROW) > 0.004 and abs(y - MOUTH_ROW) > 0.004]
    rows += [(-1.08 - 0.001 * k, k / 9, 0) for k in range(1, 10)]
    # An eyelid's edge has some thickness: its rim is a row of its own (slit ±1 at the edge, ±3 at the rim).
    rows += [(EYE_ROW + offset, 0.0, slit) for offset, slit in ((2e-6, 1), (1e-6, 3), (-1e-6, -3), (-2e-6, -1))]
    rows += [(MOUTH_ROW + 1e-6, 0.0, 2), (MOUTH_ROW - 1e-6, 0.0, -2)]
    rows.sort(key=lambda row: -row[0])
    table = np.array(rows)
    return table[:, 0], table[:, 1], table[:, 2].astype(np.int64)


HEIGHTS, UNDER, SLIT = _rows()
ANGLES = np.concatenate(
    [np.linspace(-math.pi, -1.3, 14)[:-1], np.linspace(-1.3, 1.3, 123), np.linspace(1.3, math.pi, 14)[1:]]
)
ROWS, COLUMNS = len(HEIGHTS), len(ANGLES)
EYE_UPPER, EYE_UPPER_RIM, EYE_LOWER_RIM, EYE_LOWER = (int(np.flatnonzero(s == SLIT)[0]) for s in (1, 3, -3, -1))
MOUTH_UPPER, MOUTH_LOWER = (int(np.flatnonzero(s == SLIT)[0]) for s in (2, -2))


def grid_faces(rows: int, columns: int, skip: tuple[int, ...] = ()) -> np.ndarray:
    """Triangles (M, 3) of a grid of vertices, rows downward, columns to the right; none below the rows in `skip`."""
    i, j = np.meshgrid([r for r in range(rows - 1) if r not in skip], np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    return np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)


SKIN_FACES = grid_faces(ROWS, COLUMNS, skip=(EYE_UPPER_RIM, MOUTH_UPPER))
