"""What networks paint, made more like the portrait before it is composed with it.

Networks see a small part of all faces: what they paint has their colours and their skin. The colours are corrected by
the portrait, `harmonised`. And the side of a face that is turned away in the portrait comes into view when the head
turns back; faces are nearly symmetric (Hassner et al. 2015, "Effective face frontalization in unconstrained images"),
so that the skin of the other side is taken for it, or else smooth skin.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from styleheat.inference.portrait import to_tensor
from styleheat.morphable.geometry import GRID, Geometry, View
from styleheat.networks import flow as flows
from styleheat.networks.layers import resize

DARKER, UNLIKE = 0.45, 18.0
"""What reaches in from the face's outline and is not its skin: in CIELAB lighter by less than this share of the face's
median, or further from its colour in a and b."""

EDGE, FADE = 3, 6
"""Cells beside what is not skin that are not used, and over which what is used fades in."""

SOON = 2.0
"""How much sooner the other side's skin takes the place of smooth skin than that of what is painted."""

DARK, COVERS = 0.3, 3.0
"""Share of the brightness of smooth skin below which what is painted is something else, such as the hair beside a jaw
that comes into view; and how much sooner smooth skin takes the place of that."""

LEAST = 0.01
"""What the portrait hides less of is not replaced."""

COARSE = 64
"""Pixels across, of which colours are compared and smooth skin is interpolated."""

CELLS = 32
"""Across an image, between which `interpolated` is smooth."""

DIFFERENT = 0.25
"""Difference of colours on [-1,1] from which on they are hardly of the same thing."""

SCARCE = 0.05
"""Share of a cell below which what is known there counts less than what its surroundings have."""


