"""The parameters of a head's shape."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass
class Identity:
    """The shape of one head; each number is 0 for the average and within ±1 for most heads."""

    width: float
    length: float
    jaw: float  # breadth at the jaw's angles
    jaw_square: float
    chin: float  # forward
    chin_width: float
    cheekbone: float
    cheek: float  # full or hollow
    forehead: float
    brow_ridge: float
    nose_length: float
    nose_width: float
    nose_height: float
    nose_bridge: float  # straight, hooked or snub
    nose_tip: float
    eye_distance: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    eye_depth: float
    lid_fold: float
    brow_height: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    mouth_height: float
    ear_size: float
    ear_angle: float
    asymmetry: float
    male: float  # -1 .. 1: brow ridge, jaw and neck together
    age: float  # 0 .. 1: sagging, folds

    @classmethod
    def random(cls, rng: np.random.Generator, male: float, age: float) -> "Identity":
        """A random head: normal numbers, clipped to ±1.8 to keep faces plausible."""
        names = [field.name for field in fields(cls)][:-2]
        values = {name: float(np.clip(rng.normal() * 0.85, -1.8, 1.8)) for name in names}
        values["jaw"] += 0.5 * male
        values["brow_ridge"] += 0.7 * male
        values["chin"] += 0.3 * male
        values["lip_upper"] -= 0.3 * male
        values["eye_open"] -= 0.3 * male
        return cls(**values, male=male, age=age)
