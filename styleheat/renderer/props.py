"""Props: hands, microphones and cups before the lower part of the face in some clips."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from styleheat.renderer.body import Mesh, grid_mesh
from styleheat.renderer.grid import MOUTH_ROW
from styleheat.renderer.head import Head
from styleheat.renderer.look import linear


@dataclass(frozen=True)
class Prop:
    """One clip's prop: its kind, a key of KINDS, and the seed of what is random about it."""

    kind: str
    seed: int

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Prop":
        kind = str(rng.choice(list(KINDS), p=[kind.chance for kind in KINDS.values()]))
        return cls(kind, int(rng.integers(1 << 31)))

    def offset(self, index: int) -> np.ndarray:
        """Displacement of the prop in frame `index` from its mean position, (3,) decimetres float32."""
        reach = KINDS[self.kind].reach
        if not reach:
            return np.zeros(3, np.float32)
        rng = np.random.default_rng(self.seed + 1)
        phase, speed = rng.uniform(0, 2 * math.pi, (2, 3)), rng.uniform(0.5, 1.3)
        waves = np.sin(index * speed * np.array([[0.11], [0.23]]) + phase)
        return (reach * np.array([0.7, 0.3]) @ waves * np.array([1.0, 1.0, 0.5])).astype(np.float32)


def prop_meshes(prop: Prop, head: Head, skin: np.ndarray, cloth: np.ndarray) -> list[Mesh]:
    """The meshes of a prop; skin and cloth (3,) are the person's colours as displayed."""
    kind, rng = KINDS[prop.kind], np.random.default_rng(prop.seed)
    holder = _Holder(
        skin=linear(skin * [1.0, 0.96, 0.95]),
        cloth=linear(cloth),
        lip=np.array([0.0, MOUTH_ROW, head.lip_z]),
        side=float(rng.choice([-1.0, 1.0])),
        bare=float(rng.choice([0.2, 0.45, 2.0])),
    )
    parts = kind.build(holder, rng)
    for part in parts:
        count = len(part.vertices)
        part.turn = np.full(count, 1.0 if kind.on_head else 0.0, np.float32)
        # nothing shades them but their own lower side
        part.occlusion = np.full(count, 0.85, np.float32)
        part.visibility = np.tile(np.eye(1, 9, dtype=np.float32), (count, 1))
    return parts


@dataclass(frozen=True)
class _Holder:
    """What props take from the person: skin and cloth, linear colours (3,); lip, the middle of the closed lips (3,).

    side: of the image that the arm comes from, -1 left or 1 right. bare: share of the forearm, from the wrist, that no
    sleeve covers.
    """

    skin: np.ndarray
    cloth: np.ndarray
    lip: np.ndarray
    side: float
    bare: float


# ---- parts ----


def _tube(
    path: np.ndarray, radius: np.ndarray, colour: np.ndarray, flat: float = 1.0, shine: float = 0.06, blunt: float = 1.0
) -> Mesh:
    """A tube along `path` (P, 3), closed and rounded at both ends; flat: its extent in z as a share of that across.

    blunt: 1 ends that are half balls .. 0 cut off; colour (3,) or (P, 3) linear.
    """
    cap = np.sin(np.linspace(0, math.pi / 2, 5))
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    rise = 1 - np.sqrt(1 - cap**2) * blunt
    start = path[0] - along[0] * radius[0] * (1 - rise[:-1, None])
    end = path[-1] + along[-1] * radius[-1] * (1 - rise[-2::-1, None])
    points = np.concatenate([start, path, end])
    size = np.concatenate([radius[0] * cap[:-1], radius, radius[-1] * cap[-2::-1]])
    size[[0, -1]] = 1e-3
    tangent = np.concatenate([np.repeat(along[:1], 4, 0), along, np.repeat(along[-1:], 4, 0)])
    first = np.cross(tangent, [0.02, 0.0, 1.0])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(first, tangent)
    around = np.linspace(0, 2 * math.pi, 21)[None, :, None]
    ring = np.cos(around) * first[:, None] + flat * np.sin(around) * second[:, None]
    colours = np.broadcast_to(colour, (len(path), 3))
    texture = np.concatenate([np.repeat(colours[:1], 4, 0), colours, np.repeat(colours[-1:], 4, 0)])
    grid = points[:, None] + size[:, None, None] * ring
    return grid_mesh(grid, np.repeat(texture[:, None], 2, 1).astype(np.float32), shine, 0.0)


