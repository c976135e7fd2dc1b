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
    result: str, portrait: Portrait, driver: Iterable[np.ndarray] | None = None
) -> tuple[tuple[int, int], Show]:
    """How to show frames of a portrait, and the (width, height) of what is shown. result: of `params.Infer`.

    driver: frames (H,W,3) uint8 of any size that stand between portrait and film under `beside`, in step with it; the
    last one stays when the film is longer.
    """
    side = len(portrait.image)
    if result == "pasted":
        height, width = (side // 2 * 2 for side in portrait.photo.shape[:2])
        return (width, height), Paster(portrait.photo[:height, :width], portrait.to_photo, side)
    if result == "beside" and driver is not None:
        shown = _kept(driver)
        return (3 * side, side), lambda frame: np.hstack([portrait.image, _square(next(shown), side), frame])
    if result == "beside":
        return (2 * side, side), lambda frame: np.hstack([portrait.image, frame])
    return (side, side), lambda frame: frame


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
