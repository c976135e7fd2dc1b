"""Finds cuts in a video: changes between successive frames that are too large for one shot."""

from collections import deque

import cv2
import numpy as np

SIDE = 32
"""Pixels of the images that are compared."""

CUT, USUAL = 14.0, 4.0
"""A cut changes an image's grey levels, less their mean, by so many of 255, and so many times as much as the frames
before it did."""

REMEMBERED = 12
"""Frames of which the usual change is taken."""


class CutFinder:
    """Decides, frame by frame, whether a new shot begins."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=REMEMBERED)

    def begins(self, frame: np.ndarray) -> bool:
        """Whether a frame (H,W,3) uint8 begins another shot than the one shown before it."""
        small = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA).mean(axis=2)
        small -= small.mean()
        if self._last is None:
            self._last = small
            return False
        change = float(np.abs(small - self._last).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        self._last = small
        if change > max(CUT, USUAL * usual):
            return True
        self._changes.append(change)
        return False