def _line(start: np.ndarray, end: np.ndarray, count: int = 8) -> np.ndarray:
    return start + (end - start) * np.linspace(0, 1, count)[:, None]


_FINGERS = ((-0.30, 0.86, 0.76), (-0.10, 0.92, 0.84), (0.10, 0.89, 0.78), (0.29, 0.80, 0.62))
"""Of the index to the little finger: x and y of its root, and its length."""
_PHALANGES = (0.46, 0.30, 0.24)
"""Shares of a finger's length."""


def _hand(skin: np.ndarray, curl: tuple[float, ...], thumb: float, spread: float) -> list[Mesh]:
    """The back of a right hand: wrist at the origin, fingers up, palm towards -z.

    curl: radians that each joint of the four fingers bends, the index (at -x) first. thumb: radians away from the
    index. spread: radians between neighbouring fingers.
    """
    parts = []
    shade = np.linspace(0.93, 1.0, 8)[:, None] * skin
    palm = _line(np.array([0, -0.05, 0]), np.array([0, 0.82, 0.02]))
    parts.append(_tube(palm, np.array([0.23, 0.26, 0.31, 0.355, 0.385, 0.395, 0.39, 0.35]), shade, 0.40))
    for k, (x, base, length) in enumerate(_FINGERS):
        place, angle = np.array([x, base - 0.08, 0.03]), 0.15 * curl[k]
        lean = (k - 1.5) * spread
        path = [place]
        for share in _PHALANGES:
            angle += curl[k]
            for _ in range(4):
                step_by = share * length / 4
                direction = np.array([math.sin(lean) * math.cos(angle), math.cos(angle), -math.sin(angle)])
                path.append(path[-1] + step_by * direction)
        thick = np.interp(np.linspace(0, 1, 13), [0, 0.3, 0.5, 0.75, 1], [0.098, 0.088, 0.090, 0.080, 0.066])
        tint = np.ones((13, 1)) * skin
        tint[[4, 5, 8, 9]] *= [0.95, 0.88, 0.88]  # joints
        tint[11:] *= [1.02, 0.97, 0.97]
        parts.append(_tube(np.stack(path), thick, tint))
    first = np.array([-0.27, 0.18, 0.0])
    second = first + 0.42 * np.array([-math.sin(0.4 + thumb), math.cos(0.4 + thumb), -0.25])
    third = second + 0.33 * np.array([-math.sin(thumb * 0.8), math.cos(thumb * 0.8), -0.35])
    thumb_path = np.concatenate([_line(first, second, 6)[:-1], _line(second, third, 6)])
    parts.append(_tube(thumb_path, np.linspace(0.125, 0.078, len(thumb_path)), skin))
    return parts


def _arm(skin: np.ndarray, cloth: np.ndarray, bare: float, elbow: np.ndarray) -> Mesh:
    """A forearm from the wrist at the origin to the elbow (3,), in a sleeve from the share `bare` of its length on."""
    t = np.linspace(0, 1, 12)
    path = _line(np.zeros(3), elbow, 12)
    sleeve = np.clip((t - bare) / 0.05, 0, 1)[:, None]
    return _tube(path, 0.22 + 0.18 * t + 0.05 * sleeve[:, 0], skin * (1 - sleeve) + cloth * sleeve, 0.85)


def _placed(parts: list[Mesh], turn: np.ndarray, place: np.ndarray, mirrored: bool, size: float) -> list[Mesh]:
    """The parts scaled, mirrored if asked, rotated by `turn` (3, 3) and moved to `place` (3,), in place."""
    for part in parts:
        points = part.vertices * size
        if mirrored:
            points = points * [-1, 1, 1]
            part.faces = np.ascontiguousarray(part.faces[:, ::-1])
        part.vertices = (points @ turn.T + place).astype(np.float32)
    return parts


