"""Scores of lips and head against speech, on tracks whose scores are known."""

import numpy as np
import pytest

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.evaluation import speech

FRAMES = 100
STEP = SAMPLE_RATE // FPS


def audio_of(level: np.ndarray) -> np.ndarray:
    """Samples whose RMS in each frame is `level`."""
    return np.repeat(level, STEP) * np.sqrt(2) * np.sin(np.arange(len(level) * STEP) * 2 * np.pi / 40)


def test_opening_range() -> None:
    assert speech.opening_range(np.linspace(0, 1, 101)) == pytest.approx(0.9)
    assert speech.opening_range(np.array([np.nan, 0.2, 0.2])) == 0
    assert np.isnan(speech.opening_range(np.full(3, np.nan)))


def test_closures_count_when_lips_close_within_a_frame() -> None:
    target = np.full(FRAMES, 0.2)
    target[[10, 11, 30, 50, 70]] = 0.0
    generated = np.full(FRAMES, 0.3)
    generated[[12, 31]] = 0.02  # one frame after the end of the first, one frame after the second
    generated[53] = 0.0  # three frames late
    assert speech.closures_met(generated, target) == 0.5
    assert speech.closures_met(target, target) == 1
    assert speech.closures_met(np.full(FRAMES, 0.3), target) == 0
    assert np.isnan(speech.closures_met(generated, np.full(FRAMES, 0.2)))
    generated[70], target[70] = np.nan, np.nan  # not seen: not judged
    assert speech.closures_met(generated, target) == pytest.approx(2 / 3)


def test_lips_rest_in_pauses() -> None:
    level = np.full(FRAMES, 0.1)
    level[20:40] = 0.0  # 0.8 s
    level[60:65] = 0.0  # too short for a pause
    silent = speech.silences(audio_of(level), FRAMES)
    assert silent.sum() == 20 - 2 * round(speech.SETTLE * FPS) and silent[23:37].all()
    opening = np.full(FRAMES, 0.2)
    opening[20:40] = 0.02
    assert speech.silent_opening(opening, audio_of(level)) == pytest.approx(0.1)
    assert np.isnan(speech.silent_opening(opening, audio_of(np.full(FRAMES, 0.1))))


def test_a_head_on_the_beat_scores_higher_than_one_off_it() -> None:
    times = np.arange(FRAMES)
    level = np.exp(-(((times % 10) - 5) ** 2) / 4)  # beats at 5, 15, 25, …
    scores = []
    for offset in (0, 2.5):  # slowest on the beat, and between two beats
        turned = np.sin(2 * np.pi * (times - 5 - offset) / 20 + np.pi / 2)
        scores.append(speech.beat_alignment(np.stack([turned, 0 * turned, 0 * turned], 1), audio_of(level)))
    assert scores[0] > 0.9 > scores[1] + 0.2
    assert speech.beat_alignment(np.zeros((FRAMES, 3)), audio_of(level)) == 0
    assert np.isnan(speech.beat_alignment(np.full((FRAMES, 3), np.nan), audio_of(level)))
