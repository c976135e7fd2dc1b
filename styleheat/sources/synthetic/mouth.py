"""Mouth shapes of phonemes, for any language whose phonemes are given in IPA."""

import itertools
import unicodedata

import numpy as np
from scipy.ndimage import gaussian_filter1d

from styleheat.sources.synthetic.acting import RATE
from styleheat.voices import PAUSE, Phoneme

MOUTH = ("jaw", "close", "round", "spread", "upper", "lower", "tuck", "tongue", "press")
VISEMES: dict[str, dict[str, float]] = {
    "rest": {"jaw": 0.03, "close": 0.9},
    "pause": {"jaw": 0.07, "close": 0.5},
    "bilabial": {"jaw": 0.10, "close": 1.0, "press": 0.35},
    "approximant": {"jaw": 0.14, "close": 0.35},
    "labiodental": {"jaw": 0.12, "close": 0.4, "tuck": 1.0, "upper": 0.2},
    "dental": {"jaw": 0.22, "tongue": 1.0, "lower": 0.25, "upper": 0.1},
    "alveolar": {"jaw": 0.22, "tongue": 0.8, "lower": 0.25, "upper": 0.1},
    "lateral": {"jaw": 0.32, "tongue": 0.9, "lower": 0.1, "upper": 0.1},
    "sibilant": {"jaw": 0.08, "spread": 0.4, "lower": 0.45, "upper": 0.3},
    "postalveolar": {"jaw": 0.10, "round": 0.6, "lower": 0.4, "upper": 0.4},
    "velar": {"jaw": 0.30, "lower": 0.1},
    "rhotic": {"jaw": 0.22, "round": 0.5, "lower": 0.1},
    "w": {"jaw": 0.12, "round": 1.0},
    "j": {"jaw": 0.14, "spread": 0.45, "lower": 0.2},
    "u": {"jaw": 0.20, "round": 0.95},
    "U": {"jaw": 0.28, "round": 0.6},
    "i": {"jaw": 0.20, "spread": 0.75, "lower": 0.3, "upper": 0.2},
    "I": {"jaw": 0.32, "spread": 0.35, "lower": 0.15},
    "E": {"jaw": 0.55, "spread": 0.35, "lower": 0.15, "upper": 0.1},
    "ae": {"jaw": 0.85, "spread": 0.35, "upper": 0.15},
    "a": {"jaw": 1.00, "spread": 0.10, "upper": 0.1},
    "V": {"jaw": 0.68, "spread": 0.05},
    "schwa": {"jaw": 0.38},
    "O": {"jaw": 0.75, "round": 0.5},
    "o": {"jaw": 0.48, "round": 0.8},
    "er": {"jaw": 0.36, "round": 0.3},
}
"""Mouth shapes: values of controls; those not listed are 0."""

_SYMBOLS = {
    "bilabial": "pbmɓ",
    "approximant": "βɸ",
    "labiodental": "fvʋɱ",
    "dental": "θð",
    "alveolar": "tdnɾrʈɖɳɗɽ",
    "lateral": "lɫɬɭʟ",
    "sibilant": "szɕʑ",
    "postalveolar": "ʃʒʂʐ",
    "velar": "kɡgŋxɣhɦħʕχʁʀqɢɴʔ",
    "rhotic": "ɹɻ",
    "w": "wʍɥ",
    "j": "jçʝɲcɟʎ",
    "u": "uʉy",
    "U": "ʊʏɵ",
    "i": "i",
    "I": "ɪɨɯᵻ",
    "E": "eɛɘ",
    "ae": "æ",
    "a": "aɑɒ",
    "V": "ʌɐɤ",
    "schwa": "ə",
    "O": "ɔ",
    "o": "oøœɶ",
    "er": "ɜɝɚɞ",
}
SHAPE_OF = {symbol: shape for shape, symbols in _SYMBOLS.items() for symbol in symbols}
"""The shape of each IPA letter."""

VOWELS = ("a", "ae", "E", "V", "O", "o", "i", "I", "u", "U", "er", "schwa")


