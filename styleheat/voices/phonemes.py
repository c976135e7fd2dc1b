"""Speech with the times of its phonemes, whichever synthesiser spoke it. Phonemes are named by the IPA."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

PAUSE = ""
"""Name of a pause."""

NO_WORD = "nothing to speak in the text; give it at least one word"

STRESS = "ˈˌ"
SHORTEST_PAUSE = 0.08
"""Seconds that a gap between words has to last to be a pause; shorter ones belong to the phoneme before."""


@dataclass(frozen=True)
class Phoneme:
    """One phone in IPA symbols without stress ("m", "aɪ", PAUSE) and its time in seconds.

    stressed: the syllable that it begins bears the word's main stress.
    """

    name: str
    start: float
    end: float
    stressed: bool = False


@dataclass(frozen=True)
class Speech:
    """samples (N,) float32 in [-1,1] at sample_rate, and the phonemes in order."""

    samples: np.ndarray
    sample_rate: int
    phonemes: tuple[Phoneme, ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def at(self, sample_rate: int) -> "Speech":
        """The same, resampled."""
        from scipy.signal import resample_poly

        samples = resample_poly(self.samples.astype(np.float64), sample_rate, self.sample_rate)
        return Speech(np.clip(samples, -1, 1).astype(np.float32), sample_rate, self.phonemes)


def phonemes_of(symbols: Iterable[tuple[str, float, float]]) -> tuple[Phoneme, ...]:
    """Phonemes from timed symbols of a transcription, (symbol, start, end) in seconds.

    Marks of stress lend their time to the phoneme after them, modifiers (length, aspiration, nasality) to the one
    before; spaces and punctuation are pauses where they last.
    """
    found: list[Phoneme] = []
    stress: tuple[str, float] | None = None
    for symbol, start, end in symbols:
        if end <= start and symbol not in STRESS:
            continue
        if symbol and symbol in STRESS:
            stress = (symbol, start)
        elif _is_modifier(symbol) or (_is_gap(symbol) and end - start < SHORTEST_PAUSE):
            if found:
                found[-1] = Phoneme(found[-1].name, found[-1].start, end, found[-1].stressed)
            stress = stress and (stress[0], end)
        elif _is_gap(symbol) and found and found[-1].name == PAUSE:
            found[-1] = Phoneme(PAUSE, found[-1].start, end)
            stress = stress and (stress[0], end)
        else:
            name = PAUSE if _is_gap(symbol) else symbol.lstrip(STRESS)
            stressed = "ˈ" in symbol or (stress is not None and stress[0] == "ˈ")
            found.append(Phoneme(name, start if stress is None else stress[1], end, stressed))
            stress = None
    return tuple(found)


def _is_modifier(symbol: str) -> bool:
    return bool(symbol) and all(unicodedata.category(letter) in ("Lm", "Mn", "Sk") for letter in symbol)


def _is_gap(symbol: str) -> bool:
    return not any(letter.isalpha() for letter in symbol)
