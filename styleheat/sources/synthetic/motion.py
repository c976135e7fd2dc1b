"""How a head moves while it speaks: lips from phonemes, blinks, brows, gaze and the head's turns.

A motion is a float32 array (frames, len(CONTROLS)), see `head.CONTROLS`. Frame i is sampled in the middle of the time
it is shown, (i + 0.5) / 25 s.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.sources.synthetic.acting import (
    PITCH_LIMIT,
    RATE,
    ROLL_LIMIT,
    YAW_LIMIT,
    blinks,
    expressions,
    gaze,
    head_turns,
    pulse,
    soft_limit,
    wander,
)
from styleheat.sources.synthetic.head import CONTROLS, INDEX
from styleheat.sources.synthetic.speech import Phoneme, Speech

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


LIMITS = {
    "jaw": (0.0, 2.2), "round": (0.0, 1.15), "spread": (0.0, 1.1), "smile": (-0.3, 1.1), "upper": (0.0, 1.1),
    "lower": (0.0, 1.1), "brow": (-1.0, 1.7), "furrow": (-0.3, 1.2), "squint": (0.0, 1.0), "wide": (0.0, 1.0),
    "frown": (0.0, 1.2), "sideways": (-1.0, 1.0), "cock": (-1.0, 1.0), "sneer": (0.0, 1.0), "wink": (-1.0, 1.0),
}  # fmt: skip
"""The least and the most that controls get, where several causes add up."""


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
    lids: float = 0.0  # -0.3 wide open .. 0.3 half shut
    gestures: float = 0.0  # how often the face does something that speech doesn't ask for; 0 never


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


def talk(speech: Speech, seconds: float, rng: np.random.Generator, manner: Manner | None = None) -> np.ndarray:
    """The motion of a head that says `speech` for `seconds`: (round(seconds * 25), len(CONTROLS)) float32.

    Angles stay within the limits of `acting`.
    """
    manner = manner or Manner()
    samples = round(seconds * RATE)
    times = (np.arange(samples) + 0.5) / RATE
    tracks = {name: np.zeros(samples) for name in CONTROLS}
    loud = loudness(speech.samples, seconds)
    mouth = mouth_track(speech.phonemes, seconds, manner)
    for k, name in enumerate(MOUTH):
        tracks[name] = mouth[:, k]
    # People speak up and mumble within a sentence.
    effort = np.exp(soft_limit(0.35 * manner.gestures * wander(rng, samples, 1.0), 0.6))
    tracks["jaw"] = tracks["jaw"] * (0.82 + 0.30 * loud) * effort

    # Stressed syllables: the head nods, sometimes the brows rise.
    stressed = [p.start + 0.04 for p in speech.phonemes if p.name.startswith("'") and p.start < seconds]
    nods, brows = np.zeros(samples), np.zeros(samples)
    for centre in stressed:
        strength = rng.uniform(0.2, 1.0) * manner.nods
        nods += strength * pulse(times, centre + 0.05, 0.10, 0.16)
        if rng.random() < 0.16 * manner.brows:
            brows += rng.uniform(0.4, 1.0) * pulse(times, centre, 0.14, 0.30)
    yaw, pitch, roll = head_turns(rng, times, manner.head)
    tracks["yaw"] = np.radians(soft_limit(yaw, YAW_LIMIT))
    tracks["pitch"] = np.radians(soft_limit(pitch - 2.0 * nods, PITCH_LIMIT))
    tracks["roll"] = np.radians(soft_limit(roll + 0.12 * yaw, ROLL_LIMIT))
    sway = {name: wander(rng, samples, 2.2) + rng.normal() for name in ("x", "y", "z")}
    tracks["x"] = soft_limit(0.09 * sway["x"] + 0.15 * tracks["yaw"] - 0.10 * tracks["roll"], 0.35)
    tracks["y"] = soft_limit(0.05 * sway["y"] + 0.12 * tracks["pitch"], 0.25)
    tracks["z"] = soft_limit(0.22 * sway["z"], 0.8)

    tracks["brow"] = 1.2 * brows + 0.28 * wander(rng, samples, 1.5)
    tracks["furrow"] = 0.22 * wander(rng, samples, 2.0) + 0.06
    tracks["smile"] = manner.smile + 0.27 * wander(rng, samples, 2.4)
    tracks["squint"] = 0.12 + 0.18 * wander(rng, samples, 2.0)
    droop = soft_limit(manner.lids + 0.10 * wander(rng, samples, 1.5), 0.4)
    tracks["wide"] = np.clip(-1.2 * droop, 0, 1)
    tracks["sideways"] = 0.10 * wander(rng, samples, 1.2) * min(manner.gestures, 1)

    sealed = np.clip((mouth[:, MOUTH.index("close")] - 0.7) / 0.25, 0, 1)
    add, instead, weight = expressions(rng, times, sealed, manner.gestures)
    for name in {*MOUTH, *instead}:
        tracks[name] = tracks[name] * (1 - weight) + instead.get(name, 0.0) * weight
    for name, track in add.items():
        if name in MOUTH:
            track = track * (1 - sealed) * (1 - weight)
        tracks[name] = tracks[name] + track
    tracks["gaze_x"], tracks["gaze_y"] = gaze(rng, times, tracks["yaw"], tracks["pitch"])
    shut = np.clip(np.maximum(tracks["blink"], 0) + np.clip(droop, 0, 1), 0, 0.6)
    tracks["blink"] = np.maximum(shut, blinks(rng, times, manner.blink_every))
    for name, (low, high) in LIMITS.items():
        tracks[name] = np.clip(tracks[name], low, high)

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
