"""Textures in linear light: skin, eyes, teeth, clothes, painted by a person's look."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from styleheat.renderer.body import EYE_REACH, IRIS, TRUNK_COLUMNS, TRUNK_ROWS
from styleheat.renderer.curves import bump, step
from styleheat.renderer.grid import COLUMNS, EYE_ROW, HEIGHTS, MOUTH_ROW, ROWS
from styleheat.renderer.head import Head
from styleheat.renderer.look import Look, beard_area, hairline_height, has_fringe, linear

TEXELS = 3
"""Texels along each side of a cell of the skin's grid."""


def _noise(rng: np.random.Generator, shape: tuple[int, ...], width: float | tuple[float, ...]) -> np.ndarray:
    """Smooth noise of unit variance."""
    values = gaussian_filter(rng.normal(size=shape), width, mode="wrap")
    return values / values.std()


@dataclass(frozen=True)
class _SkinMap:
    """Where each texel of the skin lies, and noise on the head's surface; all (rows, columns).

    x, y: place in decimetres. side: |x|. v: height on the face. front: 1 on the face, 0 behind. angle: around the
    vertical axis. grain, pores, blotch, patch, spots: noise from fine to coarse.
    """

    x: np.ndarray
    y: np.ndarray
    side: np.ndarray
    v: np.ndarray
    front: np.ndarray
    angle: np.ndarray
    grain: np.ndarray
    pores: np.ndarray
    blotch: np.ndarray
    patch: np.ndarray
    spots: np.ndarray


