"""Mel-frequency cepstra for SyncNet, equal to those of python_speech_features with its defaults."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct

from styleheat.constants import SAMPLE_RATE

LENGTH, HOP, FFT = 400, 160, 512
"""Samples of a frame, 25 ms, and from one to the next, 10 ms; points of the Fourier transform."""

BANDS, CEPSTRA = 26, 13
EMPHASIS = 0.97
"""Pre-emphasis: this share of the previous sample is subtracted."""

LIFTER = 22
"""By how much higher cepstra are scaled up: 1 + LIFTER / 2 · sin(π n / LIFTER)."""


def cepstra(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) of 16 bits at 16 kHz → (M,CEPSTRA) float32, 100 a second; the first of each is the log energy."""
    signal = np.append(samples[:1], samples[1:] - EMPHASIS * samples[:-1])
    count = 1 + max(0, -(-(len(signal) - LENGTH) // HOP))
    signal = np.pad(signal, (0, max(0, (count - 1) * HOP + LENGTH - len(signal))))
    power = np.abs(np.fft.rfft(sliding_window_view(signal, LENGTH)[::HOP], FFT)) ** 2 / FFT
    smallest = np.finfo(float).eps  # instead of 0, whose logarithm is undefined
    bands, energy = power @ _filters().T, power.sum(1)
    found = dct(np.log(np.where(bands == 0, smallest, bands)), type=2, axis=1, norm="ortho")[:, :CEPSTRA]
    found = found * (1 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER))
    found[:, 0] = np.log(np.where(energy == 0, smallest, energy))
    return found.astype(np.float32)


def _filters() -> np.ndarray:
    """Triangles (BANDS, FFT / 2 + 1) evenly spaced in mel, 2595 · log10(1 + f / 700)."""
    mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), BANDS + 2)
    edges = np.floor((FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / SAMPLE_RATE)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(FFT // 2 + 1)
    rising = np.where((bins >= low) & (bins < middle), (bins - low) / np.maximum(middle - low, 1), 0)
    falling = np.where((bins >= middle) & (bins < high), (high - bins) / np.maximum(high - middle, 1), 0)
    return rising + falling
