"""Batches of images and windows: images in one grid to look at, how close they are, whose windows they have."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from styleheat import files
from styleheat.networks.layers import resize

GRID_COLUMNS = 8
GRID_SIDE, GRID_BYTES = 2048, 300_000
"""Pixels of a sample grid's longer side, and bytes of its file, at most: it goes into git."""


def to_uint8(images: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] (values beyond are clipped) -> uint8 (B, H, W, 3)."""
    scaled = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def grid(*rows: Tensor) -> np.ndarray:
    """Rows of images (B, 3, H, W) in [-1, 1], each row a batch, as one uint8 image (rows·H, B·W, 3)."""
    return np.concatenate([np.concatenate(list(to_uint8(row)), axis=1) for row in rows], axis=0)


def write_samples(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 as JPEG of at most `GRID_SIDE` pixels and `GRID_BYTES` bytes, atomically."""
    scale = GRID_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for quality in range(95, 0, -10):
        done, data = cv2.imencode(".jpg", image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))
        assert done
        if len(data) <= GRID_BYTES:
            break
    with files.atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())


def gathered(parts: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Parts of a batch, images (B,3,H,W) by name, as one. Computed in parts, validation needs no more memory than a
    step."""
    found = list(parts)
    return {key: torch.cat([part[key] for part in found]) for key in found[0]}


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over a batch (B, 3, H, H) in [-1, 1]; targets take the images' size."""
    from torchmetrics.functional.image import peak_signal_noise_ratio  # takes seconds to import

    target = resize(target, image.shape[-1])
    return round(float(peak_signal_noise_ratio(image.clamp(-1, 1), target, data_range=2.0)), 4)


def ssim(image: Tensor, target: Tensor) -> float:
    """Structural similarity over a batch (B, 3, H, H) in [-1, 1]."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = structural_similarity_index_measure(image.clamp(-1, 1), target, data_range=2.0)
    assert isinstance(found, Tensor)
    return round(float(found), 4)


def middle(window: Tensor) -> Tensor:
    """Windows (B, 73, 27) -> the descriptors (B, 73) of the frames that they are around."""
    return window[..., window.shape[-1] // 2]


def sample_noise(draws: Tensor, *shape: int) -> Tensor:
    """Standard normal noise (B, *shape) of each sample's own, from its random number `draws` (B,) int64.

    The same however a batch is divided; made on the CPU.
    """
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(int(draw))) for draw in draws])
