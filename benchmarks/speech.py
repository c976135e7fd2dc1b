"""How well lips follow voices: `python -m benchmarks.speech`, with the audio model of params.yaml.

Each voice speaks a paragraph, with the phonemes and times that its synthesiser gives; the model makes a motion of the
audio alone, said by the mean face. Of it, the opening of the lips is measured in the face model's landmarks, in
interocular distances, against what the phonemes' mouth shapes ask for.

Columns. opening: correlation with the phonemes' shapes at lag 0. best, lag: the highest correlation and its lag in
frames, positive where the lips are late. width: correlation of the mouth's width with the shapes' spreading less their
rounding. level: the correlation that the audio's loudness alone has with the opening, the trivial answer. closed: share
of the m, b and p at which the lips come below a quarter of the median opening within a frame. pauses: mean opening in
pauses of 0.3 s and more, as a share of the 95th percentile. range: 95th less 5th percentile of the opening. head: the
head's standard deviation in degrees; beat: alignment of its turns with the syllables.

Below, one voice as other recordings have it: standard deviation of the opening against the plain recording's, and
correlation with it.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from scipy.signal import butter, sosfilt

from styleheat import voices
from styleheat.constants import EXPRESSION, FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.evaluation import speech as scores
from styleheat.evaluation.metrics import MAX_LAG, best_lag, correlation, lag_correlations
from styleheat.inference import speech
from styleheat.inference.animate import load_audio2motion
from styleheat.morphable import coefficients as layout
from styleheat.morphable.measures import interocular_distance, mouth_opening
from styleheat.morphable.model import face_model
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.params import load_params
from styleheat.sources.synthetic.acting import RATE
from styleheat.sources.synthetic.mouth import MOUTH, mouth_track
from styleheat.sources.synthetic.sentences import LANGUAGES, paragraph
from styleheat.voices import PAUSE, Phoneme

HELDOUT = ("jf_nezumi", "jf_tebukuro", "en-us+m4", "en-gb-x-rp+m5", "en-us+belinda", "en+steph")
"""Voices of held-out people alone; neural ones first."""

WORDS, SEED = 60, 11
"""Of the paragraph."""

SILENCE = 1.0
"""Seconds of it in the middle of the paragraph, where everybody draws breath."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speech", description=__doc__.partition("\n")[0])
    parser.add_argument("--voices", nargs="+", metavar="VOICE", help="instead of the held-out ones and five languages")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="instead of infer.audio_models of params.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers into this file")
    args = parser.parse_args()
    names = args.voices or [*HELDOUT, *(f"{language}+m4" for language in LANGUAGES)]
    try:
        model = load_audio2motion(args.models or load_params().infer.audio_models, "cpu")
        with tempfile.TemporaryDirectory() as folder:
            rows = {name: measure(model, name, Path(folder)) for name in names}
            levels = {
                f"{name}, {kind}": row for name in names[:1] for kind, row in recordings(model, name, Path(folder))
            }
    except InputError as error:
        sys.exit(f"speech: {error}")
    if args.json:
        args.json.write_text(json.dumps({"voices": rows, "recordings": levels}, indent=2) + "\n")
    print(table(rows), table(levels), sep="\n\n")


def measure(model: Audio2Motion, voice: str, folder: Path) -> dict[str, float]:
    """One voice's row."""
    samples, phonemes = spoken(voice)
    descriptors = said(model, samples, folder)
    opening, width = lips(descriptors)
    seconds = len(samples) / SAMPLE_RATE
    track = mouth_track(phonemes, seconds)
    at = np.clip(((np.arange(len(opening)) + 0.5) / FPS * RATE).astype(int), 0, len(track) - 1)
    jaw, close, rounded, spread = (track[at, MOUTH.index(name)] for name in ("jaw", "close", "round", "spread"))
    shapes = jaw * (1 - close)
    lags = lag_correlations(opening, shapes)
    lag = best_lag(lags)
    level = scores.level_of(samples, len(opening))
    angles = descriptors[:, layout.DESCRIPTOR_ANGLE].astype(np.float64)
    return {
        "opening": correlation(opening, shapes),
        "best": float(lags[lag + MAX_LAG]),
        "lag": lag,
        "width": correlation(width, spread - rounded),
        "level": correlation(level, shapes),
        "closed": closed(opening, phonemes),
        "pauses": pauses(opening, phonemes),
        "range": scores.opening_range(opening),
        "head": float(np.degrees(angles.std(axis=0)).mean()),
        "beat": scores.beat_alignment(angles, samples),
    }


