"""What an evaluation leaves behind: numbers, a strip of sample frames, and films side by side."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.evaluation.metrics import MAX_LAG, best_lag
from styleheat.evaluation.protocols import Trial
from styleheat.media.image import write_image
from styleheat.media.video import VideoWriter

DIGITS = 4
"""Decimals kept: enough for any conclusion, few enough that the order of a sum of floats doesn't show."""

SHOWN = 2
COLUMNS = 6
CELL = 128
"""Trials of each protocol in the strip, moments of each, and pixels of a picture at most: it is kept in git. The films
show the rest."""

QUALITY = 80
"""Of the strip as JPEG."""

GAP = 4
CAPTION = 18
"""Pixels between pictures of the strip that don't belong together, and of a line of text."""


def summary(trials: list[Trial]) -> dict[str, Any]:
    """The means over the trials of one protocol, the lag at which their lips follow best, and the trivial scores.

    `lag` is in frames, positive when the generated lips come late; `lag_correlation` is the mean correlation there,
    of the trials that have one. Scores that no trial has (no face found in any frame) are left out. Where voices are
    known, `voices` has the same of each.
    """
    voices = sorted({trial.voice for trial in trials if trial.voice is not None})
    each = {voice: _of_one([trial for trial in trials if trial.voice == voice]) for voice in voices}
    return {**_of_one(trials), **({"voices": each} if each else {})}


def _of_one(trials: list[Trial]) -> dict[str, Any]:
    lags = np.ma.masked_invalid([trial.lags for trial in trials]).mean(axis=0).filled(np.nan)
    lag = best_lag(lags)
    means = _means([trial.scores for trial in trials])
    extra = _rounded({"lag_correlation": float(lags[lag + MAX_LAG])})
    return {**means, **extra, "lag": lag, "clips": len(trials), "trivial": _means([trial.trivial for trial in trials])}


def strip(trials: dict[str, list[Trial]]) -> np.ndarray:
    """(H,W,3) uint8: for each protocol its name, and of its first trials two rows: source and targets, generated."""
    parts: list[np.ndarray] = []
    for name, members in trials.items():
        parts.append(_caption(name, parts[0].shape[1] if parts else _width(members[0])))
        parts += [_rows(trial) for trial in members[:SHOWN]]
    return np.concatenate(parts)


def write_strip(path: str | Path, trials: dict[str, list[Trial]]) -> None:
    write_image(path, strip(trials), QUALITY)


def write_films(folder: str | Path, protocol: str, trials: Iterable[Trial]) -> None:
    """`<folder>/<protocol>_<number>.mp4`: source, target and generated side by side, with the target's sound."""
    for number, trial in enumerate(trials):
        height, width = trial.source.shape[:2]
        path = Path(folder, f"{protocol}_{number}.mp4")
        with VideoWriter(path, (3 * width, height), FPS, trial.sound, SAMPLE_RATE) as writer:
            for target, generated in zip(trial.target, trial.generated, strict=True):
                writer.write(np.concatenate([trial.source, target, generated], axis=1))


def _means(scores: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each score over the trials that have it."""
    values = {key: [score[key] for score in scores if np.isfinite(score[key])] for key in scores[0]}
    return _rounded({key: float(np.mean(each)) for key, each in values.items() if each})


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {key: round(value, DIGITS) for key, value in scores.items() if np.isfinite(value)}


def _rows(trial: Trial) -> np.ndarray:
    """Above: the source, then targets at even distances in time; below: what was generated for them."""
    moments = np.linspace(0, len(trial.target) - 1, COLUMNS + 1).astype(int)[1:]
    source = _small(trial.source)
    gap = np.full((len(source), GAP, 3), 255, np.uint8)
    blank = np.full_like(source, 255)
    above = np.concatenate([source, gap, *map(_small, trial.target[moments])], axis=1)
    below = np.concatenate([blank, gap, *map(_small, trial.generated[moments])], axis=1)
    return np.concatenate([above, below, np.full((GAP, above.shape[1], 3), 255, np.uint8)])


def _width(trial: Trial) -> int:
    return len(_small(trial.source)) * (COLUMNS + 1) + GAP


def _small(picture: np.ndarray) -> np.ndarray:
    side = min(CELL, len(picture))
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def _caption(text: str, width: int) -> np.ndarray:
    line = np.full((CAPTION, width, 3), 255, np.uint8)
    return cv2.putText(line, text, (GAP, CAPTION - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
