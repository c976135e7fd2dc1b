"""Image metrics of a video against its target, a few frames at a time: the means of the frames' own values."""

import cv2
import numpy as np

from styleheat.evaluation import metrics
from styleheat.evaluation.frames import Frames
from styleheat.evaluation.similarity import similarities, ssim
from styleheat.face.boxes import eye_boxes, face_boxes, mouth_boxes

AT_ONCE = 8
"""Frames that are compared together."""


def image_scores(generated: Frames, target: Frames, landmarks: np.ndarray) -> dict[str, float]:
    """PSNR (dB), SSIM, MS-SSIM, L1 and sharpness, each a mean over all frames but the first.

    generated, target: T frames (S,S,3) uint8. landmarks (T-1,68,2): of the target's frames from the second on, for the
    boxes of face, mouth and eyes; frames without a face are left out there. sharpness_mouth, sharpness_eyes: the
    variance of the Laplacian, as a multiple of the target's (the mean of its logarithm, as ratios are): 1 as sharp,
    below 1 softer.
    """
    found: dict[str, list[float]] = {}
    for first in range(1, len(target), AT_ONCE):
        some = range(first, min(first + AT_ONCE, len(target)))
        ours, theirs = (np.stack([frames[number] for number in some]) for frames in (generated, target))
        for key, values in _scores(ours, theirs, landmarks[first - 1 : some.stop - 1]).items():
            found.setdefault(key, []).extend(values)
    means = {key: float(np.nanmean(values)) if np.isfinite(values).any() else np.nan for key, values in found.items()}
    return {key: float(np.exp(mean)) if key.startswith("sharpness") else mean for key, mean in means.items()}


def _scores(generated: np.ndarray, target: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
    size = target.shape[1]
    mouths, faces, eyes = (boxes(landmarks, size) for boxes in (mouth_boxes, face_boxes, eye_boxes))
    similarity, multi_scale = similarities(generated, target)
    return {
        "psnr": metrics.psnr(generated, target),
        "psnr_face": metrics.psnr(generated, target, faces),
        "psnr_mouth": metrics.psnr(generated, target, mouths),
        "ssim": ssim(similarity),
        "ssim_mouth": ssim(similarity, mouths),
        "ms_ssim": multi_scale,
        "l1": metrics.l1(generated, target),
        "sharpness_mouth": _log_ratio(generated, target, mouths),
        "sharpness_eyes": _log_ratio(generated, target, eyes),
    }


def _log_ratio(generated: np.ndarray, target: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Of the sharpness within boxes (N,4); NaN for empty boxes."""
    ratios = np.full(len(boxes), np.nan)
    for row, (x0, y0, x1, y1) in enumerate(boxes):
        if x1 > x0 and y1 > y0:
            ours, theirs = (_laplacian(frames[row, y0:y1, x0:x1]) for frames in (generated, target))
            ratios[row] = np.log((ours + 1) / (theirs + 1))  # of flat patches, 1
    return ratios


def _laplacian(image: np.ndarray) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