def recordings(model: Audio2Motion, voice: str, folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """One voice as it may be recorded, against the plain recording."""
    samples, _ = spoken(voice)
    plain = lips(said(model, samples, folder))[0]
    silent, rng = np.zeros_like(samples), np.random.default_rng(SEED)
    noise = rng.standard_normal(len(samples)) * math.sqrt(np.square(samples).mean() / 10)
    telephone = sosfilt(butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE, output="sos"), samples)
    kinds: dict[str, np.ndarray] = {f"{db} dB": samples * 10 ** (db / 20) for db in (-12, -20, -30)}
    kinds["+12 dB, clipped"] = np.clip(samples * 10 ** (12 / 20), -1, 1)
    kinds |= {"left only": np.stack([samples, silent]), "right only": np.stack([silent, samples])}
    kinds |= {"inverted": np.stack([samples, -samples]), "telephone": telephone, "noise, 10 dB": samples + noise}
    kinds["centre of 5.1"] = np.stack([silent, silent, samples, silent, silent, silent])
    for kind, audio in kinds.items():
        opening = lips(said(model, audio, folder))[0]
        yield kind, {"spread": float(opening.std() / plain.std()), "alike": correlation(opening, plain)}


def spoken(voice: str) -> tuple[np.ndarray, tuple[Phoneme, ...]]:
    """A paragraph by a voice, with a pause in it: samples at 16 kHz, and the phonemes."""
    language = voice.partition("+")[0].partition("-")[0]
    language = language if language in LANGUAGES else "en"
    rng = np.random.default_rng(SEED)
    samples: list[np.ndarray] = []
    phonemes: list[Phoneme] = []
    for _ in range(2):
        part = voices.speak(paragraph(rng, WORDS // 2, language), voice).at(SAMPLE_RATE)
        start = sum(map(len, samples)) / SAMPLE_RATE
        phonemes += [Phoneme(p.name, p.start + start, p.end + start, p.stressed) for p in part.phonemes]
        samples += [part.samples, np.zeros(round(SILENCE * SAMPLE_RATE), np.float32)]
    audio = np.concatenate(samples)
    return (0.9 * audio / np.abs(audio).max()).astype(np.float32), tuple(phonemes)


def said(model: Audio2Motion, audio: np.ndarray, folder: Path) -> np.ndarray:
    """What the model makes of audio (N,), or (2,N): descriptors (T,73) of the mean face."""
    path = folder / "audio.wav"
    wavfile.write(path, SAMPLE_RATE, audio.T.astype(np.float32))
    start = np.zeros(73, np.float32)
    start[layout.DESCRIPTOR_CROP] = 1, layout.FRAME_SIZE / 2, layout.FRAME_SIZE / 2
    return speech.from_audio(path, model, speech.SpeechOptions(0, SEED)).motion(start).descriptors


def lips(descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The opening of the inner lips, and the width of the mouth, (T,) in interocular distances, the head upright."""
    coefficients = np.zeros((len(descriptors), 257))
    coefficients[:, layout.EXPRESSION] = descriptors[:, :EXPRESSION]
    landmarks = face_model().landmarks(coefficients)
    width = np.linalg.norm(landmarks[:, 54] - landmarks[:, 48], axis=1) / interocular_distance(landmarks)
    return mouth_opening(landmarks), width


def closed(opening: np.ndarray, phonemes: tuple[Phoneme, ...]) -> float:
    """The share of m, b and p at which lips are closed."""
    limit = scores.CLOSED * np.median(opening)
    met = []
    for phoneme in phonemes:
        if phoneme.name in ("m", "b", "p"):
            middle = round((phoneme.start + phoneme.end) / 2 * FPS - 0.5)
            met.append(opening[max(0, middle - 1) : middle + 2].min(initial=np.inf) < limit)
    return float(np.mean(met)) if met else math.nan


def pauses(opening: np.ndarray, phonemes: tuple[Phoneme, ...]) -> float:
    """Mean opening in pauses, as a share of its 95th percentile; their first and last frames belong to speech."""
    ends = [0.0, *(phoneme.end for phoneme in phonemes if phoneme.name != PAUSE)]
    starts = [*(phoneme.start for phoneme in phonemes if phoneme.name != PAUSE), len(opening) / FPS]
    parts = [
        opening[math.ceil((end + scores.SETTLE) * FPS) : math.floor((start - scores.SETTLE) * FPS)]
        for end, start in zip(ends, starts, strict=True)
        if start - end > scores.PAUSE
    ]
    found = np.concatenate(parts) if parts else np.zeros(0)
    return float(found.mean() / np.percentile(opening, 95)) if len(found) else math.nan


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = (f"{row[column]:.0f}" if column == "lag" else f"{row[column]:.2f}" for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