def skin_texture(head: Head, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The skin's colours on its grid, TEXELS a cell: float32 linear (rows, columns, 3)."""
    at = _skin_map(head, rng)
    x, v, side, front = at.x, at.v, at.side, at.front
    out = _complexion(at, head, look, rng)
    shade = _hollows(at, head)
    _add_lines_of_age(shade, at, head, rng)
    out *= 1 - np.clip(shade * front, 0, 0.9)[..., None] * np.array([0.86, 1.0, 1.0])
    bright = 0.05 * bump(x, 0.05) * bump(v + 0.1, 0.2) + 0.04 * bump(side - 0.44, 0.12) * bump(v + 0.05, 0.06)
    out *= 1 + (bright * front)[..., None]

    if has_fringe(look):  # its shade on the forehead
        shaded = step(EYE_ROW + look.fringe - 0.02, EYE_ROW + look.fringe + 0.08, v) * step(0.62, 0.48, side) * front
        out = out * (1 - 0.62 * shaded[..., None]) + 0.62 * shaded[..., None] * (0.35 * out + 0.35 * look.hair)

    out, lips = _with_lips(out, at, head, look, rng)
    out = _with_hair_roots(out, lips, at, head, look)
    return np.clip(linear(np.clip(out, 0, 1)), 0, 1).astype(np.float32)


def _skin_map(head: Head, rng: np.random.Generator) -> _SkinMap:
    # Sampled so that texel (TEXELS * row, TEXELS * column) is the grid's vertex.
    size = ((COLUMNS - 1) * TEXELS + 1, (ROWS - 1) * TEXELS + 1)
    row_map, column_map = np.meshgrid(
        np.linspace(0, ROWS - 1, size[1]).astype(np.float32),
        np.linspace(0, COLUMNS - 1, size[0]).astype(np.float32),
        indexing="ij",
    )

    def fine(values: np.ndarray) -> np.ndarray:
        return cv2.remap(values.astype(np.float32), column_map, row_map, cv2.INTER_LINEAR).astype(np.float64)

    x, y, z = (fine(head.flat[..., k]) for k in range(3))
    v = fine(np.repeat(HEIGHTS[:, None], COLUMNS, 1))
    front = fine(head.front)
    side = np.abs(x)
    # Noise must not follow the grid's uneven cells: it is made on a map of the head and looked up there.
    angle = np.arctan2(x, z)
    atlas = np.stack(
        [_noise(rng, (512, 1024), s) for s in (0.8, 2.0, 6.0, 22.0)]
        + [np.maximum(0, _noise(rng, (512, 1024), 1.1) - 2.1)]
    )
    look_x = ((angle / math.pi * 0.5 + 0.5) * 1023).astype(np.float32)
    look_y = ((1.2 - y) / 2.5 * 511).astype(np.float32)
    grain, pores, blotch, patch, spots = (
        cv2.remap(layer.astype(np.float32), look_x, look_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for layer in atlas
    )
    return _SkinMap(x, y, side, v, front, angle, grain, pores, blotch, patch, spots)


def _complexion(at: _SkinMap, head: Head, look: Look, rng: np.random.Generator) -> np.ndarray:
    """Colours (rows, columns, 3): the skin's own, spots, blood, freckles and moles."""
    x, v, side, front, blotch = at.x, at.v, at.side, at.front, at.blotch
    i = head.identity
    base = look.skin
    out = np.ones((*x.shape, 3)) * base
    rough = 1 + 1.2 * i.age
    out *= (1 + 0.012 * at.grain + 0.014 * rough * at.pores + 0.016 * rough * blotch + 0.022 * at.patch)[..., None]
    for _ in range(int(rng.poisson(14 * max(0.0, i.age - 0.4) ** 2 * 10))):  # age spots
        sx, sy, radius = rng.uniform(-0.62, 0.62), rng.uniform(-0.9, 0.95), rng.uniform(0.012, 0.045)
        spot = bump(np.hypot(x - sx, (v - sy) * rng.uniform(0.7, 1.3)) + 0.012 * blotch, radius) * front
        out *= 1 - (rng.uniform(0.2, 0.7) * spot)[..., None] * np.array([0.18, 0.28, 0.34])
    if i.age < 0.35 and rng.random() < 0.3:  # pimples
        for _ in range(int(rng.integers(3, 16))):
            sx, sy = rng.uniform(-0.5, 0.5), rng.choice([rng.uniform(0.4, 0.8), rng.uniform(-1.0, -0.3)])
            spot = bump(np.hypot(x - sx, v - sy), rng.uniform(0.010, 0.018)) * front
            out *= 1 - (rng.uniform(0.4, 1.0) * spot)[..., None] * np.array([0.02, 0.26, 0.24])
    # Blood: cheeks, nose, ears' side, chin, around the eyes; the beard's shadow is bluish.
    red = np.zeros(x.shape)
    red += (0.55 + 0.35 * look.makeup) * bump(side - 0.42, 0.17) * bump(v + 0.20, 0.16) * front
    red += 0.65 * bump(x, 0.13) * bump(v - head.nose_y, 0.10) * front
    red += 0.30 * bump(x, 0.16) * bump(v + 0.92, 0.10) * front
    red += 0.25 * bump(side - head.eye_x, 0.17) * bump(v - EYE_ROW, 0.07) * front + 0.15 * blotch * front
    out *= 1 - np.clip(red, -0.3, 1.2)[..., None] * np.array([0.0, 0.11, 0.10])
    out[..., 0] *= 1 + 0.025 * np.clip(red, 0, 1)
    yellow = bump(v - 0.55, 0.25) * front
    out *= 1 + yellow[..., None] * np.array([0.015, 0.010, -0.02])
    out *= 1 - (look.freckles * at.spots * bump(side - 0.28, 0.30) * bump(v + 0.15, 0.22) * front)[
        ..., None
    ] * np.array([0.14, 0.22, 0.26])
    for _ in range(int(rng.integers(0, 4))):  # moles
        mx, my, radius = rng.uniform(-0.5, 0.5), rng.uniform(-0.95, 0.6), rng.uniform(0.008, 0.014)
        mole = bump(np.hypot(x - mx, v - my), radius) * front
        out *= 1 - mole[..., None] * np.array([0.45, 0.55, 0.6])
    return out


def _hollows(at: _SkinMap, head: Head) -> np.ndarray:
    """Shade (rows, columns) in the small hollows that the mesh is too coarse for."""
    i = head.identity
    x, v, side, mouth = at.x, at.v, at.side, head.mouth_half
    shade = np.zeros(x.shape)
    xr = (side - head.eye_x) / head.eye_half
    shade += 0.14 * bump(side - head.eye_x * 0.95, 0.17) * bump(v - EYE_ROW - 0.03, 0.09)
    shade += 0.13 * bump(side - 0.175, 0.05) * bump(v - EYE_ROW - 0.02, 0.08)
    shade += 0.14 * bump(v - EYE_ROW - 0.066, 0.010) * step(1.25, 0.75, np.abs(xr))  # crease of the upper lid
    shade += (
        (0.07 + 0.10 * i.age) * bump(v - EYE_ROW + 0.085 - 0.03 * xr**2, 0.018) * step(1.2, 0.6, np.abs(xr))
    )  # under the eye
    shade += 0.10 * bump(side - head.eye_x, 0.15) * bump(v - EYE_ROW + 0.06, 0.035)
    tip, wide = head.nose_y, head.nose_w
    nostril = bump((side - 0.066 * wide) / 0.034, 1.0) * bump((v - tip + 0.066 - 0.10 * (side - 0.066)) / 0.019, 1.0)
    shade += 0.72 * nostril
    shade += 0.17 * bump(side - 0.163 * wide, 0.018) * bump(v - tip + 0.020, 0.055)
    shade += 0.20 * bump(x, 0.12) * bump(v - tip + 0.105, 0.022)
    fold_x = 0.180 + 0.30 * np.clip(-0.38 - v, 0, 0.4)
    shade += (0.07 + 0.30 * i.age**1.3) * bump(side - fold_x, 0.018) * step(-0.36, -0.43, v) * step(-0.68, -0.55, v)
    shade += (
        (0.04 + 0.22 * i.age**1.5) * bump(side - mouth - 0.035, 0.02) * step(-0.60, -0.66, v) * step(-0.84, -0.72, v)
    )
    shade += 0.13 * bump(x, 0.14) * bump(v + 0.765, 0.024)
    shade += 0.06 * bump(x, 0.016) * bump(v - MOUTH_ROW - 0.13, 0.05)
    return shade


def _add_lines_of_age(shade: np.ndarray, at: _SkinMap, head: Head, rng: np.random.Generator) -> None:
    """Add the lines of the forehead, crow's feet, wrinkles and bags below the eyes to the shade, in place."""
    i = head.identity
    x, v, side, blotch, patch = at.x, at.v, at.side, at.blotch, at.patch
    xr = (side - head.eye_x) / head.eye_half
    wave = 0.012 * np.sin(x * 9 + 1.3) + 0.010 * blotch * 0.3
    old, older = max(0.0, i.age - 0.25), max(0.0, i.age - 0.5)
    for line in 0.36 + 0.075 * np.arange(5) + 0.012 * rng.normal(size=5):
        bend = wave + 0.02 * np.cos(x * rng.uniform(3, 7) + rng.uniform(0, 6))
        broken = step(-0.8, 0.6, patch * rng.choice([-1, 1]) + 0.3)
        shade += rng.uniform(0.1, 0.42) * old * bump(v - line - bend, 0.009) * step(0.48, 0.28, side) * broken
    # fine wrinkles, bags below the eyes, hollows
    fine_lines = np.abs(np.sin(26 * (v + 0.25 * side) + 2.2 * blotch + 3 * np.sin(7 * x)))
    cheeks = bump(side - 0.47, 0.16) * bump(v + 0.35, 0.34) + 0.8 * bump(side - 0.40, 0.12) * bump(v + 0.05, 0.06)
    shade += 0.30 * older * step(0.90, 1.0, fine_lines) * cheeks
    shade += 0.30 * old * bump(v - EYE_ROW + 0.145 - 0.05 * xr**2, 0.014) * step(1.1, 0.5, np.abs(xr))
    shade += 0.16 * old * bump(side - 0.52, 0.10) * bump(v + 0.45, 0.16)
    for k in range(7):  # above the upper lip
        shade += 0.24 * older * bump(side - 0.03 - 0.033 * k, 0.006) * bump(v - MOUTH_ROW - 0.12, 0.035)
    for slope in (-0.5, 0.0, 0.5):
        shade += (
            0.32
            * max(0.0, i.age - 0.3)
            * bump(v - EYE_ROW - slope * (side - 0.46), 0.007)
            * step(0.47, 0.50, side)
            * step(0.62, 0.55, side)
        )
    for sign in (-1, 1):
        shade += 0.16 * max(0.0, i.age - 0.4) * bump(side - 0.045 - sign * 0.01, 0.008) * bump(v - 0.24, 0.06)


def _with_lips(
    out: np.ndarray, at: _SkinMap, head: Head, look: Look, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The colours with lips, and where these are (rows, columns), 0 to 1."""
    x, v, side, front, mouth = at.x, at.v, at.side, at.front, head.mouth_half
    lip = v - MOUTH_ROW
    across = np.clip(1 - (x / mouth) ** 2, 0, 1)
    bow = 1 - 0.26 * bump(x, 0.030) + 0.06 * bump(side - 0.06, 0.035)
    top = head.lip_upper * across**0.60 * bow
    bottom = head.lip_lower * across**0.55
    edge = np.where(lip >= 0, step(top + 0.010, top - 0.008, lip), step(bottom + 0.011, bottom - 0.010, -lip))
    edge *= step(1.03, 0.97, side / mouth) * front
    lines = cv2.remap(
        _noise(rng, (8, 640), (3.0, 1.0)).astype(np.float32),
        ((x + 0.4) / 0.8 * 639).astype(np.float32),
        (np.clip((lip + 0.1) / 0.2, 0, 1) * 7).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    tint = (
        look.lips
        * np.ones((*x.shape, 3))
        * (1 + 0.030 * lines - 0.10 * (lip > 0) + 0.05 * bump(lip + 0.045, 0.02))[..., None]
    )
    out = out * (1 - 0.88 * edge[..., None]) + tint * 0.88 * edge[..., None]
    out *= (1 - 0.42 * bump(lip, 0.009) * step(1.10, 0.9, side / mouth) * front)[..., None]
    out *= (1 + 0.035 * bump(np.where(lip > 0, lip - top - 0.014, 1.0), 0.010) * step(1.0, 0.6, side / mouth) * front)[
        ..., None
    ]
    return out, edge


def _with_hair_roots(out: np.ndarray, lips: np.ndarray, at: _SkinMap, head: Head, look: Look) -> np.ndarray:
    """The colours with eye shadow, the roots of the beard, and the scalp that shows between the hairs."""
    x, y, v, side, front, grain = at.x, at.y, at.v, at.side, at.front, at.grain
    lid = bump(side - head.eye_x, 0.15) * step(0.11, 0.04, v - EYE_ROW) * step(-0.01, 0.01, v - EYE_ROW) * front
    out *= 1 - (0.35 * look.makeup * lid)[..., None] * np.array([0.5, 0.75, 0.65])
    stubble = beard_area(look, x, v, head) * (1 - lips)
    shaved = 0.10 if look.male else 0.0
    strength = {"none": shaved, "stubble": 0.42, "moustache": 0.40, "full": 0.62, "long": 0.70}.get(look.beard, 0.45)
    roots = np.clip(stubble * (strength * (1 + 0.25 * grain)), 0, 0.8)[..., None]
    out = out * (1 - roots) + (0.35 * out + 0.65 * look.hair * 0.8) * roots
    # The scalp between the hairs: dark, with an uneven border.
    amount = {"bald": 0.16, "buzz": 0.60, "receding": 0.45, "mohawk": 0.45}.get(look.style, 0.88)
    scalp = step(-0.015, 0.055, y - hairline_height(look, np.abs(at.angle)) + 0.012 * at.pores)
    dots = np.clip(scalp * amount * (1 + 0.2 * grain), 0, 0.95)[..., None]
    out = out * (1 - dots) + look.hair * 0.75 * dots
    return out


def eye_texture(look: Look, rng: np.random.Generator, size: int = 160) -> np.ndarray:
    """The front of an eyeball, the distance from the middle being the angle from the axis: linear (size, size, 3)."""
    axis = np.linspace(-EYE_REACH, EYE_REACH, size)
    x, y = np.meshgrid(axis, -axis)
    r, around = np.hypot(x, y), np.arctan2(y, x)
    white = np.ones((size, size, 3)) * np.array([0.905, 0.885, 0.865])
    white *= 1 - step(0.40, 1.2, r)[..., None] * np.array([0.08, 0.20, 0.20])
    veins = np.maximum(0, _noise(rng, (size, size), 1.5) - 1.5)
    white *= 1 - (0.10 * veins * step(0.45, 0.9, r))[..., None] * np.array([0.2, 1, 1])
    t = r / IRIS
    rays = np.interp(around, np.linspace(-math.pi, math.pi, 97), np.r_[spokes := rng.normal(size=96), spokes[0]])
    iris = look.iris * np.ones((size, size, 3)) * (0.80 + 0.50 * step(0.4, 0.8, t) + 0.10 * rays)[..., None]
    iris += 0.10 * bump(t - 0.45, 0.14)[..., None] * np.array([1.0, 0.7, 0.3])
    iris *= (1 - 0.70 * step(0.80, 0.99, t))[..., None]
    out = white * step(0.94, 1.06, t)[..., None] + iris * step(1.06, 0.94, t)[..., None]
    out = out * step(0.36, 0.42, t)[..., None] + 0.025 * step(0.42, 0.36, t)[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def teeth_texture(rng: np.random.Generator, upper: bool, white: float) -> np.ndarray:
    """A row of teeth along its arch, the gum at one side: linear (40, 200, 3)."""
    widths = np.array([8.4, 6.6, 7.6, 7.0, 6.8, 10.0, 9.5] if upper else [5.4, 5.9, 6.9, 7.0, 7.1, 11.0, 10.5])
    edges = np.cumsum(np.r_[0, widths])
    edges = edges / edges[-1]
    u = np.abs(np.linspace(-1, 1, 200))[None]
    v = np.linspace(0, 1, 40)[:, None] if upper else np.linspace(1, 0, 40)[:, None]  # 0 gum .. 1 biting edge
    k = np.clip(np.searchsorted(edges, u[0], side="right") - 1, 0, len(widths) - 1)
    within = ((u[0] - edges[k]) / (edges[k + 1] - edges[k]))[None]
    gap = np.clip(np.abs(within - 0.5) * 2, 0, 1)
    out = np.ones((40, 200, 3)) * np.array([0.93, 0.89, 0.80]) * white
    out *= (1 - 0.30 * step(0.72, 1.0, gap) * (0.4 + 0.6 * v))[..., None]
    out *= (1 - 0.10 * (k % 2))[None, :, None] * (1 - 0.30 * u[..., None])
    gum = step(0.24, 0.14, v + 0.10 * (1 - gap**2))
    out = out * (1 - gum[..., None]) + gum[..., None] * np.array([0.66, 0.36, 0.36])
    out *= (1 - 0.5 * step(0.90, 1.0, v) * step(0.55, 1.0, gap))[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def flesh_texture(colour: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Mottled flesh, linear (32, 32, 3)."""
    out = np.ones((32, 32, 3)) * np.array(colour) * (1 + 0.05 * _noise(rng, (32, 32), 1.5))[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def cavity_texture(look: Look) -> np.ndarray:
    """Inside of the mouth from the upper lip's edge (row 0) around to the lower's: linear (8, 4, 3)."""
    lips = look.lips
    rows = [lips * 0.85, lips * 0.50, lips * 0.22, np.array([0.10, 0.035, 0.035])]
    rows += [np.array([0.11, 0.04, 0.04]), lips * 0.24, lips * 0.60, lips * 0.92]
    return np.repeat(linear(np.stack(rows))[:, None], 4, 1).astype(np.float32)


def ear_texture(look: Look) -> np.ndarray:
    """From the ear's middle outwards (rows): the hollow is darker, the rim redder. Linear (16, 4, 3)."""
    t = np.linspace(0, 1, 16)[:, None]
    dark = 1 - 0.42 * bump(t, 0.35) - 0.16 * bump(t - 0.74, 0.09)
    rows = look.skin * np.array([1.0, 0.93, 0.92]) * dark
    return np.repeat(linear(np.clip(rows, 0, 1))[:, None], 4, 1).astype(np.float32)


def trunk_texture(points: np.ndarray, look: Look, cloth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Skin of the neck and the clothes, 6 texels a cell of the trunk's grid `points`: linear (rows, columns, 3)."""
    rows, columns = (TRUNK_ROWS - 1) * 6 + 1, (TRUNK_COLUMNS - 1) * 6 + 1
    size = (columns, rows)
    row_map, column_map = np.meshgrid(
        np.linspace(0, TRUNK_ROWS - 1, rows).astype(np.float32),
        np.linspace(0, TRUNK_COLUMNS - 1, columns).astype(np.float32),
        indexing="ij",
    )
    assert row_map.shape == size[::-1]
    x, y, z = (cv2.remap(points[..., k].astype(np.float32), column_map, row_map, cv2.INTER_LINEAR) for k in range(3))
    front = z > -0.3
    side = np.abs(x)
    skin = look.skin * np.ones((rows, columns, 3)) * np.array([0.97, 0.95, 0.94])
    skin *= (1 + 0.02 * _noise(rng, (rows, columns), 8))[..., None]
    weave = 1 + 0.03 * _noise(rng, (rows, columns), 0.7) + 0.015 * _noise(rng, (rows, columns), (14, 5))
    folds = _noise(rng, (rows, columns), (16, 7))
    weave += 0.03 * folds * step(-1.6, -2.0, y)
    fabric = cloth * np.ones((rows, columns, 3)) * weave[..., None]
    style = look.clothes

    neckline = np.where(front, -1.60 + 0.10 * np.clip(side / 0.5, 0, 1) ** 2, -1.50)
    if style == "tee":
        out = _covered(skin, fabric, neckline - y, 0.055)
    elif style == "scoop":
        out = _covered(skin, fabric, np.where(front, -1.80 + 0.24 * np.clip(side / 0.75, 0, 1) ** 2, -1.55) - y, 0.03)
    elif style == "turtleneck":
        out = _covered(skin, fabric, np.where(front, -1.30, -1.22) - y, 0.0)
        out *= 1 - 0.05 * np.sin(np.arange(columns) * 0.9)[None, :, None] * step(-1.5, -1.3, y)[..., None]
    elif style == "vneck":
        line = np.where(front, np.minimum(-1.50, -1.98 + 1.15 * side), -1.50)
        out = _covered(skin, fabric, line - y, 0.05)
    else:
        out = _shirt(skin, x, y, front, look, cloth, weave)
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def _covered(body: np.ndarray, layer: np.ndarray, inside: np.ndarray, seam: float = 0.02) -> np.ndarray:
    """Lay a layer where `inside` (decimetres, positive within) and shade the skin along its border."""
    body = body * (1 - 0.35 * step(-0.10, 0.0, inside) * step(0.02, -0.01, inside))[..., None]
    on = step(-0.006, 0.006, inside)[..., None]
    rim = 1 - 0.16 * bump(inside - seam, 0.008) * (seam > 0)
    return body * (1 - on) + layer * rim[..., None] * on


def _shirt(
    skin: np.ndarray, x: np.ndarray, y: np.ndarray, front: np.ndarray, look: Look, cloth: np.ndarray, weave: np.ndarray
) -> np.ndarray:
    """A shirt with collar and buttons over the skin (rows, columns, 3), and a jacket over it where the look has one."""
    side, plain = np.abs(x), np.ones_like(skin)
    fabric = cloth * plain * weave[..., None]
    under = look.cloth2 * plain * (0.97 + 0.03 * (weave[..., None] - 1) * 10)
    inner = under if look.clothes == "jacket" else fabric
    opening = np.where(front, np.minimum(-1.44, -1.78 + 1.6 * side), -1.42)
    out = _covered(skin, inner, opening - y, 0.0)
    # collar points: a lighter flap from the neck to below the opening
    inner_border = (side - 0.85 * (y + 1.78) / 1.6) * 0.9
    flap = np.minimum(np.minimum(inner_border, -1.40 - y), (y + 1.86 - 0.55 * np.abs(side - 0.34)) * 0.8)
    flap = np.where(front, np.minimum(flap, 0.62 - side), -1)
    shadow = step(-0.05, 0.0, flap) * step(0.01, -0.005, flap)
    out *= (1 - 0.30 * shadow)[..., None]
    on = step(-0.006, 0.006, flap)[..., None]
    out = out * (1 - on) + np.clip(inner * 1.06, 0, 1) * on
    placket = bump(x - 0.035, 0.006) * step(-1.80, -1.84, y) * front
    out *= (1 - 0.18 * placket)[..., None]
    for button in (-1.98, -2.25, -2.52):
        out *= (1 - 0.45 * bump(np.hypot(x, y - button), 0.022) * front)[..., None]
    if look.clothes == "jacket":
        lapel = np.where(front, side - (0.30 + 0.62 * np.clip(y + 2.35, -0.4, 1.0)) * step(-2.9, -2.3, y) * 0.72, 1.0)
        lapel = np.where(y > -1.46, -0.1, lapel)
        dark = cloth * 0.55 * plain * weave[..., None]
        out = _covered(out, dark, lapel, 0.0)
        edge = 0.20 + 0.10 * np.clip((y + 2.4) / 0.6, 0, 1)
        out *= (1 - 0.30 * bump(lapel - edge, 0.012) * front * step(-1.55, -1.65, y))[..., None]
        out *= (1 + 0.10 * step(0, 0.02, lapel) * step(edge, edge - 0.01, lapel) * front)[..., None]
    return out
