"""Where on the face the loss looks closely: boxes around eyes, nose and mouth, the soft mask, the local L1.

Source: the reference's StyleHEAT trainer (`get_landmark_bbox`, `compute_local_loss`, soft mask); its margins are pixels
of a 512-pixel image and are scaled to the image at hand.
"""

import torch
from torch import Tensor

from styleheat.networks import flow as flows
from styleheat.networks.precision import float32
from styleheat.networks.warper import Warp

REFERENCE_SIZE = 512
PARTS = {"mouth": (slice(48, 68), 8, 120), "eye_a": (slice(36, 42), 15, 80), "eye_b": (slice(42, 48), 15, 80)}
"""Landmarks of a part, margin around them, and side of the square the part is resampled to for the local loss."""
NOSE = (slice(27, 36), 15)
FACE = (slice(0, 68), 15, 256)


def boxes(landmarks: Tensor, points: slice, margin: float, size: int) -> Tensor:
    """Boxes [xmin, ymin, xmax, ymax] of integer pixels around `points` of landmarks (B, 68, 2) in an image of `size`.

    Coordinates are truncated to integer pixels before the margin is added, as the reference does.
    """
    margin = round(margin * size / REFERENCE_SIZE)
    part = landmarks[:, points]
    return torch.cat([part.amin(1).trunc() - margin, part.amax(1).trunc() + margin], 1)  # (B, 4)


def part_boxes(landmarks: Tensor, size: int) -> dict[str, Tensor]:
    """Boxes (B, 4) of mouth, both eyes and nose."""
    named = {name: boxes(landmarks, points, margin, size) for name, (points, margin, _) in PARTS.items()}
    return named | {"nose": boxes(landmarks, *NOSE, size)}


@float32
def soft_mask(landmarks: Tensor, size: int, floor: float) -> Tensor:
    """(B, 1, size, size): 1 in the boxes of mouth, eyes and nose, `floor` elsewhere.

    Boxes are clipped at the border. The reference slices with their coordinates, so that a box across the left or upper
    border is left out, or counts from the far side.
    """
    at = torch.arange(size, device=landmarks.device)
    inside = torch.zeros(len(landmarks), size, size, dtype=torch.bool, device=landmarks.device)
    for box in part_boxes(landmarks, size).values():
        x0, y0, x1, y1 = (edge[:, None] for edge in box.unbind(1))
        columns, rows = (at >= x0) & (at < x1), (at >= y0) & (at < y1)  # (B, size)
        inside |= rows[:, :, None] & columns[:, None, :]
    return torch.where(inside, 1.0, floor)[:, None]


def part_image(image: Tensor, landmarks: Tensor, part: tuple[slice, int, int]) -> Tensor:
    """A part of image (B, 3, H, H), `PARTS` or `FACE`, resampled to a square (its side at H = 512)."""
    from torchvision.ops import roi_align  # takes seconds to import

    size = image.shape[-1]
    points, margin, side = part
    box = boxes(landmarks, points, margin, size)
    regions = torch.cat([torch.arange(len(box), device=box.device, dtype=box.dtype)[:, None], box], 1)
    return roi_align(image, regions, max(8, round(side * size / REFERENCE_SIZE)))


@float32
def local_losses(image: Tensor, target: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
    """Mean absolute difference in mouth and eyes; landmarks (B, 68, 2): pixels of the target."""
    return {
        name: (part_image(image, landmarks, part) - part_image(target, landmarks, part)).abs().mean()
        for name, part in PARTS.items()
    }


@float32
def landmark_loss(warp: Warp, source: Tensor, target: Tensor, size: int, released: bool) -> Tensor:
    """How far the flow misses the landmarks of source and target (B, 68, 2), pixels of images `size` wide: the mean
    absolute difference as a share of `size`.

    The jaw is left out: its points slide along the outline as the head turns, and are not the same point of the face.
    """
    points = slice(17, 68)
    return (flows.origins(warp.positions, target[:, points], size, released) - source[:, points]).abs().mean() / size
