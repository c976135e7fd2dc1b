"""The voice in a file's sound, as networks hear it: one channel, at a set loudness.

Networks learn from sound of one loudness, and recordings come at any; a voice may be in one channel of two, or in the
centre of six. What is made here is only heard by networks; videos keep the sound that they have.
"""

import warnings
from pathlib import Path

import numpy as np

from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import stream_channels
from styleheat.media.sound import voice_mix

LOUDNESS = -18.0
"""LUFS (ITU-R BS.1770-4) that a voice is brought to: the synthesised speech of the rendered people has -18.3 ± 1.3."""

NEAR_SILENCE = -60.0
"""LUFS below which there is no voice to bring to a loudness."""

BLOCK = 0.4
"""Seconds over which BS.1770 measures; shorter sound is repeated to that length."""

MEASURED = 600
"""Seconds, from the start, of which the loudness is taken: a voice keeps its own, and the filters take memory."""


def read_voice(path: str | Path, start: float | None = None, end: float | None = None) -> np.ndarray:
    """The voice (N,) float32 of a file, at 16 kHz and LOUDNESS; times as in `audio.read_audio`.

    Sound quieter than NEAR_SILENCE stays as it is. Peaks may pass 1. Raises InputError when the file can't be read or
    has no sound.
    """
    weights = voice_mix(path, start, end)
    mixed = [weights @ piece for piece in stream_channels(path, SAMPLE_RATE, start, end)]
    return levelled(np.concatenate([np.zeros(0, np.float32), *mixed]))


def levelled(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) at 16 kHz, brought to LOUDNESS; near-silence as it is."""
    level = loudness(samples[: MEASURED * SAMPLE_RATE])
    if level < NEAR_SILENCE:
        return samples
    return (samples * 10 ** ((LOUDNESS - level) / 20)).astype(np.float32)


def loudness(samples: np.ndarray) -> float:
    """LUFS of samples (N,) at 16 kHz, pauses left out; -inf for silence."""
    import pyloudnorm  # only stages that hear need it

    least = round(BLOCK * SAMPLE_RATE) + 1
    if not len(samples) or not samples.any():
        return -np.inf
    if len(samples) < least:
        samples = np.resize(samples, least)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the mean of no block, where all are silent: -inf
        return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(samples.astype(np.float64)))
