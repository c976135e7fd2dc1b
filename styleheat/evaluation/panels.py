"""Source, target and generated frames beside each other: as a video, and as rows of an image."""

from pathlib import Path

import cv2
import numpy as np

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.evaluation.frames import Frames
from styleheat.media.image import write_image
from styleheat.media.video import VideoWriter

COLUMNS = 6
CELL = 128
"""Moments in a row, and pixels a side of a frame there, at most: the rows go into an image that is kept in git."""

GAP = 4
"""Pixels between separate parts."""


def write_video(path: Path, source: np.ndarray, target: Frames, generated: Frames, audio: np.ndarray | None) -> None:
    """A video of (source, target, generated), with audio (N,) at 16 kHz."""
    height, width = source.shape[:2]
    with VideoWriter(path, (3 * width, height), FPS, audio, SAMPLE_RATE, crf=20, preset="superfast") as writer:
        for wanted, made in zip(target, generated, strict=True):
            writer.write(np.concatenate([source, wanted, made], axis=1))


def write_rows(path: Path, source: np.ndarray, target: Frames, generated: Frames) -> None:
    """An image of frames (S,S,3) uint8. Above: the source, then target frames at equal distances in time; below: the
    generated frames of then."""
    moments = np.linspace(0, len(target) - 1, COLUMNS + 1).astype(int)[1:]
    first = _small(source)
    gap = np.full((len(first), GAP, 3), 255, np.uint8)
    above = np.concatenate([first, gap, *(_small(target[number]) for number in moments)], axis=1)
    below = np.concatenate([np.full_like(first, 255), gap, *(_small(generated[number]) for number in moments)], axis=1)
    write_image(path, np.concatenate([above, below, np.full((GAP, above.shape[1], 3), 255, np.uint8)]))


def _small(image: np.ndarray) -> np.ndarray:
    side = min(CELL, len(image))
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
