"""A person's surroundings in one clip: lights, and the choice of a background."""

import math
from dataclasses import dataclass

import numpy as np

from styleheat.renderer.background import KINDS
from styleheat.renderer.look import hsv

_LIGHTINGS = {
    "three quarters": 0.26, "front": 0.17, "side": 0.13, "top": 0.09, "below": 0.06, "back": 0.08, "overcast": 0.11,
    "coloured": 0.10,
}  # fmt: skip


@dataclass
class Scene:
    """Lights (linear colours, directions as unit vectors towards the light) and the choice of a background.

    The rim is a second light without cast shadows; it may come from anywhere.
    """

    key: np.ndarray  # (3,)
    key_colour: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    rim: np.ndarray
    rim_colour: np.ndarray
    soft: float  # 0 a small lamp or the sun .. 1 a large window
    background_seed: int
    background_kind: str
    background_light: float  # what its colours are multiplied by
    tint: np.ndarray  # (3,) as displayed

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Scene":
        kind = str(rng.choice(list(_LIGHTINGS), p=list(_LIGHTINGS.values())))
        side = float(rng.choice([-1.0, 1.0]))
        soft = float(rng.beta(1.6, 1.1))
        across, up = side * abs(rng.normal()) * 0.6, rng.uniform(0.15, 0.65)  # radians from straight ahead
        ambient = rng.uniform(0.12, 0.50)  # of the key's strength
        rim_across, rim_up = -side * rng.uniform(1.9, 2.6), rng.uniform(0.0, 0.6)
        rim = float(rng.random() < 0.55) * rng.uniform(0.1, 0.55)
        if kind == "front":
            across, up = rng.normal() * 0.25, rng.normal() * 0.2 + 0.1
            ambient = rng.uniform(0.15, 0.6)
        elif kind == "side":
            across, ambient = side * rng.uniform(1.0, 1.65), rng.uniform(0.04, 0.28)
        elif kind == "top":
            across, up, ambient = rng.normal() * 0.5, rng.uniform(0.95, 1.35), rng.uniform(0.18, 0.5)
        elif kind == "below":
            across, up, ambient = rng.normal() * 0.6, -rng.uniform(0.35, 0.95), rng.uniform(0.15, 0.5)
        elif kind == "back":
            across, up, ambient = side * rng.uniform(1.8, 2.6), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.6)
            rim = rng.uniform(0.4, 1.0)
        elif kind == "overcast":
            ambient, soft = rng.uniform(0.8, 2.0), 1.0
        key = _direction(across, up)
        warm = rng.normal() * 0.07
        key_colour = np.array([1 + warm, 1.0, 1 - warm])
        sky = ambient * np.array([1 - 0.8 * warm, 1.0, 1 + 1.0 * warm])
        rim_colour = rim * np.array([1.0, 0.98, 0.95])
        if kind == "coloured" or rng.random() < 0.10:
            hue = rng.uniform(0, 180)
            rim_across = -side * rng.uniform(0.8, 2.5)
            key_colour = 0.25 + 0.85 * hsv(hue, rng.uniform(40, 200), 255)
            rim_colour = rng.uniform(0.3, 1.0) * hsv((hue + rng.uniform(50, 130)) % 180, rng.uniform(60, 220), 255)
            sky = sky * rng.uniform(0.4, 0.9) * (0.6 + 0.5 * hsv(rng.uniform(0, 180), 90, 255))
        # Cameras expose for the face: its front is about equally bright under any light.
        facing = max(key[2], 0) * 0.65 + 0.15 * max(key[1], 0)
        level = facing * key_colour.mean() + 0.8 * sky.mean() + 0.2 * max(math.cos(rim_across), 0) * rim_colour.mean()
        scale = 1.06 * rng.uniform(0.9, 1.12) / max(level, 0.35)
        if rng.random() < 0.15:  # too dark for the camera
            scale *= rng.uniform(0.35, 0.7)
        return cls(
            key=key,
            key_colour=scale * key_colour,
            sky=scale * sky,
            ground=scale * sky * rng.uniform(0.30, 0.75) * np.array([1.06, 1.0, 0.92]),
            rim=_direction(rim_across, rim_up),
            rim_colour=scale * rim_colour,
            soft=soft,
            background_seed=int(rng.integers(1 << 31)),
            background_kind=str(rng.choice(list(KINDS))),
            background_light=float(np.clip(np.exp(-0.25 + 0.55 * rng.normal()), 0.12, 1.6)),
            tint=hsv(rng.uniform(0, 180), rng.uniform(5, 120), rng.uniform(60, 235)),
        )


def _direction(across: float, up: float) -> np.ndarray:
    """The unit vector `across` radians to the image's right of straight ahead, and `up` radians above."""
    return np.array([math.sin(across) * math.cos(up), math.sin(up), math.cos(across) * math.cos(up)])
