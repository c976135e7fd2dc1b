"""Glasses: a frame drawn as polylines, and lenses."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from styleheat.renderer.body import Mesh, grid_mesh
from styleheat.renderer.curves import step
from styleheat.renderer.grid import COLUMNS, EYE_ROW, HEIGHTS
from styleheat.renderer.head import Head


class _Lens(NamedTuple):
    """The outline of a lens, as `Glasses` has it."""

    half_width: float
    half_height: float
    power: float
    droop: float = 0.0
    lift: float = 0.0


_LENSES = {
    "round": _Lens(0.215, 0.200, 1.0),
    "oval": _Lens(0.230, 0.165, 0.9),
    "square": _Lens(0.250, 0.180, 0.50),
    "narrow": _Lens(0.240, 0.125, 0.55),
    "large": _Lens(0.275, 0.230, 0.65),
    "aviator": _Lens(0.255, 0.205, 0.75, droop=0.06),
    "cat": _Lens(0.250, 0.165, 0.70, lift=0.07),
}


@dataclass(frozen=True)
class Glasses:
    """A pair of glasses; lengths in decimetres, colours as displayed."""

    half_width: float
    half_height: float
    power: float  # 1 an ellipse .. 0.4 nearly a rectangle
    thick: float  # of the rim
    rim: str  # "full", "half" (none below the lens) or "none"
    droop: float  # how much lower the outer half of a lens extends
    lift: float  # how much higher its outer upper corner
    colour: np.ndarray
    glass: np.ndarray  # (3,) share of the light that passes
    mirror: float  # strength of reflections
    low: float  # how far they have slid down the nose

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Glasses":
        """A random pair; a fifth has tinted lenses, through which the eyes are still visible."""
        shape = _LENSES[str(rng.choice(list(_LENSES)))]
        size = rng.uniform(0.92, 1.08)
        colour = rng.uniform(0.02, 0.12, 3) if rng.random() < 0.5 else rng.uniform(0.1, 0.75, 3)
        if rng.random() < 0.2:  # metal
            colour = np.array([[0.75, 0.65, 0.45], [0.70, 0.70, 0.72], [0.40, 0.38, 0.38]])[rng.integers(3)]
        glass = np.full(3, 0.96)
        if rng.random() < 0.2:
            glass = rng.uniform(0.35, 0.85) * (1 - 0.35 * rng.random(3))
        return cls(
            half_width=shape.half_width * size,
            half_height=shape.half_height * size,
            power=shape.power,
            thick=float(rng.uniform(0.007, 0.012) if rng.random() < 0.45 else rng.uniform(0.013, 0.030)),
            rim=str(rng.choice(["full", "half", "none"], p=[0.74, 0.16, 0.10])),
            droop=shape.droop,
            lift=shape.lift,
            colour=colour,
            glass=glass,
            mirror=float(rng.uniform(0.05, 1.0)),
            low=float(max(0.0, rng.normal() * 0.03)),
        )

    def outline(self, around: np.ndarray, inner: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """A lens's border at angles `around` (A,), x (A,) outwards and y up from its middle, scaled by `inner`."""
        c, s = np.cos(around), np.sin(around)
        x = self.half_width * np.sign(c) * np.abs(c) ** self.power
        y = self.half_height * np.sign(s) * np.abs(s) ** self.power
        outer = step(-0.6, 0.9, c)
        y = y - self.droop * outer * np.clip(-s, 0, 1) + self.lift * outer**2 * np.clip(s, 0, 1)
        return x * inner, y * inner


def _glasses_place(head: Head, glasses: Glasses) -> tuple[float, float, float]:
    """Where the lenses are: distance of their centres from the middle of the face, height, depth at the bridge."""
    bridge = float(np.interp(0.10 - glasses.low, HEIGHTS[::-1], head.flat[::-1, COLUMNS // 2, 2]))
    middle = max(head.eye_x + 0.015, glasses.half_width + 0.055)
    return middle, EYE_ROW - 0.02 - glasses.low, bridge + 0.085


def glasses_frame(head: Head, glasses: Glasses) -> tuple[np.ndarray, np.ndarray]:
    """Rims, bridge and temples as polylines (lines, 33, 3) and their radius (lines, 33), decimetres."""
    middle, height, front = _glasses_place(head, glasses)
    around = np.linspace(-0.12, math.pi + 0.12, 33) if glasses.rim == "half" else np.linspace(0, 2 * math.pi, 33)
    s = np.linspace(0, 1, 33)[:, None]
    lines, radius = [], []
    level = int(np.abs(HEIGHTS - 0.12).argmin())
    temple = float(np.abs(head.flat[level, :, 0]).max()) + 0.012
    for sign in (-1.0, 1.0):
        out, up = glasses.outline(around)
        x = sign * (middle + out)
        lines.append(np.stack([x, height + up, front - 0.28 * (np.abs(x) - 0.05) ** 2], 1))
        radius.append(np.full(33, glasses.thick if glasses.rim != "none" else 0.004))
        end = middle + glasses.half_width
        hinge = np.array([sign * end, height + 0.07 + glasses.lift * 0.7, front - 0.28 * (end - 0.05) ** 2])
        wide = max(temple, end + 0.01)
        ear = np.array([sign * temple, 0.10, -0.05])
        bend = np.array([sign * wide, hinge[1], hinge[2] - 0.18])
        lines.append((1 - s) ** 2 * hinge + 2 * s * (1 - s) * bend + s**2 * ear)
        radius.append(np.full(33, max(glasses.thick * 0.9, 0.008)))
    inner = middle - glasses.half_width
    t = np.linspace(-1, 1, 33)
    lines.append(np.stack([inner * t, height + 0.05 + 0.035 * (1 - t**2), front + 0.01 * (1 - t**2)], 1))
    radius.append(np.full(33, glasses.thick))
    return np.stack(lines), np.stack(radius)


def lenses(head: Head, glasses: Glasses) -> list[Mesh]:
    """The two lenses, slightly bulging, as meshes without a texture of their own."""
    middle, height, front = _glasses_place(head, glasses)
    around = np.linspace(0, 2 * math.pi, 37)
    inner = np.linspace(0.001, 0.97, 9)
    out = []
    for sign in (-1.0, 1.0):
        rows = []
        for share in inner:
            x, y = glasses.outline(around if sign > 0 else around[::-1], share)
            x = sign * (middle + x)
            rows.append(np.stack([x, height + y, front - 0.28 * (np.abs(x) - 0.05) ** 2 + 0.03 * (1 - share**2)], 1))
        out.append(grid_mesh(np.stack(rows), np.ones((2, 2, 3), np.float32)))
    return out
