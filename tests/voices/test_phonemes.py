"""Phonemes from the timed symbols of a transcription."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from styleheat.voices import PAUSE, Phoneme, Speech
from styleheat.voices.phonemes import phonemes_of


def timed(symbols: list[str], lengths: list[float]) -> list[tuple[str, float, float]]:
    ends = list(itertools.accumulate(lengths))
    return [(symbol, end - length, end) for symbol, end, length in zip(symbols, ends, lengths, strict=True)]


def test_marks_lend_their_time_to_what_they_mark() -> None:
    found = phonemes_of(timed([" ", "m", "ˈ", "a", "ː", " ", "ˌ", "p", "ʰ", "."], [0.2, *[0.1] * 4, 0.05, *[0.1] * 4]))
    assert [(phoneme.name, phoneme.stressed) for phoneme in found] == [
        (PAUSE, False), ("m", False), ("a", True), ("p", False), (PAUSE, False),
    ]  # fmt: skip
    assert np.allclose([phoneme.start for phoneme in found], [0, 0.2, 0.3, 0.65, 0.95])
    assert np.allclose([phoneme.end for phoneme in found], [0.2, 0.3, 0.65, 0.95, 1.05])


def test_stress_within_a_name_and_pauses_that_follow_each_other() -> None:
    found = phonemes_of([("ˈeɪ", 0, 0.2), ("", 0.2, 0.4), (" ", 0.4, 0.9), ("ˌt", 0.9, 1)])
    assert found == (Phoneme("eɪ", 0, 0.2, True), Phoneme(PAUSE, 0.2, 0.9), Phoneme("t", 0.9, 1))


@given(st.lists(st.tuples(st.sampled_from("ma ˈˌː.p"), st.floats(0.01, 0.3)), max_size=30))
def test_phonemes_are_in_order_and_do_not_overlap(symbols: list[tuple[str, float]]) -> None:
    found = phonemes_of(timed([symbol for symbol, _ in symbols], [length for _, length in symbols]))
    assert all(phoneme.end > phoneme.start for phoneme in found)
    assert all(before.end <= after.start + 1e-9 for before, after in itertools.pairwise(found))


def test_resampling_keeps_length_and_times() -> None:
    said = Speech(np.sin(np.arange(24_000) / 20).astype(np.float32), 24_000, (Phoneme("a", 0.1, 0.9),))
    resampled = said.at(16_000)
    assert len(resampled.samples) == 16_000 and resampled.seconds == said.seconds == 1
    assert resampled.phonemes == said.phonemes and resampled.samples.dtype == np.float32
