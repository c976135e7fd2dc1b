"""Meshes that belong to a `Head`: eyeballs, inside of the mouth, ears, neck and shoulders."""

import math
from dataclasses import dataclass, field

import numpy as np

from styleheat.renderer.curves import bump, step
from styleheat.renderer.grid import COLUMNS, EYE_ROW, MOUTH_LOWER, MOUTH_ROW, MOUTH_UPPER, grid_faces
from styleheat.renderer.head import Head


@dataclass
class Mesh:
    """Triangles with a texture of their own.

    vertices (N, 3) decimetres, faces (M, 3), uv (N, 2) columns and rows of the texture (H, W, 3, linear light), shine
    (N,) strength of the highlight, turn (N,) how far each vertex follows the head (1) rather than the trunk (0).
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    shine: np.ndarray
    turn: np.ndarray
    occlusion: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))  # (N,) unoccluded share of the sky
    visibility: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))  # (N, 9), see light.bake


def grid_mesh(points: np.ndarray, texture: np.ndarray, shine: float = 0.0, turn: np.ndarray | float = 1.0) -> Mesh:
    """A mesh of a grid of points (rows, columns, 3), the texture stretched over it."""
    rows, columns = points.shape[:2]
    v, u = np.meshgrid(
        np.linspace(0, texture.shape[0] - 1, rows), np.linspace(0, texture.shape[1] - 1, columns), indexing="ij"
    )
    count = rows * columns
    return Mesh(
        np.ascontiguousarray(points.reshape(-1, 3), np.float32),
        grid_faces(rows, columns),
        np.stack([u.ravel(), v.ravel()], 1).astype(np.float32),
        np.ascontiguousarray(texture, np.float32),
        np.full(count, shine, np.float32),
        np.broadcast_to(
            np.asarray(turn, np.float32).reshape(-1) if np.ndim(turn) else np.float32(turn), (count,)
        ).copy(),
    )


# ---- eyes ----

EYE_REACH = 1.35
"""Radians from the pupil that the eyeball's mesh covers."""
IRIS = 0.37
"""Radians from the pupil to the iris's border: an iris of 11.7 mm on the ball."""


def eyeball(head: Head, texture: np.ndarray) -> Mesh:
    """The front of an eyeball around the origin, looking along +z; texture: (S,S,3), the pupil in its middle."""
    rings = np.concatenate([np.linspace(0.0, 0.5, 14), np.linspace(0.5, EYE_REACH, 10)[1:]])[:, None]
    around = np.linspace(0, 2 * math.pi, 33)[None]
    bulge = 1 + 0.05 * bump(rings, 0.32)  # the cornea
    x = np.sin(rings) * np.cos(around) * bulge
    y = np.sin(rings) * np.sin(around) * bulge
    z = np.cos(rings) * bulge + 0 * around
    mesh = grid_mesh(np.stack([x, y, z], -1) * head.eye_radius, texture, shine=0.35)
    scale = rings / EYE_REACH * (texture.shape[0] - 1) / 2
    middle = (texture.shape[0] - 1) / 2
    mesh.uv = np.stack(
        [(middle + scale * np.cos(around)).ravel(), (middle - scale * np.sin(around)).ravel()], 1
    ).astype(np.float32)
    return mesh


# ---- mouth ----

ARCH = 0.36
"""How far the back teeth lie behind the front ones."""


def _arch(head: Head, half: float, rows: np.ndarray, depth: float, bow: float) -> np.ndarray:
    """A band of teeth: (rows, columns, 3), rows at the given heights."""
    t = np.linspace(-1.25, 1.25, 41)[None]
    x = half * np.sin(t) / math.sin(1.25) + 0 * rows[:, None]
    z = head.lip_z - depth - ARCH * (1 - np.cos(t)) + 0 * rows[:, None]
    y = rows[:, None] + bow * (x / half) ** 2
    return np.stack([x, y, z], -1)


def teeth(head: Head, upper: np.ndarray, lower: np.ndarray) -> tuple[Mesh, Mesh]:
    """The upper and lower rows, shut; the textures (H,W,3) run from gum (upper: row 0) to the other gum."""
    top, bottom = MOUTH_ROW + 0.085, MOUTH_ROW - 0.036
    above = _arch(head, 0.212, np.linspace(top, bottom, 5), 0.045, 0.018)
    below = _arch(head, 0.190, np.linspace(MOUTH_ROW - 0.004, MOUTH_ROW - 0.098, 5), 0.095, 0.004)
    return grid_mesh(above, upper, shine=0.5), grid_mesh(below, lower, shine=0.4)


