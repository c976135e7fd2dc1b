"""FFHQ's alignment of a face, and the square framings that the data sets take from it.

The formulas are those of FFHQ (Karras et al. 2019, "A Style-Based Generator Architecture for GANs", data set
preparation). Points are (x, y) in pixels, y down; (0, 0) is the middle of the top left pixel unless a docstring says
otherwise.
"""

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from styleheat.constants import LANDMARKS

RENDER_SIZE = 1024
"""FFHQ always samples at this size and then scales down (`transform_size`)."""

BLURS, BLUR_GROWTH, MARGIN = (0.0, 0.01, 0.02, 0.04, 0.08), 0.5, 0.3
"""How `fill_outside` fills, in shares of the square's side: standard deviations of the Gaussian blurs that it blends,
growth of the deviation with the distance from the image's border, and least distance at which only the median colour is
left."""

BLUR_SIZE = 256
"""`fill_outside` blurs at this size at most, to save time."""


@dataclass(frozen=True)
class Framing:
    """FFHQ's square around a face: centre and half axes (to the right and to the bottom of the upright face)."""

    centre: np.ndarray
    right: np.ndarray
    down: np.ndarray

    @property
    def side(self) -> float:
        return float(np.hypot(*self.right)) * 2

    @property
    def quad(self) -> np.ndarray:
        """(4, 2) corners: top left, bottom left, bottom right, top right of the upright face."""
        c, x, y = self.centre, self.right, self.down
        return np.stack([c - x - y, c - x + y, c + x + y, c + x - y])


def ffhq_framing(landmarks: np.ndarray) -> Framing:
    """FFHQ's framing of (68, 2) landmarks: level with the eyes and mouth, four eye distances or 3.6 eye-mouth ones."""
    assert landmarks.shape == (LANDMARKS, 2), landmarks.shape
    points = landmarks.astype(np.float64)
    left_eye, right_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    eyes, mouth = (left_eye + right_eye) / 2, (points[48] + points[54]) / 2
    across, along = right_eye - left_eye, mouth - eyes
    right = across - _quarter_turn(along)
    right /= np.hypot(*right)
    right *= max(np.hypot(*across) * 2.0, np.hypot(*along) * 1.8)
    return Framing(centre=eyes + along * 0.1, right=right, down=_quarter_turn(right))


def ffhq_quad(landmarks: np.ndarray) -> np.ndarray:
    """(4, 2) corners of FFHQ's framing: top left, bottom left, bottom right, top right."""
    return ffhq_framing(landmarks).quad


def ffhq_box(landmarks: np.ndarray) -> np.ndarray:
    """(x0, y0, x1, y1) float: FFHQ's square without its turn, for one fixed crop of a clip. May leave the image."""
    framing = ffhq_framing(landmarks)
    return np.concatenate([framing.centre - framing.side / 2, framing.centre + framing.side / 2])


