"""Batches of images and windows: images as one picture to look at, how close they are, whose windows they have."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from styleheat.networks.layers import resize


def to_uint8(images: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] (values beyond are clipped) -> uint8 (B, H, W, 3)."""
    scaled = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def grid(*rows: Tensor) -> np.ndarray:
    """Rows of images (B, 3, H, W) in [-1, 1], each row a batch, as one uint8 picture (rows·H, B·W, 3)."""
    return np.concatenate([np.concatenate(list(to_uint8(row)), axis=1) for row in rows], axis=0)


def in_parts(call: Callable[..., Tensor], *batches: Tensor, size: int) -> Tensor:
    """What `call` makes of whole batches, made of `size` items at a time: judging needs no more memory than a step."""
    return torch.cat([call(*parts) for parts in zip(*(batch.split(size) for batch in batches), strict=True)])


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over a whole batch (B, 3, H, H) in [-1, 1]; targets take the images' size."""
    target = resize(target, image.shape[-1])
    return round(float(peak_signal_noise_ratio(image.clamp(-1, 1), target, data_range=2.0)), 4)


def middle(window: Tensor) -> Tensor:
    """Windows (B, 73, 27) -> the descriptors (B, 73) of the frames that they are around."""
    return window[..., window.shape[-1] // 2]
