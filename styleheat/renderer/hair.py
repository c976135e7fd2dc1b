"""Hair of the head as soft polylines, which are grown once and turn with the head."""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from styleheat.renderer import hats
from styleheat.renderer.body import trunk_turn
from styleheat.renderer.curves import step
from styleheat.renderer.glasses import glasses_frame
from styleheat.renderer.grid import EYE_ROW, HEIGHTS, SKIN_FACES
from styleheat.renderer.hairstyles import HANGING, KNOT, ROUND, STYLES, TIED, Roots, Style, shape, unit
from styleheat.renderer.head import Head
from styleheat.renderer.look import Look, hair_colours, hairline_height, has_fringe, linear
from styleheat.renderer.raster import vertex_normals


@dataclass
class Hairs:
    """Polylines (S, P): points and outward normals (S, P, 3), radius (S, P) decimetres, colours (S, P, 3) linear, and
    turn (S, P), how far each point follows the head."""

    points: np.ndarray
    normals: np.ndarray
    radius: np.ndarray
    colour: np.ndarray
    turn: np.ndarray


def scalp(head: Head, look: Look) -> np.ndarray:
    """Density 0 .. 1 of the hair of the head at each skin vertex (rows * columns,)."""
    x, y, z = (head.flat[..., k] for k in range(3))
    angle = np.abs(np.arctan2(x, z + 0.05))
    area = step(-0.02, 0.05, y - hairline_height(look, angle))
    return (area * (HEIGHTS[:, None] > -1.0)).ravel() * hats.bare(head, look.hat)


def cap_thickness(look: Look) -> float:
    """How far the solid layer under the hairs stands off the skin, decimetres."""
    return STYLES[look.style].cap


def grow(head: Head, look: Look, body: np.ndarray, body_normals: np.ndarray, rng: np.random.Generator) -> Hairs | None:
    """The hair of the head, if any. `body` (N, 3) and `body_normals`: what it must not enter besides the head."""
    if look.style == "bald":
        return None
    style = STYLES[look.style]
    skin = head.flat.reshape(-1, 3)
    normals = vertex_normals(skin.astype(np.float32), SKIN_FACES).astype(np.float64)
    roots = _roots(head, look, skin, normals, rng)
    if roots is None:
        return None
    length, target = shape(roots, look, rng)
    fringe = _comb_fringe(length, target, roots, look, rng)
    target = unit(target + 0.13 * roots.noise + 0.16 * roots.clump)
    solid = _Solid(np.concatenate([skin[::2], body]), np.concatenate([normals[::2], body_normals]))
    points, outward = _run(roots, look, length, target, fringe, solid, rng)
    way = np.linspace(0, 1, style.points)[None]
    radius = style.radius * (1 - 0.55 * way**2) * rng.uniform(0.7, 1.2, (len(roots), 1))
    streak = 1 + 0.16 * rng.normal(size=(len(roots), 1)) + 0.12 * roots.clump[:, :1]
    tone = np.clip(streak * (0.72 + 0.34 * way), 0.35, 1.6)
    if look.style in ROUND:
        tone = tone * (0.55 + 0.55 * way)
    colours = hair_colours(look, rng, way[0], roots.clump[:, 0])
    colour = colours * (tone**1.6)[..., None] * (1 + 0.04 * rng.normal(size=(len(roots), 1, 3)))
    if look.style in TIED:
        points, outward, radius, colour = _with_bun(points, outward, radius, colour, look, rng)
    return Hairs(
        points.astype(np.float32),
        outward.astype(np.float32),
        radius.astype(np.float32),
        np.clip(colour, 0.001, 1).astype(np.float32),
        trunk_turn(points),
    )


