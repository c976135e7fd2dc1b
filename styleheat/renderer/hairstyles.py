"""Hair styles: a table of parameters, and the initial length and direction of each style's hairs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from styleheat.renderer.curves import step
from styleheat.renderer.look import Look

KNOT = np.array([0.0, 0.35, -1.12])
"""Where the hairs of tied hair meet."""

TIED = ("tied", "pony")
HANGING = ("bob", "long", "wavy", "dreads")
ROUND = ("curly", "afro")
"""Styles by how their hairs run."""


@dataclass(frozen=True)
class Style:
    """cap: how far the solid layer under the hairs stands off the skin, decimetres. count: hairs. points: of each.
    gravity: downward pull. lift: how far they stand up at their roots. curl and turns: radius of their curls,
    decimetres, and number. cling: how strongly they are pulled back to the head. radius: of a hair, decimetres."""

    cap: float
    count: int = 2600
    points: int = 12
    gravity: float = 0.6
    lift: float = 0.35
    curl: float = 0.0
    turns: float = 0.0
    cling: float = 0.0
    radius: float = 0.0105


STYLES = {
    "bald": Style(0.004, count=0),
    "buzz": Style(0.006, points=3, gravity=0.0, lift=1.0, radius=0.0055),
    "receding": Style(0.018, 1500, 5, gravity=0.5, lift=0.2, cling=0.8),
    "short": Style(0.045, points=6, gravity=0.4, lift=0.45, cling=0.45),
    "crop": Style(0.055, points=6, gravity=0.7, lift=0.45, cling=0.3),
    "quiff": Style(0.055, 2400, 7, gravity=0.15, lift=0.7),
    "curly": Style(0.13, 1700, 17, gravity=0.55, lift=0.8, curl=0.045, turns=2.2, radius=0.013),
    "afro": Style(0.30, 2000, gravity=0.0, lift=1.2, curl=0.026, turns=2.0, radius=0.012),
    "slick": Style(0.040, points=8, gravity=0.35, lift=0.25, cling=0.7),
    "mohawk": Style(0.006, points=6, gravity=0.05, lift=1.2),
    "mop": Style(0.070, gravity=1.3, lift=0.3, cling=0.3),
    "tied": Style(0.035, gravity=0.0, lift=0.05, cling=0.9),
    "pony": Style(0.035, gravity=0.0, lift=0.05, cling=0.9),
    "bob": Style(0.075, gravity=1.9, lift=0.30, curl=0.010, turns=0.8, cling=0.35),
    "long": Style(0.060, gravity=1.9, lift=0.30, curl=0.010, turns=0.8, cling=0.35),
    "wavy": Style(0.080, points=16, gravity=1.9, lift=0.30, curl=0.045, turns=2.4, cling=0.2, radius=0.012),
    "dreads": Style(0.060, 260, gravity=1.9, lift=0.30, curl=0.010, turns=0.8, radius=0.042),
}


@dataclass(frozen=True)
class Roots:
    """Where N hairs grow: start, normal (N, 3); top and frontal (N,), 0 to 1, how far up and forward; sign (N,), the
    side of the parting; noise (N, 3) of each hair's own, and clump (N, 3), which neighbours share."""

    start: np.ndarray
    normal: np.ndarray
    top: np.ndarray
    frontal: np.ndarray
    sign: np.ndarray
    noise: np.ndarray
    clump: np.ndarray

    def __len__(self) -> int:
        return len(self.start)


Shape = tuple[np.ndarray, np.ndarray]
"""Length (N,) of each hair in decimetres, and its initial direction (N, 3)."""


