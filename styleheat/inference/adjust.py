"""Adjusts a driver's motion: strength, parts, time range and frame rate. All options work on descriptors alone."""

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter1d

from styleheat.errors import InputError
from styleheat.inference.drive import Motion
from styleheat.morphable.camera import angles, rotation
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, DESCRIPTOR_CROP, DESCRIPTOR_EXPRESSION, FRAME_SIZE
from styleheat.morphable.model import face_model
from styleheat.morphable.points import BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT
from styleheat.params import Drive

POSE = slice(DESCRIPTOR_EXPRESSION.stop, DESCRIPTOR_CROP.stop)
"""Indices of a descriptor's angles, translation and crop, which define the head's position."""

PITCH_LIMIT = np.radians(10)
"""How far the mean pitch may be from the portrait's own, in `centred`."""

POSITION_LIMIT = 0.08 * FRAME_SIZE
"""How far the head may be from its position in the portrait, in `centred`, horizontally and vertically each."""


def adjust(motion: Motion, start: np.ndarray, wanted: Drive) -> Motion:
    """Adjust a driver's motion by the parameters of `Drive`, in the order of its keys.

    start: (73,), the portrait's own descriptor, which what the driver leaves alone keeps. Raises InputError when
    nothing of the driver is left.
    """
    motion = between(motion, wanted.seconds)
    if wanted.fps is not None:
        motion = at_rate(motion, wanted.fps)
    descriptors = motion.descriptors.copy()
    if wanted.relative == "centred":
        if motion.of_another:
            descriptors = centred(descriptors, start)
    elif wanted.relative != "none":
        changed = relative(descriptors, start)
        descriptors = changed if wanted.relative == "all" else np.where(part_of(wanted.relative), changed, descriptors)
    if wanted.part != "all":
        descriptors = np.where(part_of(wanted.part), descriptors, start)
    descriptors[:, DESCRIPTOR_EXPRESSION] *= wanted.expression_scale
    for axis, keys in enumerate((wanted.pitch, wanted.yaw, wanted.roll)):
        if keys is not None:
            moments = np.linspace(0, len(keys) - 1, len(descriptors))
            turned = np.interp(moments, np.arange(len(keys)), np.radians(keys))
            descriptors[:, DESCRIPTOR_ANGLE.start + axis] = turned
    if wanted.smooth:
        descriptors = gaussian_filter1d(descriptors, wanted.smooth, axis=0, mode="nearest")
    return dataclasses.replace(motion, descriptors=descriptors.astype(np.float32))


def between(motion: Motion, seconds: tuple[float, float] | None) -> Motion:
    """The part of a motion, and of its audio, from one moment to another; None: all. Raises InputError when no
    frame lies between them."""
    if seconds is None:
        return motion
    first, last = (round(moment * motion.fps) for moment in seconds)
    descriptors = motion.descriptors[first:last]
    if not len(descriptors):
        fault = f"the driver has no frame from {seconds[0]:g} to {seconds[1]:g}"
        length = len(motion.descriptors) / motion.fps
        raise InputError(f"params.yaml: infer.drive.seconds: {fault}; it lasts {length:g} s")
    audio = None if motion.audio is None else motion.audio.part(first / motion.fps, last / motion.fps)
    return dataclasses.replace(motion, descriptors=descriptors, audio=audio)


def at_rate(motion: Motion, fps: float) -> Motion:
    """Resample a motion to `fps` frames a second by interpolation."""
    length = len(motion.descriptors)
    moments = (np.arange(max(1, round(length / motion.fps * fps))) + 0.5) * (motion.fps / fps) - 0.5
    columns = [np.interp(moments, np.arange(length), column) for column in motion.descriptors.T]
    return dataclasses.replace(motion, descriptors=np.stack(columns, axis=1).astype(np.float32), fps=fps)


def relative(descriptors: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The driver's changes since its first frame, made to the portrait's own descriptor: (T,73), (73,) → (T,73).

    Turns are added as turns, the crop's size as a factor, all else as a difference.
    """
    first = descriptors[0]
    moved = start + (descriptors - first)
    turned = rotation(descriptors[:, DESCRIPTOR_ANGLE]) @ rotation(first[DESCRIPTOR_ANGLE]).T
    moved[:, DESCRIPTOR_ANGLE] = angles(turned @ rotation(start[DESCRIPTOR_ANGLE]))
    size = DESCRIPTOR_CROP.start
    moved[:, size] = start[size] * descriptors[:, size] / first[size]
    return moved


def centred(descriptors: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The driver's yaw, roll, position and size around those of the portrait's own descriptor, instead of around their
    mean: (T,73), (73,) → (T,73).

    Expressions stay as the driver has them, and the pitch nearly so. Fits can't separate them well: a head that nods
    and a jaw that drops look alike, so that expressions are followed best with the pitch that they were found with. But
    a face photographed from above that looks far up is hardly recognised: the mean pitch stays near the portrait's.
    Nor does the head go far from its place, as shoulders stay where they are, and the square ends below the chin.
    """
    middle = descriptors.mean(axis=0)
    moved = start + (descriptors - middle)
    size = DESCRIPTOR_CROP.start
    moved[:, size] = start[size] * descriptors[:, size] / middle[size]
    place, pitch = slice(size + 1, DESCRIPTOR_CROP.stop), DESCRIPTOR_ANGLE.start
    away = (descriptors[:, place] - middle[place]) / POSITION_LIMIT
    moved[:, place] = start[place] + POSITION_LIMIT * np.tanh(away)
    moved[:, pitch] += PITCH_LIMIT * np.tanh((middle[pitch] - start[pitch]) / PITCH_LIMIT)
    return np.where(part_of("expression"), descriptors, moved)


def part_of(part: str) -> np.ndarray:
    """Which numbers (73,) of a descriptor are of `expression`, `pose`, or, in our own face model, `lips` or `eyes`.

    `eyes` are also the brows; `lips` all else that an expression moves: jaw, cheeks and nose.
    """
    taken = np.zeros(DESCRIPTOR_CROP.stop, bool)
    if part in ("expression", "pose"):
        taken[DESCRIPTOR_EXPRESSION if part == "expression" else POSE] = True
        return taken
    amounts = np.linalg.norm(face_model().expression, axis=2)  # (64, 68)
    eyes = amounts[:, [*BROW_LEFT, *BROW_RIGHT, *EYE_LEFT, *EYE_RIGHT]].sum(1) > amounts.sum(1) / 2
    taken[DESCRIPTOR_EXPRESSION] = eyes if part == "eyes" else ~eyes
    return taken
