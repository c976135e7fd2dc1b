"""Composes the frames of a video: the generated square alone, in the photograph, or beside portrait and driver.

A square's last channel may be how opaque it is; only back in the photograph is it used. There, a frame may be wider
than the portrait's square, by as many pixels on each side; its fourth channel is then what of it is not the photograph.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import cv2
import numpy as np

from styleheat.face.align import widened
from styleheat.face.paste import Paster
from styleheat.inference.portrait import Portrait

Show = Callable[[np.ndarray], np.ndarray]
"""A painted frame (S,S,C) uint8 → a frame of the video (H,W,3) uint8, H and W even; or (H,W,4), with how opaque it
is."""


def composer(
    result: str, portrait: Portrait, driver: Iterable[np.ndarray] | None = None, longest: int | None = None
) -> tuple[tuple[int, int], Show]:
    """How to show frames of a portrait, and the (width, height) of what is shown. result: of `params.Infer`.

    driver: frames (H,W,3) uint8 of any size that stand between portrait and video under `beside`, in step with it; the
    last one stays when the video is longer. longest: pixels of the longer side of a photograph shown in full, at most;
    None: as it is.
    """
    side = len(portrait.image)
    if result == "pasted":
        photo, to_photo = _scaled(portrait.photo, portrait.to_photo, longest)
        height, width = (length // 2 * 2 for length in photo.shape[:2])
        if portrait.opaque is None:
            return (width, height), _pasting(photo[:height, :width], None, to_photo, side)
        opaque = _scaled(portrait.opaque, portrait.to_photo, longest)[0]
        return (width, height), _pasting(photo[:height, :width], opaque[:height, :width], to_photo, side)
    if result == "beside" and driver is not None:
        shown = _kept(driver)
        return (3 * side, side), lambda frame: np.hstack([portrait.image, _square(next(shown), side), frame])
    if result == "beside":
        return (2 * side, side), lambda frame: np.hstack([portrait.image, frame])
    return (side, side), lambda frame: frame


def _pasting(photo: np.ndarray, opaque: np.ndarray | None, to_photo: np.ndarray, side: int) -> Show:
    """Pastes frames into a photograph (H,W,3), and how opaque they are into how opaque that is (H,W), in which the
    portrait of `side` pixels is at `to_photo`."""

    @cache
    def pasters(size: int) -> list[Paster]:
        layers = [photo] if opaque is None else [photo, np.repeat(opaque[..., None], 3, axis=2)]
        return [Paster(layer, widened(to_photo, (size - side) // 2), size) for layer in layers]

    def paste(frame: np.ndarray) -> np.ndarray:
        paste_photo, *paste_opaque = pasters(len(frame))
        red, green, blue, *further = cv2.split(frame)
        changed = further.pop(0) if len(frame) > side else None
        shown = paste_photo(cv2.merge([red, green, blue]), changed)
        if not further or not paste_opaque:
            return shown
        return np.dstack([shown, paste_opaque[0](cv2.merge(further * 3), changed)[..., 0]])

    return paste


def unmixed(frame: np.ndarray) -> np.ndarray:
    """A frame (H,W,4) uint8 whose colours lie on white, with its own colours instead."""
    cover = np.maximum(frame[..., 3:].astype(np.float32), 1) / 255
    colours = 255 - (255 - frame[..., :3].astype(np.float32)) / cover
    return np.dstack([np.clip(np.rint(colours), 0, 255).astype(np.uint8), frame[..., 3:]])


def _scaled(photo: np.ndarray, to_photo: np.ndarray, longest: int | None) -> tuple[np.ndarray, np.ndarray]:
    """A photograph with a longer side of at most `longest` pixels, and where in it the portrait's pixels are."""
    height, width = photo.shape[:2]
    if longest is None or max(height, width) <= longest:
        return photo, to_photo
    size = np.array([width, height]) * longest // max(height, width)
    scale = size / (width, height)
    to_photo = to_photo * scale[:, None]
    to_photo[:, 2] += 0.5 * scale - 0.5  # pixels are named by their centres
    return cv2.resize(photo, tuple(int(n) for n in size), interpolation=cv2.INTER_AREA), to_photo


def _kept(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the frames, then repeat the last one without end."""
    last = None
    for last in frames:
        yield last
    if last is not None:
        yield from itertools.repeat(last)


def _square(frame: np.ndarray, size: int) -> np.ndarray:
    """The central size×size pixels of a frame."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(frame[top : top + side, left : left + side], (size, size), interpolation=way)