def _turn(about_x: float, about_y: float, about_z: float) -> np.ndarray:
    """Rotation (3, 3) about x, then y, then z, in radians."""
    cx, sx, cy, sy, cz, sz = (f(a) for a in (about_x, about_y, about_z) for f in (math.cos, math.sin))
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ y @ x


def _microphone(rng: np.random.Generator) -> list[Mesh]:
    """A microphone: the centre of its head at the origin, the handle down."""
    dark = np.full(3, rng.uniform(0.004, 0.05)) if rng.random() < 0.75 else linear(rng.uniform(0.1, 0.8, 3))
    grille = np.full(3, rng.choice([0.02, 0.12, 0.35]))
    if rng.random() < 0.3:  # a foam cover of any colour
        grille = linear(rng.uniform(0.05, 0.9, 3))
    size = rng.uniform(0.20, 0.30)
    head = _tube(_line(np.array([0, -0.08, 0]), np.array([0, 0.08, 0])), np.full(8, size), grille, shine=0.12)
    weave = head.texture[:, :1] * np.ones((1, 64, 1), np.float32)
    rows, columns = np.indices(weave.shape[:2])
    head.texture = (weave * np.where((rows + columns) % 2 == 0, 1.2, 0.7)[..., None]).astype(np.float32)
    head.uv[:, 0] *= 63
    neck = np.concatenate([[0.8, 0.72], np.linspace(0.62, 0.42, 10)]) * size
    handle = _tube(_line(np.array([0, -size * 0.9, 0]), np.array([0, -2.2, 0]), 12), neck, dark, shine=0.3)
    return [head, handle]


def _cup(rng: np.random.Generator) -> list[Mesh]:
    """A cup of tea: the centre of its rim at the origin."""
    colour = linear(rng.uniform(0.1, 0.95, 3))
    wall = _line(np.array([0, -1.0, 0]), np.array([0, 0, 0]))
    tea = _line(np.array([0, -0.1, 0]), np.array([0, 0.01, 0]))
    return [
        _tube(wall, np.linspace(0.32, 0.40, 8), colour, shine=0.4, blunt=0.0),
        _tube(tea, np.full(8, 0.36), linear(np.array([0.30, 0.18, 0.10])), blunt=0.0),
    ]


# ---- a function for each kind of prop ----


