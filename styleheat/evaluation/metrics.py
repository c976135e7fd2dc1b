"""Metrics of a generated clip: small functions from arrays to numbers.

Frames are uint8 (T,H,W,3); landmarks are (T,68,2) in pixels of those frames, x right and y down, rows of −1 where no
face was found. Metrics of images give a value for each frame (T,). All others average over frames, ignore frames
without the faces they need, and return NaN when none are left, so that one lost frame neither raises nor counts as
perfect.
"""

import numpy as np

from styleheat.face.identity import similarity
from styleheat.morphable.coefficients import has_face

OUTER_EYE_CORNERS = (36, 45)
"""iBUG 300-W indices (0-based) of the two corners whose distance is the unit of length."""

ROUNDING = 1 / 12 / 255**2
"""Mean squared error of rounding to 8 bits: smaller errors can't be measured, which caps PSNR at 58.9 dB."""

MAX_LAG = 5
"""Frames within which the best lag is sought: 0.2 s at 25 fps, past which nobody would call lips late but wrong."""


def l1(generated: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each frame (T,) of two (T,H,W,3) uint8 clips, 0 equal … 1 black against white."""
    differences = [np.abs(a.astype(np.float32) - b).mean() for a, b in zip(generated, target, strict=True)]
    return np.array(differences) / 255


def psnr(generated: np.ndarray, target: np.ndarray, boxes: np.ndarray | None = None) -> np.ndarray:
    """Peak signal-to-noise ratio in dB of each frame (T,); NaN for empty boxes.

    generated, target: (T,H,W,3) uint8. boxes: (T,4) int x0 y0 x1 y1 (end exclusive) to look at, or None for the full
    frame. The mean of decibels is the usual report in the literature and the stricter one here: it rewards a repeated
    source for each frame that happens to look like it.
    """
    assert generated.shape == target.shape, f"clips of different shapes: {generated.shape} and {target.shape}"
    frames, height, width, _ = target.shape
    full = np.broadcast_to((0, 0, width, height), (frames, 4))
    ratios = np.full(frames, np.nan)
    for row, (x0, y0, x1, y1) in enumerate(full if boxes is None else boxes):
        if x1 > x0 and y1 > y0:
            difference = generated[row, y0:y1, x0:x1].astype(np.float64) - target[row, y0:y1, x0:x1]
            ratios[row] = -10 * np.log10(max(np.mean(difference**2) / 255**2, ROUNDING))
    return ratios


def landmark_distance(generated: np.ndarray, target: np.ndarray) -> float:
    """Mean point-to-point distance of (T,68,2) landmarks in interocular distances of the target (300-W's NME)."""
    both = has_face(generated) & has_face(target)
    left, right = (target[both, corner] for corner in OUTER_EYE_CORNERS)
    scale = np.linalg.norm(left - right, axis=-1)
    return _mean(np.linalg.norm(generated[both] - target[both], axis=-1).mean(1) / scale)


def keypoint_distance(generated: np.ndarray, target: np.ndarray) -> float:
    """Mean absolute difference of the coordinates of (N,68,2) landmarks, in pixels: average keypoint distance (AKD).

    As the evaluation of the First Order Motion Model computes it (arXiv 2003.00196; pose-evaluation, `cmp.py`): x and y
    each by themselves, not the distance between points.
    """
    both = has_face(generated) & has_face(target)
    return _mean(np.abs(generated[both] - target[both]).mean(axis=(1, 2)))


def missing_rate(generated: np.ndarray, target: np.ndarray) -> float:
    """Share, 0 to 1, of the frames with landmarks (N,68,2) in the target that have none in the generated clip: missing
    keypoint rate (MKR, arXiv 2003.00196)."""
    return _mean(~has_face(generated)[has_face(target)])


def coefficient_distance(generated: np.ndarray, target: np.ndarray) -> float:
    """Mean absolute difference of (T,N) coefficients; rows with NaN in either are left out.

    Of expression (N 64) it is the average expression distance AED, of the head's angles (N 3, radians) the average pose
    distance APD (PIRenderer, Ren et al. 2021).
    """
    rows = np.isfinite(generated).all(1) & np.isfinite(target).all(1)
    return _mean(np.abs(generated[rows] - target[rows]).mean(1))


def identity_similarity(generated: np.ndarray, source: np.ndarray) -> float:
    """Mean cosine of (N,128) face embeddings to the source's (128,): 1 for the same image; NaN rows are left out."""
    cosines = similarity(generated, source)
    return _mean(cosines[np.isfinite(cosines)])


def correlation(measured: np.ndarray, reference: np.ndarray) -> float:
    """Pearson's correlation of two (T,) tracks over the frames where both are finite; 0 when either is constant."""
    rows = np.isfinite(measured) & np.isfinite(reference)
    if rows.sum() < 2:
        return float("nan")
    a, b = measured[rows] - measured[rows].mean(), reference[rows] - reference[rows].mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 1e-9 else 0.0


def lag_correlations(measured: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Correlations (2·MAX_LAG+1,) of two (T,) tracks, `measured` taken −MAX_LAG … MAX_LAG frames later; NaN where too
    few frames are left."""
    return np.array([correlation(*_shifted(measured, reference, lag)) for lag in range(-MAX_LAG, MAX_LAG + 1)])


def best_lag(correlations: np.ndarray) -> int:
    """The delay in frames at which `lag_correlations` (2·MAX_LAG+1,), of one clip or the mean of several, are largest.

    Positive when what was measured comes late. Of equal correlations the smallest delay wins.
    """
    lags = sorted(range(-MAX_LAG, MAX_LAG + 1), key=abs)
    return max(lags, key=lambda lag: np.nan_to_num(correlations[lag + MAX_LAG], nan=-1.0))


def _shifted(measured: np.ndarray, reference: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """The overlap of `measured` taken `lag` frames later than `reference`."""
    length = max(len(reference) - abs(lag), 0)
    return measured[max(lag, 0) :][:length], reference[max(-lag, 0) :][:length]


def _mean(values: list[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
