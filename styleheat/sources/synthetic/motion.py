"""How a head moves while it speaks: lips from phonemes, blinks, brows, gaze and the head's turns.

A motion is a float32 array (frames, len(CONTROLS)), see `head.CONTROLS`. Frame i is sampled in the middle of the time
it is shown, (i + 0.5) / 25 s.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.sources.synthetic.head import CONTROLS, INDEX
from styleheat.sources.synthetic.speech import Phoneme, Speech

RATE = 200
"""Samples a second of the tracks before they are sampled at the frames."""

LEAD = 0.02
"""Seconds that the mouth's shapes are ahead of eSpeak's phoneme times, which come late against its sound: with this,
the mouth's opening and the sound's level correlate best within half a frame of no lag."""

MOUTH = ("jaw", "close", "round", "spread", "upper", "lower", "tuck", "tongue", "press")
VISEMES: dict[str, dict[str, float]] = {
    "rest": {"jaw": 0.03, "close": 0.9},
    "pause": {"jaw": 0.07, "close": 0.5},
    "bilabial": {"jaw": 0.10, "close": 1.0, "press": 0.35},
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
"""Mouth shapes; what one leaves out is 0."""

# Phonemes of eSpeak's English voices, by name without stress marks; two shapes are a diphthong's start and end.
_PHONEMES: dict[str, tuple[str, ...]] = {
    "bilabial": ("p", "b", "m"),
    "labiodental": ("f", "v"),
    "dental": ("T", "D"),
    "alveolar": ("t", "d", "n", "t#", "t2"),
    "lateral": ("l",),
    "sibilant": ("s", "z"),
    "postalveolar": ("S", "Z", "tS", "dZ"),
    "velar": ("k", "g", "N", "h", "x"),
    "rhotic": ("r", "r-"),
    "w": ("w", "w#"),
    "j": ("j", ";"),
    "u": ("u:", "u", "uI"),
    "U": ("U", "U@"),
    "i": ("i:", "i"),
    "I": ("I", "I2", "I#"),
    "E": ("E", "e", "e@"),
    "ae": ("a", "aa"),
    "a": ("A:", "A", "A@", "0", "02"),
    "V": ("V", "VR"),
    "schwa": ("@", "@2", "@-", "@5", "@L", "a#"),
    "O": ("O:", "O", "O2", "O@"),
    "o": ("o@", "o"),
    "er": ("3:", "3"),
    "pause": ("_:", "_", "_!", "_|"),
}
SHAPE_OF = {name: (shape,) for shape, names in _PHONEMES.items() for name in names} | {
    "aI": ("a", "I"),
    "aI2": ("a", "I"),
    "aI@": ("a", "schwa"),
    "aU": ("a", "U"),
    "eI": ("E", "i"),
    "OI": ("O", "I"),
    "oU": ("O", "u"),
    "i@3": ("i", "er"),
    "i@": ("i", "schwa"),
    "U@": ("U", "schwa"),
}


@dataclass(frozen=True)
class Manner:
    """One person's way of moving; 1 is usual for each."""

    articulation: float = 1.0  # how far the mouth goes
    rounding: float = 1.0
    head: float = 1.0  # amplitude of the head's turns
    nods: float = 1.0
    brows: float = 1.0
    smile: float = 0.1  # resting smile
    blink_every: float = 3.4  # seconds


def shapes_of(phoneme: Phoneme) -> tuple[str, ...]:
    """The mouth shapes of a phoneme, one or two; unknown sounds are taken by their first letter, else as a schwa."""
    name = phoneme.name.lstrip("',=%")
    return SHAPE_OF.get(name) or SHAPE_OF.get(name[:1]) or ("schwa",)


def mouth_track(phonemes: tuple[Phoneme, ...], seconds: float, manner: Manner) -> np.ndarray:
    """The mouth's controls, (samples at RATE, len(MOUTH)).

    Neighbouring sounds overlap: each sound's target counts by a weight that rises before and falls after it
    (dominance functions, Cohen and Massaro 1993). Sounds made with the lips dominate the lips, and are reached whole.
    """
    times = (np.arange(round(seconds * RATE)) + 0.5) / RATE + LEAD
    events: list[tuple[str, float, float]] = []
    clock = 0.0
    for phoneme in phonemes:
        shapes = shapes_of(phoneme)
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
        vowel = shape in ("a", "ae", "E", "V", "O", "o", "i", "I", "u", "U", "er", "schwa")
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
    track[:, MOUTH.index("jaw")] *= 1.08 * manner.articulation
    track[:, MOUTH.index("spread")] *= manner.articulation
    track[:, MOUTH.index("round")] *= manner.rounding
    return track


def _wander(rng: np.random.Generator, samples: int, seconds: float) -> np.ndarray:
    """A smooth random track of unit variance whose swings last about `seconds`."""
    width = seconds * RATE / 2.5
    pad = int(4 * width)
    noise = gaussian_filter1d(rng.normal(size=samples + 2 * pad), width)
    return noise[pad : pad + samples] * np.sqrt(2 * np.sqrt(np.pi) * width)


def _soft_limit(x: np.ndarray, limit: float) -> np.ndarray:
    return limit * np.tanh(x / limit)


def _pulse(times: np.ndarray, centre: float, rise: float, fall: float) -> np.ndarray:
    return np.exp(-(((times - centre) / np.where(times < centre, rise, fall)) ** 2))


