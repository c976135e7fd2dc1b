"""The voice in a file's audio as input of the networks: one channel, at a fixed loudness.

Networks are trained at one loudness, and recordings have any; a voice may be in one channel of two, or in the centre of
six. Only the networks use the result: written videos get the unchanged audio.
"""

import warnings
from pathlib import Path

import numpy as np

from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import stream_channels
from styleheat.media.track import voice_mix

LOUDNESS = -18.0
"""LUFS (ITU-R BS.1770-4) that voices are normalised to; the synthesised speech has -18.3 ± 1.3."""

NEAR_SILENCE = -60.0
"""LUFS below which audio counts as containing no voice."""

BLOCK = 0.4
"""Seconds of a measuring block of BS.1770; shorter audio is repeated to that length."""

MEASURED = 600
"""Seconds from the start over which loudness is measured: it hardly changes later, and the filters take memory."""


def read_voice(path: str | Path, start: float | None = None, end: float | None = None) -> np.ndarray:
    """The voice (N,) float32 of a file, at 16 kHz and LOUDNESS; times as in `audio.read_audio`.

    Audio below NEAR_SILENCE is not changed. Peaks may exceed 1. Raises InputError when the file can't be read or has no
    audio.
    """
    weights = voice_mix(path, start, end)
    mixed = [weights @ piece for piece in stream_channels(path, SAMPLE_RATE, start, end)]
    return levelled(np.concatenate([np.zeros(0, np.float32), *mixed]))


def levelled(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) at 16 kHz, normalised to LOUDNESS; below NEAR_SILENCE unchanged."""
    level = loudness(samples[: MEASURED * SAMPLE_RATE])
    if level < NEAR_SILENCE:
        return samples
    return (samples * 10 ** ((LOUDNESS - level) / 20)).astype(np.float32)


def loudness(samples: np.ndarray) -> float:
    """LUFS of samples (N,) at 16 kHz, without pauses; -inf for silence."""
    import pyloudnorm  # slow to import, and only needed for audio

    least = round(BLOCK * SAMPLE_RATE) + 1
    if not len(samples) or not samples.any():
        return -np.inf
    if len(samples) < least:
        samples = np.resize(samples, least)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the mean of no block, where all are silent: -inf
        return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(samples.astype(np.float64)))