def tongue(head: Head, texture: np.ndarray) -> Mesh:
    """With a texture (H,W,3): a flattened half ball that fills the lower jaw from behind its teeth backwards."""
    t, p = np.meshgrid(np.linspace(0.0, math.pi, 14), np.linspace(-math.pi, math.pi, 25), indexing="ij")
    x, y, z = np.sin(t) * np.sin(p), np.cos(t), np.sin(t) * np.cos(p)
    x, z = np.sign(x) * np.abs(x) ** 0.7, np.sign(z) * np.abs(z) ** 0.7
    y = np.where(y > 0, y - 0.30 * bump(x, 0.22), 2.0 * y)
    points = np.stack([0.205 * x, MOUTH_ROW - 0.085 + 0.075 * y, head.lip_z - 0.39 + 0.28 * z], -1)
    return grid_mesh(points, texture, shine=0.25)


CAVITY_STEPS = ((0.0, 0.0), (0.012, 0.030), (0.030, 0.09), (0.045, 0.26))
"""From a lip's edge inwards: how far the inner side of the lip is above (below) and behind the edge."""


def cavity_columns(head: Head) -> np.ndarray:
    """Columns (K,) of the skin's grid that lie between the mouth's corners."""
    return np.flatnonzero(
        (np.abs(head.flat[MOUTH_UPPER, :, 0]) < head.mouth_half * 1.06) & (head.front[MOUTH_UPPER] > 0.5)
    )


