"""What a film shows of the painted squares: these alone, back in the photograph, or beside portrait and driver."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from styleheat.face.paste import Paster
from styleheat.inference.portrait import Portrait

Show = Callable[[np.ndarray], np.ndarray]
"""A painted frame (S,S,3) uint8 → a frame of the film (H,W,3) uint8, H and W even."""


def composer(
    result: str, portrait: Portrait, driver: Iterable[np.ndarray] | None = None, longest: int | None = None
) -> tuple[tuple[int, int], Show]:
    """How to show frames of a portrait, and the (width, height) of what is shown. result: of `params.Infer`.

    driver: frames (H,W,3) uint8 of any size that stand between portrait and film under `beside`, in step with it; the
    last one stays when the film is longer. longest: pixels of the longer side of a photograph that is shown whole, at
    most; None: as it is.
    """
    side = len(portrait.image)
    if result == "pasted":
        photo, to_photo = _scaled(portrait, longest)
        height, width = (length // 2 * 2 for length in photo.shape[:2])
        return (width, height), Paster(photo[:height, :width], to_photo, side)
    if result == "beside" and driver is not None:
        shown = _kept(driver)
        return (3 * side, side), lambda frame: np.hstack([portrait.image, _square(next(shown), side), frame])
    if result == "beside":
        return (2 * side, side), lambda frame: np.hstack([portrait.image, frame])
    return (side, side), lambda frame: frame


def _scaled(portrait: Portrait, longest: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The photograph with a longer side of at most `longest` pixels, and where in it the portrait's pixels are."""
    height, width = portrait.photo.shape[:2]
    if longest is None or max(height, width) <= longest:
        return portrait.photo, portrait.to_photo
    size = np.array([width, height]) * longest // max(height, width)
    scale = size / (width, height)
    to_photo = portrait.to_photo * scale[:, None]
    to_photo[:, 2] += 0.5 * scale - 0.5  # pixels are named by their centres
    return cv2.resize(portrait.photo, tuple(int(n) for n in size), interpolation=cv2.INTER_AREA), to_photo


def _kept(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames, and then the last one for ever."""
    last = None
    for last in frames:
        yield last
    if last is not None:
        yield from itertools.repeat(last)


def _square(frame: np.ndarray, size: int) -> np.ndarray:
    """The middle of a frame, size×size."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(frame[top : top + side, left : left + side], (size, size), interpolation=way)
