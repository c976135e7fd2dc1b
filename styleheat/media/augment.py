"""Augmentation of clean speech for training: reverberation, noise, microphones, telephone lines, clipping.

Everything random comes from a generator, so that equal seeds give equal samples. Samples are (N,) float32 at 16 kHz.
None of the steps shifts them in time, as lips must stay in sync.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, resample_poly, sosfiltfilt

from styleheat.constants import MEL_BANDS, SAMPLE_RATE

SPEEDS = (0.85, 1.18)
"""Range of the factors of playback speed, which changes pitch and formants too."""

FORMANTS = (0.88, 1.14)
"""Range of the factors by which spectra are stretched, at the same speed."""


def augment(samples: np.ndarray, rng: np.random.Generator, others: np.ndarray | None = None) -> np.ndarray:
    """Samples with random reverberation, noise or other voices, microphone, telephone line or low-pass, and clipping.

    others (N,): other voices that may be mixed in. The power of the samples changes by a few decibels only.
    """
    wanted = _rms(samples)
    out = samples.astype(np.float64)
    if rng.random() < 0.35:
        out = room(out, float(rng.uniform(0.12, 0.6)), float(rng.uniform(0.3, 3.0)), rng)
    if rng.random() < 0.6:
        behind = noise(len(out), rng) if others is None or rng.random() < 0.7 else others.astype(np.float64)
        ratio = 10 ** (-rng.uniform(4, 35) / 20)
        out = out + behind * ratio * wanted / max(_rms(behind), 1e-9)
    if rng.random() < 0.5:
        out = coloured(out, rng)
    line = rng.random()
    if line < 0.2:
        out = telephone(out, rng)
    elif line < 0.4:
        out = sosfiltfilt(butter(4, rng.uniform(2200, 7000), "low", fs=SAMPLE_RATE, output="sos"), out)
    if rng.random() < 0.2:
        out = overloaded(out, float(rng.uniform(0.6, 6.0)))
    level = 10 ** (rng.normal() * 1.5 / 20)
    return (out * level * wanted / max(_rms(out), 1e-9)).astype(np.float32)


def room(samples: np.ndarray, decay: float, directness: float, rng: np.random.Generator) -> np.ndarray:
    """Add reverberation to samples (N,): noise that decays by 60 dB in `decay` seconds, and has 1 / `directness` of the
    energy of the direct signal."""
    times = np.arange(round(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay) * (times > 0.003)
    tail /= np.sqrt(np.square(tail).sum() * directness)
    tail[0] = 1
    return fftconvolve(samples, tail)[: len(samples)]


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise (count,), constant or with a periodic level, or chords of music."""
    if rng.random() < 0.3:
        return _music(count, rng)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    made = np.fft.irfft(spectrum * np.maximum(frequency, 30) ** -rng.uniform(0, 1.1), count)
    if rng.random() < 0.4:
        times = np.arange(count) / SAMPLE_RATE
        made *= 1 + 0.8 * np.sin(2 * np.pi * (rng.uniform(0.3, 6) * times + rng.random()))
    return made


def _music(count: int, rng: np.random.Generator) -> np.ndarray:
    times = np.arange(count) / SAMPLE_RATE
    made = np.zeros(count)
    beat = rng.uniform(0.2, 0.7)
    for _ in range(int(rng.integers(2, 5))):
        notes = 110 * 2 ** (rng.integers(0, 36, int(times[-1] / beat) + 1) / 12)
        turn = (times / beat).astype(int)
        phase = 2 * np.pi * np.cumsum(notes[turn]) / SAMPLE_RATE
        fade = np.exp(-3 * (times / beat - turn))
        made += fade * sum(np.sin(k * phase) / k**1.5 for k in range(1, 7))
    return made


def coloured(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a microphone's uneven response to samples (N,): some decibels more or less, smooth over the octaves."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 60) / 60)
    decibels = np.interp(octaves, np.arange(8), rng.normal(size=8) * rng.uniform(2, 8))
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples))


def telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a telephone line to samples (N,): about 300 to 3400 Hz, 8 kHz, half of the time 8 bits by the μ-law (ITU-T
    G.711)."""
    band = butter(3, (rng.uniform(150, 350), rng.uniform(3000, 3700)), "band", fs=SAMPLE_RATE, output="sos")
    narrow = resample_poly(sosfiltfilt(band, samples), 1, 2)
    if rng.random() < 0.5:
        peak = max(float(np.abs(narrow).max()), 1e-9)
        pressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256)
        pressed = np.round(pressed * 127) / 127
        narrow = np.sign(pressed) * peak * np.expm1(np.abs(pressed) * np.log(256)) / 255
    return resample_poly(narrow, 2, 1)[: len(samples)]


def overloaded(samples: np.ndarray, factor: float) -> np.ndarray:
    """Clip samples (N,) at 3 / `factor` times the RMS: for 3 and more, most of a loud syllable."""
    limit = 3 * _rms(samples) / factor
    return np.clip(samples, -limit, limit)


def played(samples: np.ndarray, begin: float, speed: float, count: int) -> np.ndarray:
    """Samples (count,) from position `begin` of samples (N,) on, `speed` times as fast; silence beyond the ends."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(samples, [begin + speed * np.arange(count)], order=3, mode="constant").astype(np.float32)


def stretched(windows: np.ndarray, factor: float) -> np.ndarray:
    """Mel windows (F,1,80,16) with spectra stretched by a factor (vocal tract length perturbation, Jaitly and Hinton
    2013)."""
    place = np.clip(np.arange(MEL_BANDS) / factor, 0, MEL_BANDS - 1)
    below = np.minimum(place.astype(int), MEL_BANDS - 2)
    share = (place - below).astype(np.float32)[:, None]
    return windows[..., below, :] * (1 - share) + windows[..., below + 1, :] * share


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) if len(samples) else 0.0