def cavity(head: Head, skin: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The inside of the mouth of a frame, (8, columns, 3), from the upper lip's edge around to the lower lip's."""
    upper = skin[MOUTH_UPPER * COLUMNS + columns]
    lower = skin[MOUTH_LOWER * COLUMNS + columns]
    rows = [upper + np.array([0, up, -back], np.float32) for up, back in CAVITY_STEPS]
    rows += [lower + np.array([0, -up, -back], np.float32) for up, back in CAVITY_STEPS[::-1]]
    return np.stack(rows)


def linings(head: Head) -> list[Mesh]:
    """Dark plates behind the eyes and the mouth, so that the background does not show through at their corners."""
    plates = []
    red, dark = np.full((2, 2, 3), (0.22, 0.07, 0.06)), np.full((2, 2, 3), (0.02, 0.006, 0.006))
    eye_z, mouth_z = head.eye_z - 0.02, head.lip_z - 0.36
    for x, wide, narrow, top, bottom, z, texture in (
        (-head.eye_x + 0.03, 0.18, 0.18, EYE_ROW + 0.08, EYE_ROW - 0.08, eye_z, red),
        (head.eye_x - 0.03, 0.18, 0.18, EYE_ROW + 0.08, EYE_ROW - 0.08, eye_z, red),
        (0.0, 0.44, 0.28, MOUTH_ROW + 0.12, MOUTH_ROW - 0.21, mouth_z, dark),
    ):
        points = np.array(
            [[[x - wide, top, z], [x + wide, top, z]], [[x - narrow, bottom, z], [x + narrow, bottom, z]]]
        )
        plates.append(grid_mesh(points, texture))
    return plates


# ---- ears ----


def ear(head: Head, side: float, texture: np.ndarray) -> Mesh:
    """An outer ear on the side ±1, with a texture (H,W,3): a shell with a rolled rim, an inner fold, a hollow and a
    lobe."""
    i = head.identity
    rings = np.concatenate([np.linspace(0, 0.8, 9), np.linspace(0.8, 1.0, 7)[1:], [1.06, 1.06]])[:, None]
    around = np.linspace(0, 2 * math.pi, 41)[None]
    # outline: taller than wide, fuller at the top and back
    up, back = np.sin(around), np.cos(around)
    height = 0.270 * (1 + 0.07 * i.ear_size)
    width = 0.165 * (1 + 0.06 * i.ear_size)
    outline = 1 + 0.10 * up * back - 0.10 * step(0.2, -0.9, up) * np.abs(back)
    r = np.minimum(rings, 1.0)
    across, along = r * width * back * outline, r * height * up * outline
    across = across * (1 - 0.45 * step(0.1, -1.0, up * r)) + 0.02 * up * r
    lobe = step(-0.45, -0.85, up * r)
    hollow = -0.075 * bump(np.hypot((across + 0.03) / 0.07, (along + 0.05) / 0.12), 1.0)
    fold = 0.030 * bump(r - 0.62, 0.13) * step(-0.7, -0.2, up)
    rim = 0.045 * bump(r - 0.93, 0.09) * (1 - lobe) + 0.02 * lobe
    out = 0.10 + 0.035 * r + hollow * (1 - lobe) + fold + rim - 0.03 * step(0.97, 1.0, r)
    out = np.where(rings > 1.03, [[0.06]] * (len(rings) - 1) + [[-0.06]], out)
    flare = 0.34 + 0.10 * i.ear_angle
    x = out + np.clip(across + width * 0.7, 0, None) * math.sin(flare)
    z = -across * math.cos(flare) - 0.10
    y = along - 0.075 + 0.12 * across
    base = float(np.interp(-0.05, head.flat[::-1, COLUMNS // 2 + 45, 1], np.abs(head.flat[::-1, -14, 0])))
    points = np.stack([side * (x + base * 0.99 - 0.08), y, z], -1)
    if side > 0:
        points = points[:, ::-1]
    return grid_mesh(points, texture, shine=0.10)


# ---- neck and shoulders ----

TRUNK_COLUMNS = 97
_TRUNK = np.array(
    # height, half width, depth forward and backward of the axis, axis
    [
        [-0.45, 0.46, 0.42, 0.44, -0.16],
        [-0.80, 0.475, 0.40, 0.46, -0.19],
        [-1.05, 0.485, 0.38, 0.47, -0.22],
        [-1.25, 0.50, 0.38, 0.48, -0.24],
        [-1.42, 0.54, 0.40, 0.50, -0.26],
        [-1.52, 0.62, 0.42, 0.52, -0.28],
        [-1.60, 0.76, 0.45, 0.54, -0.30],
        [-1.68, 1.00, 0.49, 0.57, -0.31],
        [-1.76, 1.32, 0.53, 0.60, -0.32],
        [-1.85, 1.60, 0.58, 0.63, -0.32],
        [-1.98, 1.82, 0.64, 0.66, -0.32],
        [-2.20, 1.96, 0.72, 0.70, -0.32],
        [-2.60, 2.02, 0.80, 0.74, -0.32],
        [-3.60, 1.98, 0.84, 0.76, -0.32],
    ]
)
TRUNK_ROWS = 56


def trunk_points(head: Head, shoulders: float) -> np.ndarray:
    """Neck, shoulders and chest, (TRUNK_ROWS, TRUNK_COLUMNS, 3); column 0 and the last are at the back."""
    from scipy.interpolate import PchipInterpolator

    i = head.identity
    y = np.concatenate(
        [np.linspace(-0.45, -1.4, 18)[:-1], np.linspace(-1.4, -2.1, 30)[:-1], np.linspace(-2.1, -3.6, 10)]
    )
    half, front, back, axis = (PchipInterpolator(_TRUNK[::-1, 0], _TRUNK[::-1, k])(y)[:, None] for k in range(1, 5))
    a = np.linspace(-math.pi, math.pi, TRUNK_COLUMNS)[None]
    s, c = np.sin(a), np.cos(a)
    neck = step(-1.75, -1.45, y)[:, None]
    half = half * (1 + neck * (0.10 * i.male + 0.03 * i.width) + (1 - neck) * (0.06 * i.male + shoulders))
    front = front * (1 + neck * 0.06 * i.male)
    power = 1 - 0.16 * (1 - neck)  # the trunk is flatter than the neck
    x = half * np.sign(s) * np.abs(s) ** power
    z = axis + np.where(c > 0, front, back) * np.sign(c) * np.abs(c) ** power
    y2 = y[:, None] + 0 * a
    # the sinews of the neck, the larynx, the pit between the collarbones
    down = np.clip((-0.9 - y2) / 0.65, 0, 1)
    sinew = bump(np.abs(a) - (1.05 - 0.75 * down), 0.17) * step(-0.8, -1.1, y2) * step(-1.62, -1.48, y2)
    z = z + (0.020 + 0.012 * i.male) * sinew
    z = z + (0.022 + 0.022 * i.male) * bump(x, 0.09) * bump(y2 + 1.24, 0.09) * (c > 0)
    z = z - 0.05 * bump(x, 0.09) * bump(y2 + 1.56, 0.07) * (c > 0)
    collarbone = bump(y2 + 1.60 + 0.10 * np.abs(x), 0.035) * step(0.06, 0.2, np.abs(x)) * step(1.2, 0.8, np.abs(x))
    z = z + 0.03 * collarbone * (c > 0)
    return np.stack([x, y2, z], -1)


def trunk_turn(points: np.ndarray) -> np.ndarray:
    """How far points (..., 3) of the neck, or of long hair, follow the head's rotation, 0 .. 1 (...)."""
    return step(-1.52, -0.75, points[..., 1]).astype(np.float32)