def shape(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    """The lengths and directions of a style's hairs."""
    return _SHAPES.get(look.style, _hanging)(roots, look, rng)


def _buzz(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    return np.full(len(roots), 0.05), roots.normal + 0.3 * roots.noise


def _receding(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    length = 0.22 + 0.08 * rng.random(len(roots))
    return length, np.stack([0.5 * roots.sign, _all(roots, -0.5), _all(roots, -0.9)], 1)


def _short(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    top, frontal, sign = roots.top, roots.frontal, roots.sign
    length = 0.24 + 0.22 * top + 0.05 * rng.random(len(roots))
    return length, np.stack([sign * (0.9 * top + 0.1), -0.8 + 0.6 * top, 0.10 * frontal - 0.45 * (1 - frontal)], 1)


def _crop(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    top, frontal, sign, clump = roots.top, roots.frontal, roots.sign, roots.clump
    length = 0.20 + 0.20 * top + 0.14 * frontal * top + 0.06 * rng.random(len(roots))
    across = 0.25 * clump[:, 0] + 0.25 * sign
    return length, np.stack([across, -0.5 + 0.2 * top, 0.9 * top + 0.1 * frontal - 0.4 * (1 - top)], 1)


def _quiff(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    top = roots.top
    length = 0.16 + 0.36 * top + 0.05 * rng.random(len(roots))
    across = 0.35 * roots.sign * (1 - top) + 0.25 * np.sign(look.part) * top
    return length, np.stack([across, -0.6 + 1.1 * top, -0.5 - 0.6 * top], 1)


def _round(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    length = (0.42 if look.style == "curly" else 0.40) + 0.12 * rng.random(len(roots))
    if look.style == "curly" and not look.male:
        length += 0.45 * (1 - 0.5 * roots.top) * (1 - 0.8 * step(0.35, 0.65, roots.start[:, 2]))
    return length, roots.normal + 0.6 * roots.noise + np.array([0, -0.1, 0])


def _slick(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    top = roots.top
    length = 0.55 + 0.25 * top + 0.08 * rng.random(len(roots))
    across = 0.30 * roots.start[:, 0] + 0.1 * roots.clump[:, 0]
    return length, np.stack([across, 0.15 - 0.6 * (1 - top), _all(roots, -1.0)], 1)


def _mohawk(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    crest = np.abs(roots.start[:, 0]) < 0.17
    length = np.where(crest, rng.uniform(0.30, 0.55) + 0.06 * rng.random(len(roots)), 0.05)
    up = np.stack([0.15 * roots.noise[:, 0], _all(roots, 1), _all(roots, -0.35)], 1)
    return length, np.where(crest[:, None], up, roots.normal)


def _mop(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    length = 0.50 + 0.55 * roots.top + 0.06 * rng.random(len(roots))
    return length, np.stack([1.2 * roots.start[:, 0], _all(roots, -0.5), roots.start[:, 2] + 0.2], 1)


def _tied(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    return np.linalg.norm(KNOT - roots.start, axis=1) * 1.20, unit(KNOT - roots.start)


def _hanging(roots: Roots, look: Look, rng: np.random.Generator) -> Shape:
    top, frontal = roots.top, roots.frontal
    full = {"bob": 1.05, "long": 1.75, "wavy": 1.6, "dreads": 1.3}[look.style] * rng.uniform(0.9, 1.1)
    length = full + 0.75 * top + 0.15 * rng.random(len(roots)) - 0.25 * step(0.3, -0.4, roots.start[:, 1])
    back = -0.30 - 0.25 * frontal + 0.25 * (1 - top) * frontal
    return length, np.stack([roots.sign * 1.0, _all(roots, -0.25), back], 1)


_SHAPES: dict[str, Callable[[Roots, Look, np.random.Generator], Shape]] = {
    "buzz": _buzz,
    "receding": _receding,
    "short": _short,
    "crop": _crop,
    "quiff": _quiff,
    "curly": _round,
    "afro": _round,
    "slick": _slick,
    "mohawk": _mohawk,
    "mop": _mop,
    "tied": _tied,
    "pony": _tied,
}


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors (…, 3) of length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _all(roots: Roots, value: float) -> np.ndarray:
    return np.full(len(roots), float(value))
