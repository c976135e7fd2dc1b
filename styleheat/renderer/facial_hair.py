"""Brows, beards and lashes: short hairs that lie on the skin and move with it."""

import math
from dataclasses import dataclass

import numpy as np

from styleheat.renderer.curves import step
from styleheat.renderer.grid import COLUMNS, EYE_LOWER, EYE_UPPER, HEIGHTS, SKIN_FACES
from styleheat.renderer.hairstyles import unit
from styleheat.renderer.head import Head
from styleheat.renderer.look import Look, beard_area, linear
from styleheat.renderer.raster import vertex_normals


@dataclass
class SkinHairs:
    """Polylines of skin vertices `index` (S, P), displaced by `offset` (S, P, 3), or `shut` (S, P, 3) where the eye on
    their `side` (±1) is shut."""

    index: np.ndarray
    offset: np.ndarray
    shut: np.ndarray
    radius: np.ndarray
    colour: np.ndarray
    alpha: float
    side: float = 0.0


def nearest_vertices(head: Head, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Front skin vertices nearest to (x, v), v the height in the rows' own scale."""
    rows = np.abs(HEIGHTS[None] - v.reshape(-1, 1)).argmin(1)
    line = head.flat[rows, :, 0].copy()
    line[head.front[rows] < 0.3] = 9
    columns = np.abs(line - x.reshape(-1, 1)).argmin(1)
    return (rows * COLUMNS + columns).reshape(x.shape).astype(np.int32)


def brows(head: Head, look: Look, rng: np.random.Generator) -> SkinHairs:
    """Two brows of short hairs that fan from the inner end outwards."""
    count = int(150 * look.brow_thickness)
    t = rng.random((2, count)) ** 0.9
    sign = np.array([[-1.0], [1.0]])
    arch = head.brow_y + 0.045 * np.sin(np.minimum(t * 1.2, 1.0) * math.pi * 0.72) - 0.050 * np.clip(t - 0.55, 0, 1)
    thick = 0.020 * look.brow_thickness * (1.05 - 0.75 * t**1.5)
    x = 0.105 + 0.375 * t
    v = arch + rng.normal(size=t.shape) * thick * 0.75
    index = nearest_vertices(head, sign * x, v)
    root = np.stack([sign * x, v, 0 * x], -1) - np.stack(
        [head.flat.reshape(-1, 3)[index, 0], np.repeat(HEIGHTS, COLUMNS)[index], 0 * x], -1
    )
    angle = math.radians(68) * (1 - t) ** 1.5 + math.radians(12) - math.radians(32) * t - 14 * (v - arch)
    length = rng.uniform(0.045, 0.075, t.shape)
    along = np.linspace(0, 1, 3)[None, None, :, None]
    direction = np.stack([sign * np.cos(angle), np.sin(angle), 0.10 - 0.30 * t], -1) * length[..., None]
    offset = root[:, :, None] + direction[:, :, None] * along + np.array([0, 0, 0.006])
    offset = offset.reshape(2 * count, 3, 3)
    tone = rng.uniform(0.5, 0.85, (2 * count, 1, 1)) * np.ones((1, 3, 1))
    radius = np.array([0.0055, 0.0055, 0.002])[None] * np.ones((2 * count, 1))
    index = np.repeat(index.reshape(-1, 1), 3, 1)
    colour = linear(np.clip(look.hair * 0.80, 0.05, 0.36)) * tone
    return SkinHairs(
        index,
        offset.astype(np.float32),
        offset.astype(np.float32),
        radius.astype(np.float32),
        colour.astype(np.float32),
        0.62,
    )


def beard(head: Head, look: Look, rng: np.random.Generator) -> SkinHairs | None:
    """Short hairs on the chin, jaw and lip; none for stubble, which is painted."""
    if look.beard in ("none", "stubble"):
        return None
    skin = head.flat.reshape(-1, 3)
    v = np.repeat(HEIGHTS, COLUMNS)
    weight = beard_area(look, skin[:, 0], v, head) * (head.front.ravel() > 0.02)
    cell = np.gradient(head.flat, axis=0), np.gradient(head.flat, axis=1)
    chance = np.where(weight > 0.25, weight, 0) * np.linalg.norm(np.cross(cell[0], cell[1]), axis=-1).ravel()
    count = {"moustache": 420, "handlebar": 600, "goatee": 900, "soul patch": 200, "chin strap": 900}.get(
        look.beard, 2200
    )
    roots = rng.choice(len(skin), count, p=chance / chance.sum())
    normals = vertex_normals(skin.astype(np.float32), SKIN_FACES)[roots]
    lip = v[roots] + 0.62
    down = np.stack([0.25 * np.sign(skin[roots, 0]) * np.where(lip > 0, 2.4, 0.6), np.full(count, -0.9), 0 * lip], 1)
    stand = 0.15 if look.beard == "long" else 0.45
    direction = unit(down + stand * normals + 0.22 * rng.normal(size=(count, 3)))
    long = np.full(count, rng.uniform(0.7, 1.6 if look.beard == "full" else 1.2))
    if look.beard == "long":  # only what grows below the mouth
        long = np.where((lip < -0.12) | (np.abs(skin[roots, 0]) > 0.42), rng.uniform(2.2, 4.5), 1.2)
    length = np.where(lip > 0, 0.085, 0.13) * long * rng.uniform(0.6, 1.1, count) * weight[roots] ** 0.5
    length = np.where(lip > 0, np.minimum(length, np.maximum(lip - 0.02, 0.02)), length)
    along = np.linspace(0, 1, 3)[None, :, None]
    offset = (
        (direction * length[:, None])[:, None] * along
        + normals[:, None] * 0.010
        + rng.normal(size=(count, 1, 3)) * 0.008
    )
    tone = rng.uniform(0.55, 1.25, (count, 1, 1)) * np.linspace(0.8, 1.1, 3)[None, :, None]
    radius = np.array([0.0075, 0.007, 0.0025])[None] * np.ones((count, 1))
    index = np.repeat(roots[:, None], 3, 1).astype(np.int32)
    offset = offset.astype(np.float32)
    grey = rng.random((count, 1, 1)) < min(1.0, 1.4 * look.grey)  # beards turn grey before the head does
    colour = np.where(grey, linear(np.array([0.72, 0.71, 0.70])), linear(look.hair))
    return SkinHairs(index, offset, offset, radius.astype(np.float32), (colour * tone).astype(np.float32), 0.75)


def lashes(head: Head, look: Look) -> list[SkinHairs]:
    """The dark line of each lid's edge, and the lashes of the upper ones."""
    out = []
    x = head.flat[EYE_UPPER, :, 0]
    dark = linear(np.clip(look.hair * 0.35, 0.02, 0.12))
    for sign in (-1.0, 1.0):
        place = (x * sign - head.eye_x) / head.eye_half
        columns = np.flatnonzero((np.abs(place) < 1.0) & (head.front[EYE_UPPER] > 0.5))
        columns = columns[np.argsort(place[columns])]
        t = place[columns]
        for row, size, alpha in (
            (EYE_UPPER, 0.0105 + 0.004 * look.makeup, 0.92),
            (EYE_LOWER, 0.0045, 0.30 + 0.3 * look.makeup),
        ):
            index = (row * COLUMNS + columns)[None].astype(np.int32)
            radius = size * (0.45 + 0.65 * step(-1.0, 0.5, t))[None]
            zero = np.zeros((1, len(columns), 3), np.float32)
            zero[..., 2] = 0.006
            colour = np.broadcast_to(dark * np.ones(3), zero.shape).astype(np.float32)
            out.append(SkinHairs(index, zero, zero, radius.astype(np.float32), colour, alpha, sign))
        fine = np.linspace(-0.85, 0.99, 22)
        index = EYE_UPPER * COLUMNS + columns[np.abs(t[None] - fine[:, None]).argmin(1)]
        length = (0.040 + 0.016 * look.makeup) * (0.7 + 0.45 * step(-0.5, 0.9, fine))
        fan = 0.75 * fine
        opened = np.stack([sign * fan, 0.65 + 0 * fan, 0.85 + 0 * fan], 1) * length[:, None]
        shut = np.stack([sign * fan * 0.8, -0.75 + 0 * fan, 0.70 + 0 * fan], 1) * length[:, None]
        along = np.linspace(0, 1, 3)[None, :, None]
        radius = np.array([0.005, 0.004, 0.0015])[None] * np.ones((len(fine), 1))
        out.append(
            SkinHairs(
                np.repeat(index[:, None], 3, 1).astype(np.int32),
                (opened[:, None] * along).astype(np.float32),
                (shut[:, None] * along).astype(np.float32),
                radius.astype(np.float32),
                np.broadcast_to(dark, (len(fine), 3, 3)).astype(np.float32),
                0.7 + 0.2 * look.makeup,
                sign,
            )
        )
    return out
