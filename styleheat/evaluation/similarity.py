"""Structural similarity of frames, in one scale and in five.

Equal to torchmetrics', whose convolutions with a window of 11×11 pixels take six times as long on a CPU as OpenCV's
with rows and columns of 11.
"""

import cv2
import numpy as np

WINDOW, SIGMA = 11, 1.5
"""Pixels of the Gaussian window a side, and its standard deviation (Wang et al. 2004)."""

C1, C2 = 0.01**2, 0.03**2
"""Constants that keep the ratios finite, for values in [0,1]."""

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, from full size to a sixteenth (Wang et al. 2003)."""

MS_SSIM_SIDE = 161
"""Pixels a side from which all five scales are larger than the window."""

MIDDLE = 0.5
"""Subtracted from all values, which are in [0,1], so that float32 has the digits for their variance."""


def similarities(generated: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps of the structural similarity (T,H,W) float32, at each pixel the mean of the colours' own, −1 … 1 where
    equal; and the multi-scale structural similarity (T,), NaN for frames with fewer than MS_SSIM_SIDE pixels a side,
    which have no fifth scale.

    generated, target: (T,H,W,3) uint8.
    """
    assert generated.shape == target.shape, f"clips of different shapes: {generated.shape} and {target.shape}"
    maps = np.empty(target.shape[:3], np.float32)
    scores = np.full(len(target), np.nan)
    for row, (ours, theirs) in enumerate(zip(generated, target, strict=True)):
        frames = _values(ours), _values(theirs)
        similarity, contrast = _maps(*frames)
        maps[row] = similarity.mean(2)
        if min(target.shape[1:3]) >= MS_SSIM_SIDE:
            scores[row] = _multi_scale(contrast, *frames)
    return maps, scores


def ssim(maps: np.ndarray, boxes: np.ndarray | None = None) -> np.ndarray:
    """Structural similarity of each frame (T,) from the maps of `similarities`, within boxes (T,4) if given."""
    if boxes is None:
        return maps.mean((1, 2))
    parts = [part[y0:y1, x0:x1] for part, (x0, y0, x1, y1) in zip(maps, boxes, strict=True)]
    return np.array([part.mean() if part.size else np.nan for part in parts])


def _multi_scale(contrast: np.ndarray, generated: np.ndarray, target: np.ndarray) -> float:
    """Of two frames (H,W,3) float32 and what `_maps` gives of them. Negative means count as 0."""
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    found = _positive_mean(contrast[inner, inner]) ** WEIGHTS[0]
    for weight in WEIGHTS[1:]:
        generated, target = _halved(generated), _halved(target)
        similarity, contrast = _maps(generated, target)
        found *= _positive_mean(similarity if weight is WEIGHTS[-1] else contrast[inner, inner]) ** weight
    return found


def _maps(generated: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Structural similarity, and its part of contrast and structure, of frames (H,W,3) float32 at each value."""
    ours, theirs = _local(generated), _local(target)
    spread = _local(generated**2 + target**2) - ours**2 - theirs**2
    contrast = (2 * (_local(generated * target) - ours * theirs) + C2) / (spread + C2)
    ours, theirs = ours + MIDDLE, theirs + MIDDLE
    return (2 * ours * theirs + C1) / (ours**2 + theirs**2 + C1) * contrast, contrast


def _local(values: np.ndarray) -> np.ndarray:
    """Means (H,W,3) in the window around each value."""
    return cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT_101)


def _values(frame: np.ndarray) -> np.ndarray:
    return frame.astype(np.float32) / 255 - MIDDLE


def _halved(values: np.ndarray) -> np.ndarray:
    """Means of 2×2 values; an odd last row or column is left out."""
    height, width = (length // 2 for length in values.shape[:2])
    return cv2.resize(values[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)


def _positive_mean(values: np.ndarray) -> float:
    return max(float(values.mean(dtype=np.float64)), 0.0)