def talk(speech: Speech, seconds: float, rng: np.random.Generator, manner: Manner | None = None) -> np.ndarray:
    """The motion of a head that says `speech` for `seconds`: (round(seconds * 25), len(CONTROLS)) float32.

    Angles stay within 26° (yaw), 15° (pitch) and 10° (roll).
    """
    manner = manner or Manner()
    samples = round(seconds * RATE)
    times = (np.arange(samples) + 0.5) / RATE
    tracks = {name: np.zeros(samples) for name in CONTROLS}
    loud = loudness(speech.samples, seconds)
    mouth = mouth_track(speech.phonemes, seconds, manner)
    for k, name in enumerate(MOUTH):
        tracks[name] = mouth[:, k]
    tracks["jaw"] = tracks["jaw"] * (0.82 + 0.30 * loud)

    # Stressed syllables: the head nods, sometimes the brows rise.
    stressed = [p.start + 0.04 for p in speech.phonemes if p.name.startswith("'") and p.start < seconds]
    nods, brows = np.zeros(samples), np.zeros(samples)
    for centre in stressed:
        strength = rng.uniform(0.2, 1.0) * manner.nods
        nods += strength * _pulse(times, centre + 0.05, 0.10, 0.16)
        if rng.random() < 0.16 * manner.brows:
            brows += rng.uniform(0.4, 1.0) * _pulse(times, centre, 0.14, 0.30)
    degrees = np.pi / 180
    lively = manner.head
    yaw = 8.0 * lively * _wander(rng, samples, 2.2) + 2.5 * lively * _wander(rng, samples, 0.75) + rng.normal() * 3
    pitch = (
        3.6 * lively * _wander(rng, samples, 1.9)
        + 1.3 * lively * _wander(rng, samples, 0.6)
        - 2.0 * nods
        + rng.normal()
    )
    roll = 2.4 * lively * _wander(rng, samples, 2.0) + 0.8 * lively * _wander(rng, samples, 0.8) + 0.12 * yaw
    tracks["yaw"] = _soft_limit(yaw, 26) * degrees
    tracks["pitch"] = _soft_limit(pitch + 0.8, 15) * degrees
    tracks["roll"] = _soft_limit(roll, 10) * degrees
    tracks["x"] = _soft_limit(0.07 * _wander(rng, samples, 2.5) + 0.6 * tracks["yaw"] * 0.25 + 0.05 * rng.normal(), 0.3)
    tracks["y"] = _soft_limit(0.035 * _wander(rng, samples, 2.2) + 0.12 * tracks["pitch"] + 0.04 * rng.normal(), 0.2)
    tracks["z"] = _soft_limit(0.12 * _wander(rng, samples, 3.0) + 0.15 * rng.normal(), 0.5)

    tracks["brow"] = np.clip(0.9 * brows + 0.12 * _wander(rng, samples, 1.5), -0.35, 1.0)
    tracks["furrow"] = np.clip(0.18 * _wander(rng, samples, 2.0) + 0.05, 0, 0.8)
    tracks["smile"] = np.clip(manner.smile + 0.22 * _wander(rng, samples, 2.4), -0.15, 0.85)
    tracks["squint"] = np.clip(0.12 + 0.15 * _wander(rng, samples, 2.0), 0, 0.7)

    # The eyes look near the camera: they make up for the head's turn and jump to another spot now and then.
    spot_x, spot_y = np.zeros(samples), np.zeros(samples)
    moment = rng.uniform(0.3, 1.2)
    while moment < seconds:
        away = rng.random() < 0.25
        width, height = (14, 7) if away else (3, 2)
        spot_x[times >= moment] = rng.normal() * width * degrees
        spot_y[times >= moment] = rng.normal() * height * degrees
        moment += rng.uniform(0.3, 0.9) if away else rng.uniform(0.7, 2.2)
    jump = 0.012 * RATE
    tracks["gaze_x"] = _soft_limit(gaussian_filter1d(spot_x, jump) - 0.9 * tracks["yaw"], 0.48)
    tracks["gaze_y"] = _soft_limit(gaussian_filter1d(spot_y, jump) - 0.9 * tracks["pitch"], 0.33)

    blink = np.zeros(samples)
    moment = rng.uniform(0.3, min(manner.blink_every, max(seconds - 0.5, 0.4)))
    while moment < seconds:
        blink = np.maximum(blink, np.clip(1.25 * _pulse(times, moment, 0.055, 0.095), 0, 1))
        moment += np.clip(rng.gamma(5.0, manner.blink_every / 5.0), 1.6, 6.0)
    tracks["blink"] = blink

    frames = round(seconds * FPS)
    at = np.clip(((np.arange(frames) + 0.5) / FPS * RATE).astype(int), 0, samples - 1)
    return np.stack([tracks[name][at] for name in CONTROLS], 1).astype(np.float32)


def loudness(samples: np.ndarray, seconds: float) -> np.ndarray:
    """The sound's level, 0 to 1, at RATE."""
    hop = SAMPLE_RATE // RATE
    count = round(seconds * RATE)
    power = np.zeros(count)
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2
    power[: min(count, len(blocks))] = blocks.mean(1)[:count]
    level = np.sqrt(gaussian_filter1d(power, 0.03 * RATE))
    return level / max(float(np.percentile(level, 95)), 1e-4) if level.max() > 0 else level


assert set(MOUTH) <= set(INDEX)
