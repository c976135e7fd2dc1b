"""Mel spectrograms: lengths, range, and windows that start where the frame does."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.media.mel import mel_spectrogram, mel_windows


@pytest.mark.parametrize("samples", [0, 1, 100, 399, 400, 799, 16_000, 16_001])
def test_a_column_for_each_hop(samples: int) -> None:
    mel = mel_spectrogram(np.random.default_rng(0).uniform(-0.1, 0.1, samples).astype(np.float32))
    assert mel.shape == (80, 1 + samples // 200) and mel.dtype == np.float32
    assert mel.min() >= -4 and mel.max() <= 4


def test_silence_is_the_floor() -> None:
    assert np.all(mel_spectrogram(np.zeros(8000, np.float32)) == -4)


def test_the_number_of_threads_makes_no_difference() -> None:
    """A set is packed by workers of one thread or of many; the bytes are the same."""
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, 18_000).astype(np.float32)
    contents = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            contents.append(mel_spectrogram(audio).tobytes())
    assert contents[0] == contents[1]


def test_a_tone_lights_its_band() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low, high = (mel_spectrogram(0.5 * np.sin(2 * np.pi * f * time).astype(np.float32)) for f in (200, 4000))
    assert low[:, 40].argmax() < 15 and high[:, 40].argmax() > 50


def test_windows_follow_the_audio() -> None:
    """A click first enters the window of the frame that ends before it, and moves through the windows' columns."""
    mel = np.full((80, 160), -4, np.float32)
    mel[:, 100] = 4
    windows = mel_windows(mel, 2 * FPS)
    assert windows.shape == (50, 1, 80, 16)
    columns = {
        frame: int(np.flatnonzero(windows[frame, 0, 0] == 4)[0]) for frame in range(50) if windows[frame].max() > 0
    }
    assert all(column == 100 - int(80 * (frame - 2) / FPS) for frame, column in columns.items())
    assert sorted(columns) == list(range(29, 34))


@pytest.mark.parametrize("columns", [1, 5, 200])
def test_windows_of_a_stretch_are_those_of_the_complete(columns: int) -> None:
    mel = np.random.default_rng(0).normal(size=(80, columns)).astype(np.float32)
    complete = mel_windows(mel, 60)
    for first, frames in ((0, 1), (0, 5), (7, 33), (59, 1)):
        stretch = mel_windows(mel, frames, first)
        np.testing.assert_array_equal(stretch, complete[first : first + frames])
        assert stretch.dtype == np.float32 and not np.shares_memory(stretch, mel)


def test_ends_repeat() -> None:
    mel = np.tile(np.arange(20, dtype=np.float32), (80, 1))
    windows = mel_windows(mel, 10)
    assert windows[0, 0, 0, :7].tolist() == [0, 0, 0, 0, 0, 0, 0]
    assert windows[9, 0, 0].tolist() == [19] * 16
