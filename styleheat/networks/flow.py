"""Flow fields and warping by them.

A flow (B,2,h,w) gives, for each pixel of the result, how many pixels right (0) and down (1) to look in the source. A
deformation (B,h,w,2) is the same as absolute positions, x then y, where the centres of the first and last pixel are
at -1 and 1. A displacement (B,2,h,w) is a flow in shares of the image's width, for images of any size: its cells tile
the image, whose edges are theirs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from styleheat.networks.layers import resize
from styleheat.networks.precision import float32


@float32
def deformation(flow: Tensor) -> Tensor:
    """Flow (B,2,h,w) in pixels of its own grid -> sampling positions (B,h,w,2)."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, dtype=flow.dtype, device=flow.device),
        torch.linspace(-1, 1, width, dtype=flow.dtype, device=flow.device),
        indexing="ij",
    )
    step = flow.new_tensor([2 / (width - 1), 2 / (height - 1)])
    return torch.stack([x, y], dim=-1) + flow.permute(0, 2, 3, 1) * step


@float32
def warp(source: Tensor, positions: Tensor, released: bool = False) -> Tensor:
    """Sample `source` (B,C,H,W) bilinearly at `positions` (B,h,w,2), which are first resized to H x W.

    A zero flow is the identity, and positions outside repeat the border. With `released`, as the released networks
    were trained: positions are read as if -1 and 1 were the outer edges of the border pixels (so that a zero flow
    enlarges the image by half a pixel at each side), and outside is black.
    """
    corners = not released
    if positions.shape[1:3] != source.shape[2:]:
        resized = F.interpolate(positions.permute(0, 3, 1, 2), source.shape[2:], mode="bilinear", align_corners=corners)
        positions = resized.permute(0, 2, 3, 1)
    padding = "zeros" if released else "border"
    return F.grid_sample(source, positions, mode="bilinear", padding_mode=padding, align_corners=corners)


@float32
def displaced(source: Tensor, displacement: Tensor, around: int = 0) -> Tensor:
    """Sample `source` (B,C,H,H) where a displacement (B,2,h,h) says, bicubically, for the detail of photographs: a
    bilinear sample between two pixels is their mean. Places outside repeat the border.

    around: pixels that `source` has more, on each side, than the result and what the displacement is for.
    """
    side = source.shape[-1]
    size = side - 2 * around
    displacement = resize(displacement, size)
    at = (torch.arange(size, dtype=displacement.dtype, device=displacement.device) + 0.5) * (2 / size) - 1
    identity = torch.stack([at.expand(size, size), at[:, None].expand(size, size)])
    positions = ((identity + 2 * displacement) * (size / side)).permute(0, 2, 3, 1)
    return F.grid_sample(source, positions, mode="bicubic", padding_mode="border", align_corners=False)


@float32
def smoothed(flow: Tensor) -> Tensor:
    """Flow (B,2,h,w) under a binomial filter of five taps, whose deviation is one pixel; borders are repeated."""
    taps = flow.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = torch.outer(taps, taps).expand(2, 1, 5, 5)
    return F.conv2d(F.pad(flow, (2, 2, 2, 2), mode="replicate"), kernel, groups=2)


@float32
def origins(positions: Tensor, points: Tensor, size: int, released: bool = False) -> Tensor:
    """Where a map of the size of `positions` (B,h,h,2) that `warp` moves, and that paints images `size` pixels wide,
    has what these show at some points afterwards: (B,N,2) pixels (x, y) -> pixels. Differentiable in `positions`."""
    side, ratio = positions.shape[1], size / positions.shape[1]
    scale, shift = (side / 2, 0.5) if released else ((side - 1) / 2, 0.0)
    at = ((points + 0.5) / ratio - 0.5 + shift) / scale - 1
    field = positions.permute(0, 3, 1, 2)
    found = F.grid_sample(field, at[:, None], padding_mode="border", align_corners=not released)  # (B,2,1,N)
    return ((found[:, :, 0].transpose(1, 2) + 1) * scale - shift + 0.5) * ratio - 0.5
