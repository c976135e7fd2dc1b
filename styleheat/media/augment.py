"""Speech as microphones, rooms and lines hand it on: what training does to clean recordings.

All of it is drawn from a generator of random numbers, so that equal seeds give equal samples. Samples are (N,) float32
at 16 kHz; none of the steps shifts them in time, for what lips do is learnt from when sounds come.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, resample_poly, sosfiltfilt

from styleheat.constants import MEL_BANDS, SAMPLE_RATE

SPEEDS = (0.85, 1.18)
"""Range of the factors by which a stretch of speech is played faster, its pitch and formants with it."""

FORMANTS = (0.88, 1.14)
"""Range of the factors by which spectra are stretched, without the time."""


def augment(samples: np.ndarray, rng: np.random.Generator, others: np.ndarray | None = None) -> np.ndarray:
    """Samples as they might have been recorded: a room, noise or other voices, a microphone, a line, an overload.

    others (N,): voices of others that may be heard behind. The result has the power that the samples had, but for a
    few decibels.
    """
    wanted = _rms(samples)
    heard = samples.astype(np.float64)
    if rng.random() < 0.35:
        heard = room(heard, float(rng.uniform(0.12, 0.6)), float(rng.uniform(0.3, 3.0)), rng)
    if rng.random() < 0.6:
        behind = noise(len(heard), rng) if others is None or rng.random() < 0.7 else others.astype(np.float64)
        ratio = 10 ** (-rng.uniform(4, 35) / 20)
        heard = heard + behind * ratio * wanted / max(_rms(behind), 1e-9)
    if rng.random() < 0.5:
        heard = coloured(heard, rng)
    line = rng.random()
    if line < 0.2:
        heard = telephone(heard, rng)
    elif line < 0.4:
        heard = sosfiltfilt(butter(4, rng.uniform(2200, 7000), "low", fs=SAMPLE_RATE, output="sos"), heard)
    if rng.random() < 0.2:
        heard = overloaded(heard, float(rng.uniform(0.6, 6.0)))
    level = 10 ** (rng.normal() * 1.5 / 20)
    return (heard * level * wanted / max(_rms(heard), 1e-9)).astype(np.float32)


def room(samples: np.ndarray, decay: float, directness: float, rng: np.random.Generator) -> np.ndarray:
    """With reverberation: noise that decays by 60 dB in `decay` seconds, after the direct sound, which has
    `directness` times its energy."""
    times = np.arange(round(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay) * (times > 0.003)
    tail /= np.sqrt(np.square(tail).sum() * directness)
    tail[0] = 1
    return fftconvolve(samples, tail)[: len(samples)]


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise of some colour, which may swell and fade, or chords of music."""
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
    """Through a microphone's uneven response: some decibels more or less, smoothly over the octaves."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 60) / 60)
    decibels = np.interp(octaves, np.arange(8), rng.normal(size=8) * 4)
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples))


def telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a narrow line: 300 to 3400 Hz, 8 kHz, often in 8 bits by the μ-law (ITU-T G.711)."""
    band = butter(3, (rng.uniform(150, 350), rng.uniform(3000, 3700)), "band", fs=SAMPLE_RATE, output="sos")
    narrow = resample_poly(sosfiltfilt(band, samples), 1, 2)
    if rng.random() < 0.5:
        peak = max(float(np.abs(narrow).max()), 1e-9)
        pressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256)
        pressed = np.round(pressed * 127) / 127
        narrow = np.sign(pressed) * peak * np.expm1(np.abs(pressed) * np.log(256)) / 255
    return resample_poly(narrow, 2, 1)[: len(samples)]


def overloaded(samples: np.ndarray, factor: float) -> np.ndarray:
    """Cut off at the RMS times 3 over `factor`: at 3 and more, most of a loud syllable."""
    limit = 3 * _rms(samples) / factor
    return np.clip(samples, -limit, limit)


def played(samples: np.ndarray, begin: float, speed: float, count: int) -> np.ndarray:
    """`count` samples of a sound from sample `begin` on, `speed` times as fast; silence beyond its ends."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(samples, [begin + speed * np.arange(count)], order=3, mode="constant").astype(np.float32)


def stretched(windows: np.ndarray, factor: float) -> np.ndarray:
    """Mel windows (F,1,80,16) with their spectra stretched by a factor, as another length of the throat would (vocal
    tract length perturbation, Jaitly and Hinton 2013)."""
    place = np.clip(np.arange(MEL_BANDS) / factor, 0, MEL_BANDS - 1)
    below = np.minimum(place.astype(int), MEL_BANDS - 2)
    share = (place - below).astype(np.float32)[:, None]
    return windows[..., below, :] * (1 - share) + windows[..., below + 1, :] * share


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) if len(samples) else 0.0
