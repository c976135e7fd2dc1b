"""Finishes frames: the portrait's detail, its eyes, a head that moves freely, and the background that stands still.

The networks are trained with motion that ends at the border of the portrait's square. Where the background stands still
(`inference.background`), it need not: above the chin the border follows the skull (`Geometry.freed`), and what comes
into the square is read from the photograph around it. Back in the photograph, frames are of the wider square, or a head
would be cut off where it leaves the portrait's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from styleheat.face.align import on_image, rescaled, surrounded, widened
from styleheat.face.paste import soft_edge
from styleheat.inference.background import StillBackground, still_background
from styleheat.inference.detail import DetailComposer
from styleheat.inference.engine import composed
from styleheat.inference.portrait import Portrait, to_tensor
from styleheat.inference.teeth import Teeth
from styleheat.morphable.coefficients import FRAME_SIZE
from styleheat.morphable.geometry import View
from styleheat.networks.layers import resize

AROUND = 0.25
"""Share of the square's side that the photograph is read beyond it, on each side. Heads move by less."""


@dataclass(frozen=True)
class Source:
    """What frames take from a portrait.

    photo: (W,W,3) uint8, its square with `around` pixels more of its photograph on each side; 0 where no background
    stands still. opaque: (W,W) uint8, how opaque that is.
    """

    photo: np.ndarray
    opaque: np.ndarray
    around: int
    background: StillBackground | None

    @property
    def size(self) -> int:
        """Pixels a side of the square."""
        return len(self.photo) - 2 * self.around


def read_source(portrait: Portrait, size: int | None) -> Source:
    """Of a portrait for frames of `size` pixels; None: of the portrait's own."""
    image = portrait.image
    if size is not None and size != len(image):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if size < len(image) else cv2.INTER_LINEAR)
    side, around = len(image), round(AROUND * len(image))
    to_photo = rescaled(portrait.to_photo, side / len(portrait.image))
    photo = surrounded(image, portrait.photo, to_photo, around)
    wider = widened(to_photo, around)
    made_up = ~on_image(wider, len(photo), portrait.photo)
    made_up[around : around + side, around : around + side] = False
    background = still_background(image, portrait.landmarks / FRAME_SIZE, photo, made_up)
    if background is None:
        return Source(image, _opaque(portrait, to_photo, side), 0, None)
    return Source(photo, _opaque(portrait, wider, len(photo)), around, background)