def shapes_of(name: str) -> tuple[str, ...]:
    """The mouth shapes of a phoneme by its IPA name, one after the other: two of a diphthong or an affricate.

    Marks of length, stress, aspiration and so on are left out; a name without a known letter is a schwa.
    """
    if name == PAUSE:
        return ("pause",)
    letters = [letter for letter in unicodedata.normalize("NFD", name) if letter in SHAPE_OF]
    shapes = [SHAPE_OF[letter] for letter in letters]
    if shapes[-1:] in (["postalveolar"], ["sibilant"]) and len(shapes) > 1:
        shapes = shapes[-1:]  # of an affricate: its stop is not visible
    return tuple(shape for shape, _ in itertools.groupby(shapes)) or ("schwa",)


def mouth_track(
    phonemes: tuple[Phoneme, ...], seconds: float, articulation: float = 1.0, rounding: float = 1.0
) -> np.ndarray:
    """The mouth's controls, (samples at RATE, len(MOUTH)).

    Neighbouring phonemes overlap: the target of each has a weight that rises before and falls after it (dominance
    functions, Cohen and Massaro 1993). Labial phonemes dominate the lips, and reach their targets completely.
    """
    times = (np.arange(round(seconds * RATE)) + 0.5) / RATE
    events: list[tuple[str, float, float]] = []
    clock = 0.0
    for phoneme in phonemes:
        shapes = shapes_of(phoneme.name)
        if phoneme.start > clock + 0.02:
            events.append(("rest", clock, phoneme.start))
        length = (phoneme.end - phoneme.start) / len(shapes)
        for k, shape in enumerate(shapes):
            start = phoneme.start + k * length
            name = "rest" if shape == "pause" and length > 0.3 else shape
            events.append((name, start, start + length))
        clock = phoneme.end
    events.append(("rest", clock, max(seconds, clock) + 0.5))
    total = np.full((len(times), len(MOUTH)), 1e-6)
    track = np.zeros((len(times), len(MOUTH)))
    seal = np.zeros(len(times))
    for shape, start, end in events:
        if start > seconds + 0.3:
            break
        target = np.array([VISEMES[shape].get(name, 0.0) for name in MOUTH])
        lips = shape in ("bilabial", "labiodental", "w", "u", "postalveolar", "o")
        vowel = shape in VOWELS
        strength = np.full(len(MOUTH), 1.3 if vowel else 0.7)
        strength[MOUTH.index("round")] = 2.5 if lips else 0.5
        strength[MOUTH.index("spread")] = 1.0 if vowel or shape == "sibilant" else 0.5
        if shape in ("bilabial", "labiodental", "sibilant", "postalveolar"):
            strength[MOUTH.index("jaw")] = 1.6
        if shape == "labiodental":
            strength[MOUTH.index("tuck")] = strength[MOUTH.index("upper")] = 3.0
        if shape == "schwa":
            strength[:] *= 0.5
        reach = 0.055 if vowel else 0.042
        away = np.maximum(np.maximum(start - times, times - end), 0)
        weight = np.exp(-((away / reach) ** 1.5))[:, None] * strength
        total += weight
        track += weight * target
        if shape == "bilabial":
            half = max((end - start) / 2 - 0.008, 0.024)
            away = np.maximum(np.abs(times - (start + end) / 2) - half, 0)
            seal = np.maximum(seal, np.exp(-((away / 0.027) ** 2)))
    track /= total
    track = gaussian_filter1d(track, 0.014 * RATE, axis=0, mode="nearest")
    track[:, MOUTH.index("close")] = np.maximum(np.clip(track[:, MOUTH.index("close")] * 1.1, 0, 1), seal)
    open_now = 1 - seal
    for name in ("upper", "lower", "tuck"):
        track[:, MOUTH.index(name)] *= open_now
    track[:, MOUTH.index("jaw")] *= 1.08 * articulation
    track[:, MOUTH.index("spread")] *= articulation
    track[:, MOUTH.index("round")] *= rounding
    return track
