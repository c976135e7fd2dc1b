"""An aligned square, animated, back into the photograph that it was cut from."""

import cv2
import numpy as np

FEATHER = 0.08
"""Width of the soft edge of what is pasted, as a share of the square's side."""

FINEST = 0.5
"""Pixels of the photograph for one of the frame, at least: a finer frame is averaged down, or it would flicker."""


class Paster:
    """Puts frames of one aligned square back where the photograph had it.

    Outside the square the photograph stays as it is, to the bit; towards the square's edges the frame fades into it.
    """

    def __init__(self, photo: np.ndarray, to_photo: np.ndarray, size: int) -> None:
        """photo: (H,W,3) uint8. to_photo: (2,3), `Alignment.to_image` of the alignment that cut the square of side
        `size` out. Of the square at least the middle must lie on the photograph."""
        self.photo = photo
        pitch = float(np.hypot(*to_photo[:, 0]))
        self.side = size if pitch >= FINEST else max(1, round(size * pitch / FINEST))
        shrink = size / self.side
        to_photo = np.column_stack([to_photo[:, :2] * shrink, to_photo @ (shrink / 2 - 0.5, shrink / 2 - 0.5, 1)])
        size = self.side
        corners = np.array([(-0.5, -0.5), (-0.5, size - 0.5), (size - 0.5, size - 0.5), (size - 0.5, -0.5)])
        reach = corners @ to_photo[:, :2].T + to_photo[:, 2]
        height, width = photo.shape[:2]
        self.x0, self.y0 = np.clip(np.floor(reach.min(0)).astype(int), 0, (width, height))
        x1, y1 = np.clip(np.ceil(reach.max(0)).astype(int) + 1, 0, (width, height))
        self.box = (int(x1 - self.x0), int(y1 - self.y0))
        self.to_box = to_photo - np.array([[0, 0, self.x0], [0, 0, self.y0]])
        edge = np.minimum(np.arange(size) + 0.5, size - 0.5 - np.arange(size)) / size
        across = np.clip(edge / FEATHER, 0, 1)
        ramp = (across * across * (3 - 2 * across)).astype(np.float32)
        mask = cv2.warpAffine(np.outer(ramp, ramp), self.to_box, self.box, flags=cv2.INTER_LINEAR)
        self.mask = mask[..., None]

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """A frame (size,size,3) uint8 → the photograph (H,W,3) uint8 with it, a new array."""
        if len(frame) != self.side:
            frame = cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA)
        moved = cv2.warpAffine(frame, self.to_box, self.box, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        result = self.photo.copy()
        width, height = self.box
        part = result[self.y0 : self.y0 + height, self.x0 : self.x0 + width]
        part[:] = np.rint(part + self.mask * (moved.astype(np.float32) - part)).astype(np.uint8)
        return result
