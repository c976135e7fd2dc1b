"""Mel spectrograms for Wav2Lip's and SadTalker's audio networks, and a window of them for each video frame."""

import functools
from contextlib import AbstractContextManager

import numpy as np
from threadpoolctl import ThreadpoolController

from styleheat.constants import FPS, MEL_BANDS, MEL_FPS, MEL_WINDOW, SAMPLE_RATE

PREEMPHASIS = 0.97
FFT = 800
HOP = SAMPLE_RATE // MEL_FPS
LOWEST_HZ, HIGHEST_HZ = 55, 7600
FLOOR_DB, REFERENCE_DB = -100.0, 20.0
LIMIT = 4.0
"""Values lie in [-LIMIT, LIMIT]. All of these are SadTalker's `hparams`."""

BLOCK = 60 * MEL_FPS
"""Columns of a spectrogram that are computed at once: the spectra before the mel bands take ten times its memory."""

LEAD = 2
"""Video frames by which the window starts before its frame."""


def mel_spectrogram(samples: np.ndarray) -> np.ndarray:
    """Mono samples (N,) at 16 kHz in [-1,1] -> (80, 1 + N // 200) float32 in [-4,4], 80 columns a second.

    Preemphasis, magnitudes of a centred STFT with zeros beyond the ends, mel bands, decibels, mapped linearly so that
    -4 is 100 dB below the reference level.
    """
    columns = 1 + len(samples) // HOP
    with _one_blas_thread():  # more threads sum in another order and give other bytes
        blocks = [_block(samples, first, min(first + BLOCK, columns)) for first in range(0, columns, BLOCK)]
    return np.concatenate(blocks, axis=1)


def _one_blas_thread() -> AbstractContextManager:
    return _blas().limit(limits=1, user_api="blas")


@functools.cache
def _blas() -> ThreadpoolController:
    """Cached, as finding the libraries of the process takes longer than the spectrogram of a second."""
    return ThreadpoolController()


def _block(samples: np.ndarray, first: int, last: int) -> np.ndarray:
    """The columns from `first` to before `last`, (80, last - first)."""
    start, end = first * HOP - FFT // 2, (last - 1) * HOP + FFT // 2  # range of samples
    low, high = max(start, 0), min(end, len(samples))
    before = np.pad(samples[max(low - 1, 0) : max(high - 1, 0)], (int(low == 0), 0))[: high - low]
    emphasised = (samples[low:high] - PREEMPHASIS * before).astype(np.float32)
    padded = np.pad(emphasised, (low - start, end - high))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP] * hann_window()
    spectrum = np.abs(np.fft.rfft(frames)).T
    decibels = 20 * np.log10(np.maximum(10 ** (FLOOR_DB / 20), mel_filters() @ spectrum)) - REFERENCE_DB
    mel = 2 * LIMIT * (decibels - FLOOR_DB) / -FLOOR_DB - LIMIT
    return np.clip(mel, -LIMIT, LIMIT).astype(np.float32)


@functools.cache
def hann_window() -> np.ndarray:
    """(800,) float32, periodic."""
    return (0.5 - 0.5 * np.cos(2 * np.pi / FFT * np.arange(FFT))).astype(np.float32)


@functools.cache
def mel_filters() -> np.ndarray:
    """(80, 401) float32: triangles of area 1 Hz, whose corners are equally far apart on Slaney's mel scale (1998,
    "Auditory Toolbox"): linear up to 1 kHz, which is mel 15, and from there on 27 mel for each factor of 6.4."""
    low, high = 3 * LOWEST_HZ / 200, 15 + 27 * np.log(HIGHEST_HZ / 1000) / np.log(6.4)
    mel = np.linspace(low, high, MEL_BANDS + 2)
    corners = np.where(mel < 15, 200 / 3 * mel, 1000 * 6.4 ** ((mel - 15) / 27))
    bins, widths = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE), np.diff(corners)[:, None]
    rising = (bins - corners[:-2, None]) / widths[:-1]
    falling = (corners[2:, None] - bins) / widths[1:]
    area = (corners[2:] - corners[:-2])[:, None] / 2
    return (np.maximum(np.minimum(rising, falling), 0) / area).astype(np.float32)


def mel_windows(mel: np.ndarray, frames: int, first: int = 0) -> np.ndarray:
    """Mel spectrogram (80,M) float32 -> the windows of `frames` video frames from frame `first` on, (frames,1,80,16).

    The window of frame i starts at the time of frame i - 2; beyond the ends of the spectrogram its first and last
    columns repeat. Computes these windows only; the result shares no memory with `mel`.
    """
    return _cut(mel, _columns(frames, first))


def speech_windows(samples: np.ndarray, frames: int, first: int = 0) -> np.ndarray:
    """`mel_windows` of samples (N,) at 16 kHz; computes the needed columns of their spectrogram only."""
    columns = np.clip(_columns(frames, first), 0, len(samples) // HOP)
    start = int(columns.min())
    with _one_blas_thread():
        return _cut(_block(samples, start, int(columns.max()) + 1), columns - start)


def _columns(frames: int, first: int) -> np.ndarray:
    """The spectrogram's columns in the window of each frame, (frames,16)."""
    times = np.arange(first - LEAD, first + frames - LEAD) / FPS
    starts = (MEL_FPS * times).astype(int)  # rounded towards zero, as the reference does
    return np.add.outer(starts, np.arange(MEL_WINDOW))


def _cut(mel: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(mel.take(columns, axis=1, mode="clip").transpose(1, 0, 2))[:, None]
