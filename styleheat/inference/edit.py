"""Edits attributes of the person, and replaces the driver's head pose or expression by a sweep."""

import dataclasses

import numpy as np
from torch import Tensor

from styleheat.inference.drive import Motion
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, DESCRIPTOR_EXPRESSION
from styleheat.morphable.model import face_model
from styleheat.networks.editing import Editing
from styleheat.networks.inversion import Inversion, Inverter

TURN, NOD = np.pi / 8, np.pi / 10
"""Radians of the pose sweep: yaw, and pitch or roll (StyleHEAT `get_intuitive_control`)."""

POSES = ((NOD, 0, 0), (-NOD, 0, 0), (0, TURN, 0), (0, -TURN, 0), (0, 0, NOD), (0, 0, -NOD))
"""Angles (pitch, yaw, roll) that the pose sweep visits, each time from and back to the front."""

EXPRESSIONS: tuple[dict[str, float], ...] = (
    {"jaw_open": 2.5},
    {"smile_left": 2.0, "smile_right": 2.0},
    {
        "brow_inner_raise_left": 1.0,
        "brow_inner_raise_right": 1.0,
        "brow_outer_raise_left": 1.0,
        "brow_outer_raise_right": 1.0,
    },
    {"blink_left": 2.5, "blink_right": 2.5},
)
"""Expressions that the expression sweep adds to the portrait's own one after the other: mouth, brows and eyes as in
StyleHEAT, whose stored coefficients are of another face model."""


def edit(prior: Inverter, image: Tensor, editing: Editing, attribute: str, strength: float) -> Inversion:
    """Invert portraits (B,3,H,H) in [-1,1] with an attribute of `editing.STRENGTHS` changed (HFGI, arXiv 2109.06590).

    The codes are moved; what they had missed of the portrait is then put back into what they paint now.
    """
    codes, _, residual = prior.encode(image)
    codes = editing(codes, attribute, strength)
    return prior.decode(codes, prior.stylegan(codes).image, residual).inversion


def sweep(motion: Motion, start: np.ndarray, kind: str) -> Motion:
    """The motion with one part replaced by an even walk through key positions, for as many frames as it has.

    start: (73,), the portrait's own descriptor, where the walk begins and ends. kind: `pose` replaces the angles of the
    head, which keeps its place; `expression` the expression, in the coefficients of our own face model; `none` nothing.
    Fewer than about 150 frames walk faster than the warper's window of 27 follows: positions then run into each other.
    """
    if kind == "none":
        return motion
    part = DESCRIPTOR_ANGLE if kind == "pose" else DESCRIPTOR_EXPRESSION
    own = start[part]
    if kind == "pose":
        rest, visited = np.zeros(3), [np.array(pose) for pose in POSES]
    else:
        names = face_model().expression_names
        rest, visited = own, [own + np.array([moved.get(name, 0.0) for name in names]) for moved in EXPRESSIONS]
    keys = [own]
    for there in visited:
        keys += [there, rest]
    walk = np.stack([*keys[:-1], own])  # (K, numbers)
    moments = np.linspace(0, len(walk) - 1, len(motion.descriptors))
    descriptors = motion.descriptors.copy()
    descriptors[:, part] = np.stack([np.interp(moments, np.arange(len(walk)), values) for values in walk.T], axis=1)
    return dataclasses.replace(motion, descriptors=descriptors)