class Retouch:
    """Retouches what is painted of one portrait."""

    def __init__(self, image: np.ndarray, geometry: Geometry | None, size: int, device: torch.device) -> None:
        """image: (S,S,3) uint8, the portrait. size: pixels of what is painted."""
        self._geometry = geometry
        self._photo = to_tensor(_reduced(image, size)).to(device)
        if geometry is not None:
            self._colours = _reduced(image, size).astype(np.float32) / 127.5 - 1
            self._coarse = to_tensor(_reduced(image, COARSE))
            self._skin = skin(_reduced(image, GRID), geometry.covered)

    @torch.inference_mode()
    def __call__(self, painted: Tensor, displacement: Tensor, views: list[View]) -> None:
        """Colours and mask (B,4,h,h) as `Engine.paint` gives them, of which the colours are changed in place, the
        displacement (B,2,g,g), and the views they are of; none without geometry."""
        photo = self._photo.expand(len(painted), -1, -1, -1)
        painted[:, :3] = harmonised(painted[:, :3], photo, displacement, painted[:, 3:])
        for index, view in enumerate(views):
            self._other_side(painted[index], displacement[index], view)

    def _other_side(self, painted: Tensor, displacement: Tensor, view: View) -> None:
        """Replace skin that the portrait hides; the same arguments, of one frame: (4,h,h), (2,g,g)."""
        assert self._geometry is not None
        field = self._geometry.other_side(view)
        if field is None or field[3].max() < LEAST:
            return
        shares = np.stack([field[2] * self._of_skin(field[:2]), field[3]], axis=-1)
        smooth, light = self._coarsely(painted[3].cpu().numpy(), displacement.cpu().numpy(), field[:2], shares)
        size = painted.shape[-1]
        shares = cv2.resize(shares, (size, size), interpolation=cv2.INTER_LINEAR)
        rows, columns = (np.flatnonzero((shares[..., 1] >= LEAST).any(axis)) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        share, hidden = shares[box][..., :1], shares[box][..., 1:]
        mirrored = _moved(self._colours, _resized(field[:2], size), box) + _resized(light, size)[box]
        colours, plain = painted[:3].permute(1, 2, 0)[box].cpu().numpy(), _resized(smooth, size)[box]
        dark = np.clip(2 - _brightness(colours) / (DARK * _brightness(plain)), 0, 1)
        colours = colours + np.minimum(hidden * (1 + (COVERS - 1) * dark), 1) * (plain - colours)
        colours += share * np.minimum(SOON * hidden, 1) * (mirrored - colours)
        painted[(slice(3), *box)] = torch.from_numpy(colours).permute(2, 0, 1).to(painted)

    def _coarsely(
        self, mask: np.ndarray, displacement: np.ndarray, other: np.ndarray, shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Smooth skin, and what the other side's skin has to be lightened by: (COARSE,COARSE,3) each.

        mask (h,h), how much of the portrait shows through; displacement (2,g,g), of the portrait; other (2,GRID,GRID),
        of the other side; shares (GRID,GRID,2), how well that shows the skin, and how far the portrait hides it.
        """
        here = self._of_skin(_resized(displacement, GRID)) * (1 - shares[..., 1])
        weights = [_reduced(one, COARSE) for one in (here, mask, shares[..., 0])]
        here, share = (torch.from_numpy(one)[None, None] for one in (weights[0] * weights[1], weights[2]))
        ways = (torch.from_numpy(_resized(way, COARSE))[None] for way in (displacement, other))
        moved, mirrored = (flows.displaced(self._coarse, way) for way in ways)
        corrected = harmonised(mirrored, self._coarse, torch.from_numpy(displacement)[None], here * share)
        known = torch.cat([corrected * share + moved * here, share + here], dim=1)
        smooth, light = interpolated(known), corrected - mirrored
        return smooth[0].permute(1, 2, 0).numpy(), light[0].permute(1, 2, 0).numpy()

    def _of_skin(self, displacement: np.ndarray) -> np.ndarray:
        """How far what a displacement (2,GRID,GRID) brings is skin (GRID,GRID) float32."""
        return _moved(self._skin, displacement, (slice(GRID), slice(GRID)))


def _moved(image: np.ndarray, displacement: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """What a displacement (2,h,h) makes of an image (h,h,…), within a box of rows and columns."""
    size = displacement.shape[-1]
    y, x = np.mgrid[box].astype(np.float32)
    way = displacement[(slice(2), *box)] * np.float32(size)
    return np.asarray(cv2.remap(image, x + way[0], y + way[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def harmonised(painted: Tensor, image: Tensor, displacement: Tensor, mask: Tensor) -> Tensor:
    """What is painted (B,3,H,H), in the portrait's own colours.

    image: portraits (B,3,H,H), which the displacement (B,2,h,h) moves. mask: (B,1,H,H), how much of it shows through.
    Where both images show a part of the portrait, their difference is known; smoothly continued into what is painted
    alone, it is added there. Where they differ much, they don't show the same, and it does not count.
    """
    halves = [F.avg_pool2d(one, 2) for one in (image, painted.clamp(-1, 1), mask)]
    difference = flows.displaced(halves[0], displacement) - halves[1]
    known = halves[2] * torch.exp(-(difference.abs().amax(1, keepdim=True) / DIFFERENT).square())
    weighted = torch.cat([difference * known, known], dim=1)
    return painted + resize(interpolated(weighted), painted.shape[-1])


def interpolated(weighted: Tensor) -> Tensor:
    """Values (B,C,H,H) multiplied by weights, and as the last channel these weights → (B,C,H,H), smooth values
    everywhere: the pull-push interpolation of scattered data (Gortler et al. 1996, "The Lumigraph"), of cells of which
    there are `CELLS` across."""
    size = weighted.shape[-1]
    return resize(_pushed(F.avg_pool2d(weighted, max(1, size // CELLS))), size)


def _pushed(sums: Tensor) -> Tensor:
    """`interpolated` on the cells: weighted sums (B,C+1,n,n) → values (B,C,n,n)."""
    blurred = F.avg_pool2d(F.pad(sums, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    values, weight = blurred[:, :-1] / (blurred[:, -1:] + 1e-6), blurred[:, -1:]
    size = sums.shape[-1]
    if size < 4:
        return values
    coarse = resize(_pushed(F.avg_pool2d(sums, 2)), size)
    return torch.lerp(coarse, values, weight / (weight + SCARCE))


def skin(image: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """How far an image (g,g,3) uint8 shows skin where the face is, (g,g) bool: (g,g) float32, 0 to 1. Hair and
    background that reach in from the face's outline are none."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light, a, b = np.moveaxis(lab, -1, 0)
    usual = np.median(lab[covered], axis=0) if covered.any() else np.zeros(3)
    unlike = (light < DARKER * usual[0]) | (np.hypot(a - usual[1], b - usual[2]) > UNLIKE)
    _, part = cv2.connectedComponents((unlike | ~covered).astype(np.uint8))
    reached = np.isin(part, np.unique(part[~covered]))
    away = cv2.distanceTransform((~reached).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.clip((away - EDGE) / FADE, 0, 1).astype(np.float32)


def _brightness(colours: np.ndarray) -> np.ndarray:
    """Colours (…,3), black being -1, → (…,1) from 0 to 1, but a step of an image above 0 for black."""
    return np.asarray(np.maximum(colours.mean(-1, keepdims=True) + 1, 0) / 2 + 1 / 255)


def _reduced(image: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def _resized(field: np.ndarray, size: int) -> np.ndarray:
    """Bilinear; fields (2,g,g) and images (h,h,3)."""
    if field.shape[0] == 2:
        return np.stack([cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR) for part in field])
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR))
