"""Hair as soft polylines: that of the head grows once and turns with it; brows, lashes and beard hang on the skin."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from styleheat.renderer import wear
from styleheat.renderer.body import trunk_turn
from styleheat.renderer.curves import step
from styleheat.renderer.grid import EYE_ROW, HEIGHTS, SKIN_FACES
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
    """0 .. 1 per skin vertex: how surely hair of the head grows there (rows * columns,)."""
    x, y, z = (head.flat[..., k] for k in range(3))
    angle = np.abs(np.arctan2(x, z + 0.05))
    area = step(-0.02, 0.05, y - hairline_height(look, angle))
    return (area * (HEIGHTS[:, None] > -1.0)).ravel() * wear.bare(head, look.hat)


def cap_thickness(look: Look) -> float:
    """How far the solid layer under the hairs stands off the skin, decimetres."""
    return {
        "bald": 0.004, "receding": 0.018, "buzz": 0.006, "short": 0.045, "crop": 0.055, "quiff": 0.055, "curly": 0.13,
        "bob": 0.075, "long": 0.060, "wavy": 0.080, "tied": 0.035, "afro": 0.30, "slick": 0.040, "mop": 0.070,
        "mohawk": 0.006, "dreads": 0.060, "pony": 0.035,
    }[look.style]  # fmt: skip


_CLING = {
    "tied": 0.9, "pony": 0.9, "receding": 0.8, "slick": 0.7, "short": 0.45, "bob": 0.35, "long": 0.35, "crop": 0.3,
    "mop": 0.3, "wavy": 0.2,
}  # fmt: skip
"""How firmly hair is drawn back to the head that it leaves."""


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def grow(head: Head, look: Look, body: np.ndarray, body_normals: np.ndarray, rng: np.random.Generator) -> Hairs | None:
    """The hair of the head; `body` (N, 3) and `body_normals` are what it must not enter besides the head."""
    style = look.style
    if style == "bald":
        return None
    skin = head.flat.reshape(-1, 3)
    normals = vertex_normals(skin.astype(np.float32), SKIN_FACES).astype(np.float64)
    weight = scalp(head, look)
    # Area of a vertex's cell, so that hairs are spread evenly.
    cell = np.gradient(head.flat, axis=0), np.gradient(head.flat, axis=1)
    area = np.linalg.norm(np.cross(cell[0], cell[1]), axis=-1).ravel()
    chance = weight * area
    chance[skin[:, 2] < -0.75] *= 0.5  # seldom seen
    count = {
        "buzz": 2600,
        "receding": 1500,
        "short": 2600,
        "crop": 2600,
        "quiff": 2400,
        "curly": 1700,
        "afro": 2000,
        "dreads": 260,
    }.get(style, 2600)
    if look.hat is not None:  # as dense as without it
        count = int(count * min(1.0, 1.3 * (chance.sum() / (area * scalp(head, replace(look, hat=None))).sum()) ** 0.8))
        if count < 30:
            return None
    roots = rng.choice(len(skin), count, p=chance / chance.sum())
    if has_fringe(look):
        x, y, z = skin.T
        front = np.flatnonzero((z > 0.45) & (np.abs(x) < 0.52) & (y > 0.58) & (weight > 0.5))
        roots[: count // 4] = rng.choice(front, count // 4)
    start = skin[roots] + rng.normal(size=(count, 3)) * 0.012
    normal = normals[roots]
    height, side, depth = start[:, 1], start[:, 0], start[:, 2]
    points_count = {
        "buzz": 3,
        "receding": 5,
        "short": 6,
        "crop": 6,
        "quiff": 7,
        "curly": 17,
        "afro": 12,
        "wavy": 16,
        "slick": 8,
        "mohawk": 6,
    }.get(style, 12)
    gravity, lift, curl, turns = 0.6, 0.35, 0.0, 0.0
    length = np.full(count, 0.5)
    target = np.zeros((count, 3))
    knot = np.array([0.0, 0.35, -1.12])
    top = step(0.55, 0.95, height)
    frontal = step(0.1, 0.7, depth)
    sign = np.where(side > look.part, 1.0, -1.0)
    noise = rng.normal(size=(count, 3))
    clump = np.stack([np.sin(start @ rng.normal(size=3) * 9 + rng.uniform(0, 6)) for _ in range(3)], 1)
    if style == "buzz":
        length[:] = 0.05
        target[:] = normal + 0.3 * noise
        lift, gravity = 1.0, 0.0
    elif style == "receding":
        length[:] = 0.22 + 0.08 * rng.random(count)
        target[:] = np.stack([0.5 * sign, -0.5 + 0 * side, -0.9 + 0 * side], 1)
        gravity, lift = 0.5, 0.2
    elif style == "short":
        length[:] = 0.24 + 0.22 * top + 0.05 * rng.random(count)
        target[:] = np.stack([sign * (0.9 * top + 0.1), -0.8 + 0.6 * top, 0.10 * frontal - 0.45 * (1 - frontal)], 1)
        gravity, lift = 0.4, 0.45
    elif style == "crop":
        length[:] = 0.20 + 0.20 * top + 0.14 * frontal * top + 0.06 * rng.random(count)
        target[:] = np.stack(
            [0.25 * clump[:, 0] + 0.25 * sign, -0.5 + 0.2 * top, 0.9 * top + 0.1 * frontal - 0.4 * (1 - top)], 1
        )
        gravity, lift = 0.7, 0.45
    elif style == "quiff":
        length[:] = 0.16 + 0.36 * top + 0.05 * rng.random(count)
        target[:] = np.stack(
            [0.35 * sign * (1 - top) + 0.25 * np.sign(look.part) * top, -0.6 + 1.1 * top, -0.5 - 0.6 * top], 1
        )
        gravity, lift = 0.15, 0.7
    elif style in ("curly", "afro"):
        length[:] = (0.42 if style == "curly" else 0.40) + 0.12 * rng.random(count)
        target[:] = normal + 0.6 * noise + np.array([0, -0.1, 0])
        gravity, lift = (0.55, 0.8) if style == "curly" else (0.0, 1.2)
        curl, turns = (0.045, 2.2) if style == "curly" else (0.026, 2.0)
        if style == "curly" and not look.male:
            length[:] += 0.45 * (1 - 0.5 * top) * (1 - 0.8 * step(0.35, 0.65, depth))
            gravity = 0.8
    elif style == "slick":
        length[:] = 0.55 + 0.25 * top + 0.08 * rng.random(count)
        target[:] = np.stack([0.30 * side + 0.1 * clump[:, 0], 0.15 - 0.6 * (1 - top), -1.0 + 0 * side], 1)
        gravity, lift = 0.35, 0.25
    elif style == "mohawk":
        crest = np.abs(side) < 0.17
        length[:] = np.where(crest, rng.uniform(0.30, 0.55) + 0.06 * rng.random(count), 0.05)
        target[:] = np.where(crest[:, None], np.stack([0.15 * noise[:, 0], 1 + 0 * side, -0.35 + 0 * side], 1), normal)
        gravity, lift = 0.05, 1.2
    elif style == "mop":
        length[:] = 0.50 + 0.55 * top + 0.06 * rng.random(count)
        target[:] = np.stack([1.2 * side, -0.5 + 0 * side, depth + 0.2], 1)
        gravity, lift = 1.3, 0.3
    elif style in ("tied", "pony"):
        target[:] = _unit(knot - start)
        length[:] = np.linalg.norm(knot - start, axis=1) * 1.20
        gravity, lift = 0.0, 0.05
    else:  # bob, long, wavy, dreads
        full = {"bob": 1.05, "long": 1.75, "wavy": 1.6, "dreads": 1.3}[style] * rng.uniform(0.9, 1.1)
        length[:] = full + 0.75 * top + 0.15 * rng.random(count) - 0.25 * step(0.3, -0.4, height)
        target[:] = np.stack([sign * 1.0, -0.25 + 0 * side, -0.30 - 0.25 * frontal + 0.25 * (1 - top) * frontal], 1)
        gravity, lift = 1.9, 0.30
        curl, turns = (0.045, 2.4) if style == "wavy" else (0.010, 0.8)
    cling = _CLING.get(style, 0.0)
    fringe = np.zeros(count, bool)
    if has_fringe(look):
        fringe = (depth > 0.45) & (np.abs(side) < 0.50) & (height > 0.60)
        down = np.maximum(height - (EYE_ROW + look.fringe), 0.1)
        length[fringe] = (down * 1.08 + 0.06 + 0.10 * rng.random(count))[fringe]
        swept = np.where(rng.random() < 0.4, 2.2 * look.part, 0.0)
        target[fringe] = np.stack([0.35 * side + 0.12 * clump[:, 1] + swept, -0.3 + 0 * side, 0.9 + 0 * side], 1)[
            fringe
        ]
    target = _unit(target + 0.13 * noise + 0.16 * clump)
    tree_points = np.concatenate([skin[::2], body])
    tree_normals = np.concatenate([normals[::2], body_normals])
    tree = cKDTree(tree_points)
    stand = cap_thickness(look) * (0.75 + 0.65 * rng.random(count)) + 0.004
    phase = rng.uniform(0, 2 * math.pi, count) * 0.35 + 3 * clump[:, 0]
    position = start.copy()
    path, outward = [], []
    for k in range(points_count):
        t = k / (points_count - 1)
        nearest = tree.query(position)[1]
        n = tree_normals[nearest]
        above = np.einsum("ij,ij->i", position - tree_points[nearest], n)
        rise = (
            np.minimum(1.0, t * length / 0.12) * stand if style not in ("curly", "afro", "buzz") else 0.01 + 0 * stand
        )
        push = np.clip(rise - above, 0, 0.2)
        position = position + n * push[:, None]
        if cling:
            position = position - n * (cling * np.clip(above - rise, 0, 0.2))[:, None]
        shown = position
        if curl:
            frame = _unit(np.cross(n, np.array([0.3, 1.0, 0.2])))
            swing = phase + 2 * math.pi * turns * t
            shown = position + (frame * np.sin(swing)[:, None] + n * (np.cos(swing)[:, None] * 0.6 + 0.3)) * curl * min(
                1, 2.5 * t
            )
        path.append(shown)
        outward.append(n if k else normal)
        if k < points_count - 1:
            if style in ("tied", "pony"):
                target = np.where(fringe[:, None], target, _unit(knot - position + 0.10 * clump * (1 - t)))
                length = np.where(fringe, length, np.linalg.norm(knot - position, axis=1) / (1 - t) * 1.05)
            flat = target - np.einsum("ij,ij->i", target, n)[:, None] * n if lift < 0.9 else target
            pull = gravity * (0.35 + 1.6 * t)
            step_direction = flat + normal * (lift * (1 - t) ** 2) + np.array([0.0, -1.0, 0.0]) * pull
            step_direction[fringe, :] += np.array([0.0, -0.9, 0.0]) * t
            if style in ("bob", "long", "wavy", "dreads"):
                inward = np.stack([-0.22 * position[:, 0], 0 * side, -0.08 * position[:, 2]], 1) * t
                # hair is brushed out of the face, to the side of the part it started on
                in_face = (
                    step(0.66, 0.40, np.abs(position[:, 0]))
                    * step(0.70, 0.30, position[:, 1])
                    * step(0.2, 0.45, position[:, 2])
                )
                step_direction[:, 0] += 4.0 * np.where(fringe, 0.0, in_face * sign)
                step_direction += inward
            position = position + _unit(step_direction) * (length / (points_count - 1))[:, None]
    points = np.stack(path, 1)
    normals_out = np.stack(outward, 1)
    way = np.linspace(0, 1, points_count)[None]
    thickness = {"buzz": 0.0055, "curly": 0.013, "afro": 0.012, "wavy": 0.012, "dreads": 0.042}.get(style, 0.0105)
    radius = thickness * (1 - 0.55 * way**2) * rng.uniform(0.7, 1.2, (count, 1))
    streak = 1 + 0.16 * rng.normal(size=(count, 1)) + 0.12 * clump[:, :1]
    tone = np.clip(streak * (0.72 + 0.34 * way), 0.35, 1.6)
    if style in ("curly", "afro"):
        tone = tone * (0.55 + 0.55 * way)
    colours = hair_colours(look, rng, way[0], clump[:, 0])
    colour = colours * (tone**1.6)[..., None] * (1 + 0.04 * rng.normal(size=(count, 1, 3)))
    if style in ("tied", "pony"):
        points, normals_out, radius, colour = _with_bun(points, normals_out, radius, colour, look, rng)
    return Hairs(
        points.astype(np.float32),
        normals_out.astype(np.float32),
        radius.astype(np.float32),
        np.clip(colour, 0.001, 1).astype(np.float32),
        trunk_turn(points),
    )


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
    axis = _unit(rng.normal(size=(count, 3)) * 0.35 + np.array([0.0, 0.5, -1.0]))
    first = _unit(np.cross(axis, rng.normal(size=(count, 3))))
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
        ball = _unit(spread + np.array([0, 0.2, 0.5]))
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
    points, radius = wear.glasses_frame(head, look.glasses)
    return [_rods(points, radius, look.glasses.colour)]


def hem(head: Head, look: Look, neutral: np.ndarray) -> list[Hairs]:
    """The thick border of a hat's cloth."""
    line = None if look.hat is None else wear.hem(head, look.hat, neutral)
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