@dataclass(frozen=True)
class Alignment:
    """How an image of known size becomes an FFHQ-aligned one: shrink, crop, then sample a quadrilateral.

    shrunk: (width, height) to scale the image to first, or None when it isn't much larger than the result.
    crop: (x0, y0, x1, y1) integers, in the shrunk image.
    quad: (8,) float, the corners in the cropped image as PIL's QUAD transform wants them, (0, 0) being the corner
        of the top left pixel: top left, bottom left, bottom right, top right.
    size: side of the result.
    to_image: (2, 3) float; `to_image @ (x, y, 1)` is the place in the original image of (x, y) in the result. What
        pasting a result back needs.
    """

    shrunk: tuple[int, int] | None
    crop: tuple[int, int, int, int]
    quad: np.ndarray
    size: int
    to_image: np.ndarray

    @property
    def box(self) -> np.ndarray:
        """(x0, y0, x1, y1): the quad's upright box, cut at the cropped image's edges: HDTF's way to crop a clip."""
        width, height = self.crop[2] - self.crop[0], self.crop[3] - self.crop[1]
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.quad.reshape(4, 2)
        return np.array([max(min(ax, bx), 0), max(min(ay, dy), 0), min(max(cx, dx), width), min(max(by, cy), height)])

    @property
    def pitch(self) -> float:
        """Pixels of the original image for one of the result."""
        return float(np.hypot(*self.to_image[:, 0]))

    def apply(self, image: np.ndarray, released: bool = False) -> np.ndarray:
        """The aligned (size, size, 3) uint8 image. Pixels outside of `image` are black, as in the released StyleHEAT
        (`enable_padding = False`).

        released: as StyleHEAT's cropper of videos, which looks for the quad of the shrunk and cropped image in the
        complete one, and so at another place.
        """
        result = Image.fromarray(image)
        if not released:
            if self.shrunk is not None:
                result = result.resize(self.shrunk, Image.Resampling.LANCZOS)
            result = result.crop(self.crop)
        result = result.transform(
            (RENDER_SIZE, RENDER_SIZE), Image.Transform.QUAD, self.quad.tolist(), Image.Resampling.BILINEAR
        )
        if self.size < RENDER_SIZE:
            result = result.resize((self.size, self.size), Image.Resampling.LANCZOS)
        return np.asarray(result)

    def apply_filled(self, image: np.ndarray) -> np.ndarray:
        """The aligned (size, size, 3) uint8 image for a portrait, filled where it leaves `image` (`fill_outside`).

        Lanczos interpolation makes it sharper than `apply`, so that pasting the result back restores the image.
        """
        return filled_square(image, self.to_image, self.size)

    def apply_fast(self, image: np.ndarray) -> np.ndarray:
        """`apply` in a tenth of the time or less, for the frames of videos; about 1 of 255 away from it on average.

        Samples the image once, as finely as it is itself or twice the result, and averages down.
        """
        fine = max(1, min(RENDER_SIZE // self.size, math.ceil(max(2.0, self.pitch))))
        side = self.size * fine
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sampled = cv2.warpAffine(image, rescaled(self.to_image, fine), (side, side), flags=flags)
        return cv2.resize(sampled, (self.size, self.size), interpolation=cv2.INTER_AREA)


def filled_square(image: np.ndarray, to_image: np.ndarray, size: int) -> np.ndarray:
    """`Alignment.apply_filled` for any square: an image (H, W, 3) uint8 and `Alignment.to_image` (2, 3) → (size, size,
    3) uint8."""
    reach = outline(to_image, size)
    x0, y0 = np.maximum(np.floor(reach.min(axis=0)).astype(int) - 4, 0)  # the interpolation reads 4 pixels more
    x1, y1 = np.maximum(np.ceil(reach.max(axis=0)).astype(int) + 5, 0)
    image = image[y0:y1, x0:x1]
    to_image = to_image - np.array([(0, 0, x0), (0, 0, y0)])
    fine = math.ceil(np.hypot(*to_image[:, 0]))
    side = size * fine
    # Symmetric about the border, and again about the opposite one where the image is smaller than what is missing.
    flags, border = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP, cv2.BORDER_REFLECT
    sampled = cv2.warpAffine(image, rescaled(to_image, fine), (side, side), flags=flags, borderMode=border)
    if fine > 1:
        sampled = np.asarray(Image.fromarray(sampled).resize((size, size), Image.Resampling.LANCZOS))
    return fill_outside(sampled, image, to_image)


def surrounded(square: np.ndarray, image: np.ndarray, to_image: np.ndarray, around: int) -> np.ndarray:
    """A square (S, S, 3) uint8 amid what is around it: (W, W, 3) uint8, `around` pixels more on each side, filled where
    they leave the image.

    image: (H, W, 3) uint8, and to_image: (2, 3), `Alignment.to_image` of the square in it. What is filled depends on
    all that is filled, and the wider square is filled otherwise: at the square's border it takes on the square's own
    colours.
    """
    size = len(square)
    wider = filled_square(image, widened(to_image, around), size + 2 * around).astype(np.float32)
    inner = slice(around, around + size)
    pad = ((around, around), (around, around), (0, 0))
    off = np.pad(square - wider[inner, inner], pad, mode="edge")
    away = np.maximum(np.abs(np.arange(size + 2 * around) - around - (size - 1) / 2) - (size - 1) / 2, 0)
    fade = np.clip(1 - np.maximum(away, away[:, None]) / max(around, 1), 0, 1)
    return np.clip(np.rint(wider + off * fade[..., None]), 0, 255).astype(np.uint8)


def fill_outside(mirrored: np.ndarray, image: np.ndarray, to_image: np.ndarray) -> np.ndarray:
    """Fill an aligned square where it leaves the image that it was sampled from: (S, S, 3) uint8.

    mirrored: (S, S, 3) uint8, sampled with the image mirrored about its border.
    image: (H, W, 3) uint8.
    to_image: (2, 3), as `Alignment.to_image`.

    As in FFHQ, the mirrored image fades to a blurred one and then to the median colour, with the distance from the
    border. Two things differ, for photographs that are cropped tightly to a face. FFHQ's blur starts a tenth of the
    side or more inside of the border, and would blur the face; here no pixel inside changes. FFHQ's blur is the same
    from there on and leaves mirrored eyes and mouths visible; here it grows with the distance.
    """
    size, (height, width) = len(mirrored), image.shape[:2]
    x, y = places(to_image, size)
    beyond = np.stack([-0.5 - x, x - (width - 0.5), -0.5 - y, y - (height - 0.5)]) / (np.hypot(*to_image[:, 0]) * size)
    distance = beyond.max(axis=0)[..., None].astype(np.float32)  # negative inside
    if distance.max() <= 0:
        return mirrored
    margins = np.maximum(beyond.max(axis=(1, 2), keepdims=True) + 0.1, MARGIN)
    share = (beyond / margins).max(axis=0)[..., None].astype(np.float32)
    filled = mirrored.astype(np.float32)
    reduced = min(size, BLUR_SIZE)
    small = cv2.resize(filled, (reduced, reduced), interpolation=cv2.INTER_AREA)
    for less, more in itertools.pairwise(BLURS):
        blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), more * reduced), (size, size))
        filled += (blurred - filled) * np.clip((BLUR_GROWTH * distance - less) / (more - less), 0, 1)
    filled += (np.median(image, axis=(0, 1)).astype(np.float32) - filled) * np.clip(share, 0, 1)
    return np.rint(filled).astype(np.uint8)