def _opaque(portrait: Portrait, to_photo: np.ndarray, side: int) -> np.ndarray:
    """How opaque a square of the portrait's photograph is, (side,side) uint8."""
    if portrait.opaque is None:
        return np.full((side, side), 255, np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(portrait.opaque, to_photo, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def plain(painted: Tensor, size: int | None = None) -> list[np.ndarray]:
    """What `Engine.paint` made (B,3,h,h) → frames (S,S,3) uint8, S being h if no size is given."""
    painted = painted if size is None else resize(painted, size)
    pixels = painted.add_(1).mul_(127.5).round_().clamp_(0, 255).byte().permute(0, 2, 3, 1)
    return list(np.ascontiguousarray(pixels.cpu().numpy()))


class Finisher:
    """Finishes the frames of one portrait."""

    def __init__(
        self,
        source: Source,
        device: torch.device,
        threads: int,
        wide: bool = False,
        transparent: bool = False,
        teeth: Teeth | None = None,
    ) -> None:
        """threads: of a worker, on CPUs. teeth: what draws them where the portrait shows none. wide: show all of the
        source, not the square alone; a further channel is what of it is not the photograph. transparent: the last
        channel is how opaque the portrait is, moved as its detail is."""
        self._background, self._teeth = source.background, teeth
        self._wider = _Wider(source, device) if wide and source.around else None
        around = 0 if wide else source.around
        self._detail = _detail(source.photo, around, device, threads)
        self._beyond = source.around if wide else 0
        self._cover = None
        if transparent:
            opaque = np.repeat(source.opaque[..., None], 3, axis=2).astype(np.float32) / 127.5 - 1
            self._cover = DetailComposer(opaque, threads, around)

    def __call__(
        self,
        painted: Tensor,
        displacement: Tensor,
        free: tuple[Tensor, Tensor] | None = None,
        views: list[View] | None = None,
    ) -> list[np.ndarray]:
        """What `Engine.paint` made of some frames, (B,4,h,h) and (B,2,g,g), and what `Geometry.freed` gives for them,
        (B,3,g,g) and (B,4,g,g); the views they are of, for teeth → B frames (S,S,C) uint8, C 3 to 5."""
        if free is not None:
            held, changes = free
            painted = with_eyes(painted, changes[:, 3:])
            if self._background is not None:
                displacement = torch.lerp(displacement, held[:, :2], changes[:, 2:3]) + changes[:, :2]
        if self._wider is not None:
            painted, displacement = self._wider(painted, displacement)
        frames = self._detail(painted, displacement)
        if self._teeth is not None and views is not None:
            frames = [self._teeth(frame, view, self._beyond) for frame, view in zip(frames, views, strict=True)]
        if self._background is None and self._cover is None:
            return frames
        return [self._layered(*pair) for pair in zip(frames, displacement.cpu().numpy(), strict=True)]

    def _layered(self, frame: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """A frame (S,S,3) with its detail → that over its background, with its further channels."""
        further = []
        if self._background is not None:
            frame, changed = self._background(frame, displacement)
            if self._wider is not None:
                further.append(cv2.convertScaleAbs(changed, alpha=255))
        if self._cover is not None:
            all_of_it = np.ones((2, 2, 4), np.float32)  # a mask that lets the portrait through everywhere
            further.append(self._cover(all_of_it, displacement)[..., 0])
        return cv2.merge([*cv2.split(frame), *further]) if further else frame


def with_eyes(painted: Tensor, shown: Tensor) -> Tensor:
    """What is painted, colours and mask (B,4,h,h), with the portrait's own eyes and lids, which networks paint softly
    as soon as they close. shown: (B,1,g,g), how surely the portrait shows them."""
    mask = torch.maximum(painted[:, 3:], resize(shown, painted.shape[-1]))
    return torch.cat([painted[:, :3], mask], dim=1)


Detail = Callable[[Tensor, Tensor], list[np.ndarray]]
"""What is painted (B,4,h,h), and the displacement (B,2,g,g) → frames (S,S,3) uint8."""


class _Wider:
    """Continues what is painted, and its displacement, around the square.

    What is painted ends softly at the square's edge, and around it the photograph is seen. The displacement goes on as
    it is at the edge, and ends at the edge of the wider square.
    """

    def __init__(self, source: Source, device: torch.device) -> None:
        self._size, self._around = source.size, source.around
        side = len(source.photo)
        away = np.maximum(np.abs(np.arange(side) - (side - 1) / 2) - (self._size - 1) / 2, 0) / self._around
        moves = np.maximum(1 - np.maximum(away, away[:, None]) ** 2, 0) * self._size / side
        self._moves = torch.from_numpy(moves.astype(np.float32)).to(device)

    def __call__(self, painted: Tensor, displacement: Tensor) -> tuple[Tensor, Tensor]:
        sides = (self._around,) * 4
        edge = torch.from_numpy(soft_edge(painted.shape[-1])).to(painted.device)
        painted[:, 3] = 1 - edge * (1 - painted[:, 3])
        painted = F.pad(resize(painted, self._size), sides, value=1.0)  # the mask; what it hides may be anything
        return painted, F.pad(resize(displacement, self._size), sides, mode="replicate").mul_(self._moves)


def _detail(photo: np.ndarray, around: int, device: torch.device, threads: int) -> Detail:
    """How frames get the detail of a photo (W,W,3) uint8."""
    tensor = to_tensor(photo)
    if device.type != "cpu":
        tensor = tensor.to(device)
        return lambda painted, displacement: plain(composed(painted, displacement, tensor, around))
    composer = DetailComposer(tensor[0].permute(1, 2, 0).contiguous().numpy(), threads, around)

    def compose(painted: Tensor, displacement: Tensor) -> list[np.ndarray]:
        pixels = np.ascontiguousarray(painted.permute(0, 2, 3, 1).numpy())
        return [composer(*pair) for pair in zip(pixels, displacement.numpy(), strict=True)]

    return compose
