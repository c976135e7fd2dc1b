"""Augmented speech is still in time with itself, as loud as it was, and the same for a seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.constants import SAMPLE_RATE
from styleheat.media import augment
from styleheat.media.mel import speech_windows


@pytest.fixture(scope="module")
def bursts() -> np.ndarray:
    """Two seconds of bursts of noise at irregular times, like syllables."""
    rng = np.random.default_rng(0)
    made = np.zeros(2 * SAMPLE_RATE, np.float32)
    for start in (0.1, 0.33, 0.71, 0.86, 1.2, 1.55, 1.81):
        burst = rng.standard_normal(round(0.09 * SAMPLE_RATE)) * np.hanning(round(0.09 * SAMPLE_RATE))
        made[round(start * SAMPLE_RATE) :][: len(burst)] += 0.1 * burst
    return made


def envelope(samples: np.ndarray) -> np.ndarray:
    """RMS a hundred times a second."""
    return np.sqrt(np.square(samples[: len(samples) // 160 * 160].reshape(-1, 160)).mean(1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_power_is_kept_and_equal_seeds_give_equal_samples(bursts: np.ndarray, seed: int) -> None:
    first, second = (augment.augment(bursts, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second) and first.dtype == np.float32 and first.shape == bursts.shape
    assert np.isfinite(first).all()
    assert 0.5 < np.sqrt(np.square(first).mean() / np.square(bursts).mean()) < 2


def test_syllables_stay_in_their_place(bursts: np.ndarray) -> None:
    rng, true = np.random.default_rng(1), envelope(bursts)
    steps = {
        "room": augment.room(bursts, 0.4, 1.0, rng),
        "microphone": augment.coloured(bursts, rng),
        "telephone": augment.telephone(bursts, rng),
        "overload": augment.overloaded(bursts, 3.0),
    }
    for name, samples in steps.items():
        scores = [np.corrcoef(true[10:-10], np.roll(envelope(samples), -shift)[10:-10])[0, 1] for shift in range(-5, 6)]
        assert abs(int(np.argmax(scores)) - 5) <= 1 and max(scores) > 0.7, name


def test_silence_stays_silence() -> None:
    assert not augment.augment(np.zeros(8000, np.float32), np.random.default_rng(0)).any()


def test_played_faster(bursts: np.ndarray) -> None:
    same = augment.played(bursts, 1600.0, 1.0, 8000)
    np.testing.assert_allclose(same, bursts[1600:9600], atol=1e-4)
    fast = augment.played(bursts, 0.0, 2.0, SAMPLE_RATE)
    assert np.corrcoef(envelope(fast), envelope(bursts)[::2])[0, 1] > 0.9
    assert not augment.played(bursts, -4000.0, 1.0, 3000).any()


def test_spectra_are_stretched() -> None:
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    windows = speech_windows(0.3 * np.sin(2 * np.pi * 1500 * times).astype(np.float32), 5, 8)
    peak = windows[2, 0, :, 8].argmax()
    assert augment.stretched(windows, 1.1)[2, 0, :, 8].argmax() == pytest.approx(1.1 * peak, abs=1)
    np.testing.assert_array_equal(augment.stretched(windows, 1.0), windows)
