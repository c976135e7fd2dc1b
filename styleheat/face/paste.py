"""Pastes the frames of an aligned square back into the photograph that it was cut from."""

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from styleheat.face.align import on_image, outline, rescaled

FEATHER = 0.08
"""Width of the soft edge of what is pasted, as a share of the square's side."""

FINEST = 0.5
"""Pixels of the photograph for one of the frame, at least: a finer frame is averaged down, or it would flicker."""

REACH = 4
"""How many pixels from the photograph's border a pixel of a frame (or of one that was averaged down) may lie and still
be read by bicubic interpolation on the photograph: two along each axis, and one for the pixels' own size."""


class Paster:
    """Pastes frames of one aligned square at its place in the photograph.

    Outside the square the photograph stays as it is, to the bit; towards the square's edges the frame fades into it.
    Of a frame, only what lies on the photograph is used.
    """

    def __init__(self, photo: np.ndarray, to_photo: np.ndarray, size: int) -> None:
        """photo: (H,W,3) uint8. to_photo: (2,3), `Alignment.to_image` of the alignment that cut the square of side
        `size` out. Of the square at least the middle must lie on the photograph."""
        self.photo = photo
        self.size = size
        pitch = float(np.hypot(*to_photo[:, 0]))
        self.off, self.nearest = _off_photo(to_photo, size, photo)
        self.side = size if pitch >= FINEST else max(1, round(size * pitch / FINEST))
        to_photo = rescaled(to_photo, self.side / size)
        size = self.side
        reach = outline(to_photo, size)
        height, width = photo.shape[:2]
        self.x0, self.y0 = np.clip(np.floor(reach.min(0)).astype(int), 0, (width, height))
        x1, y1 = np.clip(np.ceil(reach.max(0)).astype(int) + 1, 0, (width, height))
        self.box = (int(x1 - self.x0), int(y1 - self.y0))
        self.to_box = to_photo - np.array([[0, 0, self.x0], [0, 0, self.y0]])
        self.mask = cv2.warpAffine(soft_edge(size), self.to_box, self.box, flags=cv2.INTER_LINEAR)

    def __call__(self, frame: np.ndarray, changed: np.ndarray | None = None) -> np.ndarray:
        """A frame (size,size,3) uint8 → the photograph (H,W,3) uint8 with it, a new array. changed: (size,size) uint8,
        how much of the frame is not the photograph, 0 to 255; None: all of it."""
        assert frame.shape == (self.size, self.size, 3), frame.shape
        if len(self.off[0]):
            frame = frame.copy()
            frame[self.off] = frame[self.nearest]
        if self.side != self.size:
            frame = cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA)
        moved = cv2.warpAffine(frame, self.to_box, self.box, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        result = self.photo.copy()
        width, height = self.box
        part = result[self.y0 : self.y0 + height, self.x0 : self.x0 + width]
        mask = self.mask
        if changed is not None:
            if self.side != self.size:
                changed = cv2.resize(changed, (self.side, self.side), interpolation=cv2.INTER_AREA)
            seen = cv2.warpAffine(
                changed, self.to_box, self.box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            mask = cv2.multiply(mask, seen, scale=1 / 255, dtype=cv2.CV_32F)
        part[:] = cv2.blendLinear(moved, part, mask, 1 - mask)
        return result


def soft_edge(size: int) -> np.ndarray:
    """(size,size) float32: how much of a square is seen, from 0 at its edges to 1 from FEATHER of its side on."""
    edge = np.minimum(np.arange(size) + 0.5, size - 0.5 - np.arange(size)) / size
    across = np.clip(edge / FEATHER, 0, 1)
    ramp = (across * across * (3 - 2 * across)).astype(np.float32)
    return np.outer(ramp, ramp)


def _off_photo(
    to_photo: np.ndarray, size: int, photo: np.ndarray
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """(rows, columns) of a frame's pixels that lie beyond the photograph's border, but near enough to be read when the
    frame is interpolated on the photograph; and of the pixel on the photograph that is nearest to each."""
    reach = REACH * max(1.0, FINEST / float(np.hypot(*to_photo[:, 0])))
    on = on_image(to_photo, size, photo)
    distance, nearest = distance_transform_edt(~on, return_indices=True)
    off = np.nonzero(~on & (distance <= reach))
    return off, tuple(axis[off] for axis in nearest)
