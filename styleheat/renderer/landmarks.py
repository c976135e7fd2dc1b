"""The head's rotation and its projection by the camera, and its 68 landmarks, which need no rendering."""

import math

import numpy as np

from styleheat.renderer import facial_hair
from styleheat.renderer.controls import INDEX, NECK_PIVOT
from styleheat.renderer.grid import COLUMNS, EYE_LOWER, EYE_UPPER, HEIGHTS, MOUTH_LOWER, MOUTH_ROW, MOUTH_UPPER
from styleheat.renderer.head import Head
from styleheat.renderer.identity import Identity
from styleheat.renderer.light import CAMERA, CENTRE
from styleheat.renderer.raster import compiled

VIEW = 3.7
"""Decimetres that the image shows at the head's distance: the face takes half of its height."""


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation of the head (3, 3): yaw to the image's right, then pitch up, then roll, in radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, -pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


@compiled
def turned(
    points: np.ndarray, turn: np.ndarray, matrix: np.ndarray, pivot: np.ndarray, shift: np.ndarray, out: np.ndarray
) -> None:
    """out (N,3) = points (N,3) turned about the pivot and shifted, each by its share `turn`; directions have pivot =
    shift = 0."""
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] - pivot[0], points[n, 1] - pivot[1], points[n, 2] - pivot[2]
        w = turn[n]
        for q in range(3):
            turned = matrix[q, 0] * x + matrix[q, 1] * y + matrix[q, 2] * z + pivot[q]
            out[n, q] = points[n, q] + w * (turned - points[n, q]) + shift[q] * (0.35 + 0.65 * w)


@compiled
def project(points: np.ndarray, focal: float, middle: tuple[float, float], out: np.ndarray) -> None:
    """Pixel x, y and depth of points before the camera; middle: the pixel that shows the point (0, CENTRE, 0)."""
    for n in range(points.shape[0]):
        depth = CAMERA - points[n, 2]
        out[n, 0] = middle[0] + focal * points[n, 0] / depth
        out[n, 1] = middle[1] - focal * (points[n, 1] - CENTRE) / depth
        out[n, 2] = depth


def landmark_track(identity: Identity, motion: np.ndarray, size: int) -> np.ndarray:
    """The landmarks (T, 68, 2) of a head with a motion (T, len(CONTROLS)), in pixels of images of a size, for a camera
    that stands still."""
    head = Head(identity)
    index = landmark_vertices(head)
    everything, pivot = np.ones(len(index), np.float32), NECK_PIVOT.astype(np.float32)
    angles, place = ([INDEX[name] for name in names] for names in (("yaw", "pitch", "roll"), ("x", "y", "z")))
    track = np.empty((len(motion), len(index), 3), np.float32)
    for controls, screen in zip(motion.astype(np.float32), track, strict=True):
        world = np.empty_like(screen)
        turned(head.deform(controls)[index], everything, rotation(*controls[angles]), pivot, controls[place], world)
        project(world, size / VIEW * CAMERA, (size / 2, size / 2), screen)
    return track[..., :2]


def landmark_vertices(head: Head) -> np.ndarray:
    """Skin vertices of the 68 points of the iBUG scheme (first 17, the jaw's line, are approximate)."""
    middle = COLUMNS // 2
    half = head.mouth_half

    def at(x: float, v: float) -> int:
        return int(facial_hair.nearest_vertices(head, np.array([x]), np.array([v]))[0])

    def on_row(row: int, x: float) -> int:
        line = np.where(head.front[row] > 0.3, head.flat[row, :, 0], 9)
        return row * COLUMNS + int(np.abs(line - x).argmin())

    jaw = []
    for k in range(-8, 9):
        t = abs(k) / 8
        row = int(np.abs(HEIGHTS - (-1.07 + 1.02 * max(0.0, (t - 0.25) / 0.75) ** 1.1)).argmin())
        angle = math.copysign(1.45 * t**0.85, k)
        from_middle = round(angle / 1.3 * 61)
        jaw.append(row * COLUMNS + min(max(middle + from_middle, 4), COLUMNS - 5))
    brow = [0.47, 0.39, 0.29, 0.19, 0.10]
    arch = [-0.015, 0.030, 0.045, 0.035, 0.005]
    left = [at(-x, head.brow_y + a) for x, a in zip(brow, arch, strict=True)]
    right = [at(x, head.brow_y + a) for x, a in zip(brow[::-1], arch[::-1], strict=True)]
    tip = head.nose_y
    nose = [at(0.0, 0.10 + (tip - 0.10) * k / 3) for k in range(4)]
    nose += [at(x * head.nose_w, tip - 0.085 - (0.015 if x == 0 else 0)) for x in (-0.125, -0.065, 0.0, 0.065, 0.125)]
    eyes = []
    for sign in (-1.0, 1.0):
        xr = np.array([-1.0, -0.36, 0.36, 1.0]) * head.eye_half + sign * head.eye_x
        eyes += [on_row(EYE_UPPER, x) for x in xr] + [on_row(EYE_LOWER, x) for x in xr[2:0:-1]]
    top, bottom = head.lip_upper, head.lip_lower
    mouth = [on_row(MOUTH_UPPER, -half)]
    mouth += [
        at(x * half, MOUTH_ROW + top * y)
        for x, y in ((-0.62, 0.72), (-0.24, 1.0), (0, 0.78), (0.24, 1.0), (0.62, 0.72))
    ]
    mouth += [on_row(MOUTH_UPPER, half)]
    mouth += [
        at(x * half, MOUTH_ROW - bottom * y)
        for x, y in ((0.62, 0.75), (0.26, 1.0), (0, 1.03), (-0.26, 1.0), (-0.62, 0.75))
    ]
    mouth += [on_row(MOUTH_UPPER, x * half) for x in (-0.9, -0.35, 0.0, 0.35, 0.9)]
    mouth += [on_row(MOUTH_LOWER, x * half) for x in (0.35, 0.0, -0.35)]
    return np.array(jaw + left + right + nose + eyes + mouth)