def _none(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    return []


def _on_stand(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    place = holder.lip + np.array([rng.uniform(-0.3, 0.3), -rng.uniform(0.25, 0.60), rng.uniform(0.35, 0.9)])
    return _placed(_microphone(rng), _turn(rng.uniform(0.2, 0.7), 0, rng.uniform(-0.3, 0.3)), place, False, 1.0)


def _in_studio(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    """A large microphone at the end of a boom."""
    side = holder.side
    radius = rng.uniform(0.28, 0.40)
    tube = _line(np.array([0, -0.5, 0]), np.array([0, 0.45, 0]))
    colour = np.array([np.full(3, rng.uniform(0.01, 0.3))] * 5 + [np.full(3, 0.15)] * 3)
    boom = _line(np.array([0, -0.4, 0]), np.array([1.8, -1.3, 0.3]))
    parts = [_tube(tube, np.full(8, radius), colour, shine=0.35), _tube(boom, np.full(8, 0.05), np.full(3, 0.01))]
    place = holder.lip + np.array([side * rng.uniform(0.30, 0.75), -rng.uniform(0.45, 0.8), rng.uniform(0.5, 1.0)])
    return _placed(parts, _turn(rng.uniform(-0.4, 0.4), 0, rng.uniform(-0.5, 0.5)), place, side < 0, 1.0)


def _held_microphone(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    return _held(_microphone, holder, rng)


def _held_cup(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    return _held(_cup, holder, rng)


def _held(make: Callable[[np.random.Generator], list[Mesh]], holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    """An object that `make` returns, in a fist before the mouth."""
    side = holder.side
    place = holder.lip + np.array([side * rng.uniform(0.0, 0.25), -rng.uniform(0.28, 0.5), rng.uniform(0.35, 0.6)])
    fist = _hand(holder.skin, (1.25, 1.3, 1.3, 1.3), -0.2, 0.02)
    fist = _placed(fist, _turn(0.0, 0.4, 1.15), np.array([0.62, -0.95, 0.30]), False, 0.92)
    held = make(rng)
    arm = _arm(holder.skin, holder.cloth, holder.bare, np.array([0.9, -2.6, -0.3]))
    _placed([arm], np.eye(3), np.array([0.72, -1.05, 0.25]), False, 1.0)
    lean = _turn(0.35, 0, side * rng.uniform(-0.1, 0.35))
    return _placed([*held, *fist, arm], lean, place, side < 0, 1.0)


def _gesture(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    """An open hand before the chest."""
    side = holder.side
    curl = tuple(rng.uniform(0.05, 0.6) * rng.uniform(0.7, 1.3, 4))
    hand = _hand(holder.skin, curl, rng.uniform(0.2, 0.8), 0.12)
    arm = _arm(holder.skin, holder.cloth, holder.bare, np.array([0.3, -2.6, -0.2]))
    place = holder.lip + np.array([side * rng.uniform(0.15, 0.6), -rng.uniform(1.5, 1.9), rng.uniform(0.6, 1.1)])
    turn = _turn(rng.uniform(-0.5, 0.2), rng.uniform(-0.6, 0.6), rng.uniform(-0.1, 0.5) * side)
    return _placed([*hand, arm], turn, place, side < 0, 1.0)


def _at_chin(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    curl = tuple(rng.uniform(1.0, 1.35, 4))
    return _hand_at_face(holder, curl, np.array([0.25, -1.95, 0.92]), _turn(-0.10, 0.25, 0.25))


def _at_lips(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    curl = tuple(rng.uniform(0.12, 0.35, 4))
    place = np.array([0.55, -1.85 - 0.15 * rng.random(), 1.12])
    return _hand_at_face(holder, curl, place, _turn(-0.12, 0.1, rng.uniform(0.25, 0.6)))


def _at_cheek(holder: _Holder, rng: np.random.Generator) -> list[Mesh]:
    """A fist with the index finger stretched."""
    return _hand_at_face(holder, (0.12, 1.2, 1.3, 1.3), np.array([0.62, -1.75, 0.90]), _turn(-0.15, 0.5, 0.05))


def _hand_at_face(holder: _Holder, curl: tuple[float, ...], place: np.ndarray, turn: np.ndarray) -> list[Mesh]:
    """A hand whose wrist is at `place` (3,) on the image's right, or at its mirror image."""
    hand = _hand(holder.skin, curl, 0.35, 0.03)
    arm = _arm(holder.skin, holder.cloth, holder.bare, np.array([0.5, -2.4, 0.1]))
    return _placed([*hand, arm], turn, place * [holder.side, 1, 1], holder.side < 0, 1.0)


class Kind(NamedTuple):
    """A kind of prop. chance: share of clips. reach: how far it moves, decimetres. on_head: it follows the head."""

    chance: float
    build: Callable[[_Holder, np.random.Generator], list[Mesh]]
    reach: float = 0.0
    on_head: bool = False


KINDS = {
    "none": Kind(0.80, _none),
    "stand": Kind(0.04, _on_stand),
    "studio": Kind(0.03, _in_studio),
    "held": Kind(0.035, _held_microphone, reach=0.10),
    "chin": Kind(0.03, _at_chin, on_head=True),
    "lips": Kind(0.025, _at_lips, on_head=True),
    "cheek": Kind(0.015, _at_cheek, on_head=True),
    "gesture": Kind(0.015, _gesture, reach=0.38),
    "cup": Kind(0.01, _held_cup, reach=0.22),
}
"""No prop; a microphone on a stand, in a studio, in a hand; a hand at the chin, lips or cheek, or gesturing; a cup."""
