"""A background that stands still: frames of a portrait whose surroundings are those of its own image.

The motion of a head is continued smoothly beyond it, and so moves what is behind it too. Where the image shows a person
is known (`face.person`): the person is moved, with a margin that fades, and laid over the image without them, which is
filled in from around them.
"""

import itertools
import math

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from styleheat.face.person import person
from styleheat.morphable.points import BROW_LEFT, BROW_RIGHT, JAW

CERTAIN = 0.3
"""What is a person, at least. What moves with the person without being of them does less harm than hair that stays."""

MARGIN, FADE = 0.015, 0.03
"""Around the person, in shares of the image's width: what moves with them, so that no hair is left behind, and over how
much further that fades. In a frame like the image, both sides are the image's own there."""

ON_HEAD = 0.9
"""Share of the head's points that are of a person, at least: else what was found is not the person in the portrait, or
not all of them."""

FOREHEAD = 0.35
"""How far above the brows a head goes on at least, in heights of the face from chin to brows."""

CHIN = JAW[8]

BEHIND = 0.98
"""Share of the image that is of a person, at most, where there is any background."""

BEYOND = 0.05
"""How far a person who is cut off by the photograph's border goes on beyond it at most, in shares of the image's width,
narrowing at 45° from both sides. What is filled in there is the mirrored person: more of it looks like another head."""

BLURS, BLUR_GROWTH = (0.006, 0.015, 0.03, 0.06), 0.4
"""Standard deviations, in shares of the width, of the blurs of what is filled in, and how much the deviation grows with
the distance from the hole's edge: what is far from it is least like what is there."""

BLUR_SIZE = 256
"""Pixels a side at most of an image that is blurred by more than the first of them, to save time."""


class StillBackground:
    """Lays the moved person of one portrait over its background."""

    def __init__(
        self, image: np.ndarray, found: np.ndarray, around: int = 0, made_up: np.ndarray | None = None
    ) -> None:
        """image: (W,W,3) uint8, the portrait's with `around` pixels more on each side. found: (g,g), what of it is of
        the person, 0 to 1. made_up: (W,W) bool, what of it is not of the photograph, and so no background; None:
        nothing."""
        size = len(image)
        mask = cv2.resize(found, (size, size), interpolation=cv2.INTER_LINEAR) > CERTAIN
        away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        away = away / (size - 2 * around)
        ramp = np.clip((away - MARGIN) / FADE, 0, 1)
        self._moving = (1 - ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
        self._background = filled(image, away <= MARGIN if made_up is None else (away <= MARGIN) | made_up)
        self._cells = np.arange(size, dtype=np.float32)

    def __call__(self, frame: np.ndarray, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A frame (S,S,3) uint8, of the portrait's own square or of all of the image, and the displacement (2,g,g) it
        was made with, in shares of the frame's width → the frame (S,S,3), and how much of it is not the image (S,S), 0
        to 1: the person, and what was behind them."""
        size = len(frame)
        first = (len(self._cells) - size) // 2
        here = slice(first, first + size)
        x, y = (
            cv2.resize(part * np.float32(size), (size, size), interpolation=cv2.INTER_LINEAR) for part in displacement
        )
        x += self._cells[here]
        y += self._cells[here, None]
        weight = cv2.remap(self._moving, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shown = cv2.blendLinear(frame, self._background[here, here], weight, 1 - weight)
        return shown, np.maximum(weight, self._moving[here, here])


def still_background(
    image: np.ndarray, landmarks: np.ndarray, wider: np.ndarray, made_up: np.ndarray
) -> StillBackground | None:
    """For a portrait's image (S,S,3) uint8 with landmarks (68,2) in shares of its width; None where there is no
    background, or it can't be distinguished from the person.

    wider: (W,W,3) uint8, the image amid its surroundings. made_up: (W,W) bool, which of these are not of the
    photograph.
    """
    found = person(image)
    if found is None or (found > CERTAIN).mean() > BEHIND:
        return None
    brows = landmarks[[*BROW_LEFT, *BROW_RIGHT]]
    head = np.concatenate([landmarks, brows + FOREHEAD * (brows.mean(0) - landmarks[CHIN])])
    on_image = head[((head >= 0) & (head < 1)).all(1)]
    column, row = (on_image * len(found)).astype(int).T
    if not (found[row, column] > CERTAIN).mean() >= ON_HEAD:
        return None
    around = (len(wider) - len(image)) // 2
    return StillBackground(wider, _amid(found, wider, made_up, around), around, made_up)


def _amid(found: np.ndarray, wider: np.ndarray, made_up: np.ndarray, around: int) -> np.ndarray:
    """What of a wider image (W,W,3) is of a person (W,W): in the square amid it also what was found there (g,g), which
    is finer; of what is made up, a little that goes on from a person."""
    everywhere = person(wider) if around else found
    assert everywhere is not None, "the network that found the first"
    size = len(wider)
    everywhere = cv2.resize(everywhere, (size, size), interpolation=cv2.INTER_LINEAR)
    inner = everywhere[around : size - around, around : size - around]
    inner[:] = np.maximum(inner, cv2.resize(found, inner.shape, interpolation=cv2.INTER_LINEAR))
    somebody = everywhere > CERTAIN
    from_person, from_background = (
        cv2.distanceTransform((~part | made_up).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (somebody, ~somebody)
    )
    near = (from_person <= BEYOND * len(inner)) & (from_background > math.sqrt(2) * from_person)
    everywhere[made_up] = near[made_up]
    return everywhere


def filled(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """An image (H,W,3) uint8 with a hole (H,W) bool, in which each pixel takes what is as far beyond the hole's nearest
    edge as it is within it, or else what is at that edge; blurred the more, the further from the edge it is, as that is
    not what is there."""
    distance, nearest = distance_transform_edt(hole, return_indices=True)
    inside = np.indices(hole.shape)
    beyond = 2 * nearest - inside
    limit = np.array(hole.shape)[:, None, None] - 1
    there = ((beyond >= 0) & (beyond <= limit)).all(0)
    beyond = np.clip(beyond, 0, limit)
    row, column = np.where(there & ~hole[tuple(beyond)], beyond, nearest)
    mirrored, (height, width) = image[row, column], hole.shape
    result = cv2.GaussianBlur(mirrored, (0, 0), BLURS[0] * width).astype(np.float32)
    scale = min(1.0, BLUR_SIZE / width)
    small = cv2.resize(mirrored, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    wanted = (BLURS[0] + BLUR_GROWTH / width * distance[..., None]).astype(np.float32)
    for less, more in itertools.pairwise(BLURS):
        blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), more * width * scale), (width, height))
        result += (blurred - result) * np.clip((wanted - less) / (more - less), 0, 1)
    return np.where(hole[..., None], np.rint(result).astype(np.uint8), image)