def ffhq_alignment(landmarks: np.ndarray, width: int, height: int, size: int) -> Alignment:
    """Plan FFHQ's alignment of a width×height image with these (68, 2) landmarks to size×size pixels, at most 1024.

    One plan applied to all frames of a video keeps the camera still.
    """
    assert 0 < size <= RENDER_SIZE, size
    framing = ffhq_framing(landmarks)
    quad, side = framing.quad, framing.side
    shrunk = None
    shrink = int(np.floor(side / size * 0.5))
    if shrink > 1:
        shrunk = (round(width / shrink), round(height / shrink))
        width, height = shrunk
        quad, side = quad / shrink, side / shrink
    border = max(round(side * 0.1), 3)
    low, high = np.floor(quad.min(axis=0)) - border, np.ceil(quad.max(axis=0)) + border
    x0, y0 = (int(v) for v in np.maximum(low, 0))
    x1, y1 = (int(v) for v in np.minimum(high, (width, height)))
    # A pixel's middle is half a pixel from its corner, on both sides of the map.
    axes = np.column_stack([framing.right, framing.down]) * (2 / size)
    origin = framing.centre - framing.right - framing.down + axes @ (0.5, 0.5)
    return Alignment(
        shrunk, (x0, y0, x1, y1), (quad - (x0, y0) + 0.5).reshape(8), size, np.column_stack([axes, origin])
    )


def resizing(width: int, height: int, size: int) -> np.ndarray:
    """`Alignment.to_image` (2, 3) of a width×height image that is resized to size×size without being aligned."""
    scale = np.array([width / size, height / size])
    return np.column_stack([np.diag(scale), scale / 2 - 0.5])


def rescaled(to_image: np.ndarray, factor: float) -> np.ndarray:
    """`Alignment.to_image` (2, 3) of a result with `factor` times as many pixels along each side."""
    to_image = to_image.copy()
    to_image[:, :2] /= factor
    to_image[:, 2] += to_image[:, :2] @ np.full(2, 0.5 - factor / 2)
    return to_image


def widened(to_image: np.ndarray, around: int) -> np.ndarray:
    """`Alignment.to_image` (2, 3) of a result with `around` pixels more on each side."""
    to_image = to_image.copy()
    to_image[:, 2] -= to_image[:, :2] @ np.full(2, float(around))
    return to_image


def outline(to_image: np.ndarray, size: int) -> np.ndarray:
    """(4, 2) corners, in the original image, of a result of this size with this `Alignment.to_image`: top left, bottom
    left, bottom right, top right."""
    end = size - 0.5
    corners = np.array([(-0.5, -0.5), (-0.5, end), (end, end), (end, -0.5)])
    return corners @ to_image[:, :2].T + to_image[:, 2]


def places(to_image: np.ndarray, size: int) -> np.ndarray:
    """(2, size, size): x and y, in the original image, of each pixel of a result with this `Alignment.to_image`."""
    steps = np.arange(size)
    columns, rows, origin = to_image.T[:, :, None, None]
    return columns * steps[None] + rows * steps[:, None] + origin


def on_image(to_image: np.ndarray, size: int, image: np.ndarray) -> np.ndarray:
    """(size, size) bool: which pixels of a result with this `Alignment.to_image` lie on the image (H, W, ...)."""
    (x, y), (height, width) = places(to_image, size), image.shape[:2]
    return np.asarray((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5))


def _quarter_turn(v: np.ndarray) -> np.ndarray:
    """Clockwise as seen (y down): right becomes down."""
    return np.array([-v[1], v[0]])