def _roots(head: Head, look: Look, skin: np.ndarray, normals: np.ndarray, rng: np.random.Generator) -> Roots | None:
    """Where hairs grow, spread evenly over the scalp; None where a hat leaves next to none."""
    weight = scalp(head, look)
    cell = np.gradient(head.flat, axis=0), np.gradient(head.flat, axis=1)
    area = np.linalg.norm(np.cross(cell[0], cell[1]), axis=-1).ravel()  # of a vertex's cell
    chance = weight * area
    chance[skin[:, 2] < -0.75] *= 0.5  # rarely visible
    count = STYLES[look.style].count
    if look.hat is not None:  # as dense as without it
        count = int(count * min(1.0, 1.3 * (chance.sum() / (area * scalp(head, replace(look, hat=None))).sum()) ** 0.8))
        if count < 30:
            return None
    chosen = rng.choice(len(skin), count, p=chance / chance.sum())
    if has_fringe(look):
        x, y, z = skin.T
        front = np.flatnonzero((z > 0.45) & (np.abs(x) < 0.52) & (y > 0.58) & (weight > 0.5))
        chosen[: count // 4] = rng.choice(front, count // 4)
    start = skin[chosen] + rng.normal(size=(count, 3)) * 0.012
    top, frontal = step(0.55, 0.95, start[:, 1]), step(0.1, 0.7, start[:, 2])
    sign = np.where(start[:, 0] > look.part, 1.0, -1.0)
    noise = rng.normal(size=(count, 3))
    clump = np.stack([np.sin(start @ rng.normal(size=3) * 9 + rng.uniform(0, 6)) for _ in range(3)], 1)
    return Roots(start, normals[chosen], top, frontal, sign, noise, clump)


def _comb_fringe(
    length: np.ndarray, target: np.ndarray, roots: Roots, look: Look, rng: np.random.Generator
) -> np.ndarray:
    """Which hairs (N,) are a fringe; their lengths and directions are set, in place."""
    if not has_fringe(look):
        return np.zeros(len(roots), bool)
    side, height, depth = roots.start.T
    fringe = (depth > 0.45) & (np.abs(side) < 0.50) & (height > 0.60)
    down = np.maximum(height - (EYE_ROW + look.fringe), 0.1)
    length[fringe] = (down * 1.08 + 0.06 + 0.10 * rng.random(len(roots)))[fringe]
    swept = np.where(rng.random() < 0.4, 2.2 * look.part, 0.0)
    across = 0.35 * side + 0.12 * roots.clump[:, 1] + swept
    target[fringe] = np.stack([across, -0.3 + 0 * side, 0.9 + 0 * side], 1)[fringe]
    return fringe


@dataclass(frozen=True)
class _Solid:
    """What hairs must not enter: points and outward normals (N, 3)."""

    points: np.ndarray
    normals: np.ndarray

    @functools.cached_property
    def tree(self) -> cKDTree:
        return cKDTree(self.points)

    def nearest(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The normal at the nearest point, (N, 3), and how far above it a position lies, (N,)."""
        found = self.tree.query(position)[1]
        normal = self.normals[found]
        return normal, np.einsum("ij,ij->i", position - self.points[found], normal)


def _run(
    roots: Roots,
    look: Look,
    length: np.ndarray,
    target: np.ndarray,
    fringe: np.ndarray,
    solid: _Solid,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The points of hairs that grow step by step, and their outward normals: (N, P, 3) each."""
    style, count = STYLES[look.style], len(roots)
    gravity = 0.8 if look.style == "curly" and not look.male else style.gravity
    stand = style.cap * (0.75 + 0.65 * rng.random(count)) + 0.004
    phase = rng.uniform(0, 2 * math.pi, count) * 0.35 + 3 * roots.clump[:, 0]
    position = roots.start.copy()
    path, outward = [], []
    for k in range(style.points):
        t = k / (style.points - 1)
        n, above = solid.nearest(position)
        rise = 0.01 + 0 * stand if look.style in (*ROUND, "buzz") else np.minimum(1.0, t * length / 0.12) * stand
        push = np.clip(rise - above, 0, 0.2)
        position = position + n * push[:, None]
        if style.cling:
            position = position - n * (style.cling * np.clip(above - rise, 0, 0.2))[:, None]
        path.append(_curled(position, n, phase, t, style) if style.curl else position)
        outward.append(n if k else roots.normal)
        if k < style.points - 1:
            if look.style in TIED:
                target = np.where(fringe[:, None], target, unit(KNOT - position + 0.10 * roots.clump * (1 - t)))
                length = np.where(fringe, length, np.linalg.norm(KNOT - position, axis=1) / (1 - t) * 1.05)
            flat = target - np.einsum("ij,ij->i", target, n)[:, None] * n if style.lift < 0.9 else target
            pull = gravity * (0.35 + 1.6 * t)
            direction = flat + roots.normal * (style.lift * (1 - t) ** 2) + np.array([0.0, -1.0, 0.0]) * pull
            direction[fringe, :] += np.array([0.0, -0.9, 0.0]) * t
            if look.style in HANGING:
                _brush_aside(direction, position, t, fringe, roots.sign)
            position = position + unit(direction) * (length / (style.points - 1))[:, None]
    return np.stack(path, 1), np.stack(outward, 1)


def _curled(position: np.ndarray, n: np.ndarray, phase: np.ndarray, t: float, style: Style) -> np.ndarray:
    """Positions (N, 3) at t of the way, 0 to 1, wound around their hairs."""
    frame = unit(np.cross(n, np.array([0.3, 1.0, 0.2])))
    swing = phase + 2 * math.pi * style.turns * t
    around = frame * np.sin(swing)[:, None] + n * (np.cos(swing)[:, None] * 0.6 + 0.3)
    return position + around * style.curl * min(1, 2.5 * t)


def _brush_aside(direction: np.ndarray, position: np.ndarray, t: float, fringe: np.ndarray, sign: np.ndarray) -> None:
    """Turn hanging hair out of the face, to the side of the parting that it started on, and inwards; in place."""
    inward = np.stack([-0.22 * position[:, 0], 0 * position[:, 0], -0.08 * position[:, 2]], 1) * t
    in_face = (
        step(0.66, 0.40, np.abs(position[:, 0])) * step(0.70, 0.30, position[:, 1]) * step(0.2, 0.45, position[:, 2])
    )
    direction[:, 0] += 4.0 * np.where(fringe, 0.0, in_face * sign)
    direction += inward


def _with_bun(
    points: np.ndarray,
    normals: np.ndarray,
    radius: np.ndarray,
    colour: np.ndarray,
    look: Look,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Add a knot of hair, high or low at the back, wound around itself."""
    count, steps = 420, points.shape[1]
    high = look.part > 0.1 and look.hat is None
    centre = np.array([0.0, 1.16 if high else 0.38, -0.62 if high else -1.22])
    axis = unit(rng.normal(size=(count, 3)) * 0.35 + np.array([0.0, 0.5, -1.0]))
    first = unit(np.cross(axis, rng.normal(size=(count, 3))))
    second = np.cross(axis, first)
    swing = rng.uniform(0, 6.3, (count, 1)) + np.linspace(0, 3.2, steps)[None]
    ball = np.cos(swing)[..., None] * first[:, None] + np.sin(swing)[..., None] * second[:, None]
    size = 0.27 * rng.uniform(0.8, 1.0, (count, 1, 1))
    more = centre + ball * size
    if look.style == "pony":  # a tail, before or behind a shoulder
        t = np.linspace(0, 1, steps)[None, :, None]
        way = np.array([np.sign(look.part) * 0.62, -1.1, -0.35]), np.array([np.sign(look.part) * 0.66, -1.9, 0.30])
        spread = rng.normal(size=(count, 1, 3)) * (0.05 + 0.16 * t * (1 - 0.5 * t))
        knot = np.array([0.0, 0.35, -1.12])
        more = (1 - t) ** 2 * knot + 2 * t * (1 - t) * way[0] + t**2 * way[1] + spread
        ball = unit(spread + np.array([0, 0.2, 0.5]))
    tone = np.clip(1 + 0.2 * rng.normal(size=(count, 1, 1)), 0.5, 1.5) * np.ones((1, steps, 1))
    return (
        np.concatenate([points, more]),
        np.concatenate([normals, ball]),
        np.concatenate([radius, np.full((count, steps), 0.012)]),
        np.concatenate([colour, hair_colours(look, rng, np.linspace(0.4, 1, steps), np.sin(7 * axis[:, 0])) * tone]),
    )


def glasses(head: Head, look: Look) -> list[Hairs]:
    """The frame of the glasses as thick polylines."""
    if look.glasses is None:
        return []
    points, radius = glasses_frame(head, look.glasses)
    return [_rods(points, radius, look.glasses.colour)]


def hem(head: Head, look: Look, neutral: np.ndarray) -> list[Hairs]:
    """The thick border of a hat's cloth, on vertices `neutral` (V,3) without expression."""
    line = None if look.hat is None else hats.hem(head, look.hat, neutral)
    if look.hat is None or line is None:
        return []
    return [_rods(line, np.full(line.shape[:2], 0.034), look.hat.colour * 0.92)]


def _rods(points: np.ndarray, radius: np.ndarray, colour: np.ndarray) -> Hairs:
    """Polylines (S, P, 3) of one displayed colour that turn with the head."""
    normals = np.zeros_like(points)
    normals[..., 1], normals[..., 2] = 0.5, 0.85
    return Hairs(
        points.astype(np.float32),
        normals.astype(np.float32),
        radius.astype(np.float32),
        np.broadcast_to(linear(colour).astype(np.float32), points.shape).copy(),
        np.ones(points.shape[:2], np.float32),
    )
