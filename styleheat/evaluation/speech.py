"""How well lips and head go with speech: small functions from tracks to one number each, 25 frames a second.

`opening` is the gap between the inner lips and `width` the mouth's width, in interocular distances (T,), NaN without a
face. Every function returns NaN where there is nothing to judge.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d, label, minimum_filter1d
from scipy.signal import find_peaks

from styleheat.constants import FPS, SAMPLE_RATE

CLOSED = 0.25
"""Share of the median opening below which lips count as closed."""

SILENCE_DB = -35.0
"""Level against the audio's loud moments (its 95th percentile) below which nothing is said."""

PAUSE = 0.3
"""Seconds that silence has to last before lips are expected to rest."""

SETTLE = 0.12
"""Seconds that lips take to close after speech, or start to move before it."""

BEAT_SIGMA = 0.1
"""Seconds at which a head's movement counts as off the beat (Beat Align Score, Li et al. 2021, in its own unit)."""


def opening_range(opening: np.ndarray) -> float:
    """How far the lips go: from the 5th to the 95th percentile of the opening (T,), in its unit."""
    seen = opening[np.isfinite(opening)]
    return float(np.subtract(*np.percentile(seen, [95, 5]))) if len(seen) else float("nan")


def closures_met(generated: np.ndarray, target: np.ndarray) -> float:
    """Share of the target's closures that the generated lips make, a frame early or late at most; openings (T,).

    Lips are closed below CLOSED of their own median opening while they are seen.
    """
    both = np.isfinite(generated) & np.isfinite(target)
    if not both.any():
        return float("nan")
    shut = np.where(both, target < CLOSED * np.median(target[both]), False)
    runs, count = label(shut)
    if not count:
        return float("nan")
    near = minimum_filter1d(np.where(both, generated, np.inf), 3, mode="nearest") < CLOSED * np.median(generated[both])
    return float(np.mean([near[runs == run].any() for run in range(1, count + 1)]))


def silent_opening(opening: np.ndarray, audio: np.ndarray) -> float:
    """Mean opening (T,) in pauses of the audio (N,) at 16 kHz, as a share of the opening's 95th percentile: 0 when lips
    rest closed."""
    silent = silences(audio, len(opening)) & np.isfinite(opening)
    if not silent.any():
        return float("nan")
    return float(opening[silent].mean() / max(np.nanpercentile(opening, 95), 1e-6))


def silences(audio: np.ndarray, frames: int) -> np.ndarray:
    """The frames (frames,) within pauses of more than PAUSE seconds in samples (N,) at 16 kHz, but for SETTLE at each
    end of a pause."""
    level = level_of(audio, frames)
    quiet = level < np.percentile(level, 95) * 10 ** (SILENCE_DB / 20)
    runs, count = label(quiet)
    found = np.zeros(frames, bool)
    settle = round(SETTLE * FPS)
    for run in range(1, count + 1):
        at = np.flatnonzero(runs == run)
        if len(at) > PAUSE * FPS:
            found[at[settle : len(at) - settle]] = True
    return found


def beat_alignment(angles: np.ndarray, audio: np.ndarray) -> float:
    """How near the head's turns are to the beats of speech, 0 … 1 (Beat Align Score, Li et al. 2021).

    angles (T,3) in radians. The head's beats are the moments at which it is slowest between movements; those of speech
    the syllables' peaks of level. The mean over speech's beats of exp(−d²/2σ²), d to the head's nearest.
    """
    seen = np.isfinite(angles).all(1)
    if seen.sum() < FPS // 2:
        return float("nan")
    smooth = gaussian_filter1d(np.where(seen[:, None], angles, np.nanmean(angles, axis=0)), 1.0, axis=0)
    speed = np.linalg.norm(np.diff(smooth, axis=0), axis=1)
    turns, _ = find_peaks(-speed)
    level = level_of(audio, len(angles))
    beats, _ = find_peaks(level, height=0.3 * float(np.percentile(level, 95)), distance=3)
    if not len(beats):
        return float("nan")
    if not len(turns) or speed.max() < 1e-5:
        return 0.0
    away = np.abs(beats[:, None] - (turns + 0.5)[None]).min(1) / FPS
    return float(np.exp(-(away**2) / (2 * BEAT_SIGMA**2)).mean())


def level_of(audio: np.ndarray, frames: int) -> np.ndarray:
    """RMS of the audio in each frame (frames,)."""
    step = SAMPLE_RATE // FPS
    padded = np.zeros(frames * step)
    padded[: min(len(audio), len(padded))] = audio[: len(padded)]
    return np.sqrt(np.square(padded.reshape(frames, step)).mean(1))
