"""How a head moves while it speaks: lips from phonemes, blinks, brows, gaze and the head's turns.

A motion is a float32 array (frames, len(CONTROLS)), see `controls.CONTROLS`. Frame i is sampled in the middle of its
duration, at (i + 0.5) / 25 s.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.renderer.controls import CONTROLS, INDEX
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
from styleheat.sources.synthetic.mouth import MOUTH, mouth_track
from styleheat.voices import Speech

LIMITS = {
    "jaw": (0.0, 2.2), "round": (0.0, 1.15), "spread": (0.0, 1.1), "smile": (-0.3, 1.1), "upper": (0.0, 1.1),
    "lower": (0.0, 1.1), "brow": (-1.0, 1.7), "furrow": (-0.3, 1.2), "squint": (0.0, 1.0), "wide": (0.0, 1.0),
    "frown": (0.0, 1.2), "sideways": (-1.0, 1.0), "cock": (-1.0, 1.0), "sneer": (0.0, 1.0), "wink": (-1.0, 1.0),
}  # fmt: skip
"""Limits that controls are clipped to, as several causes add up."""


@dataclass(frozen=True)
class MotionStyle:
    """One person's way of moving; 1 is usual for each."""

    articulation: float = 1.0  # amplitude of the mouth's movements
    rounding: float = 1.0
    head: float = 1.0  # amplitude of the head's turns
    nods: float = 1.0
    brows: float = 1.0
    smile: float = 0.1  # resting smile
    blink_every: float = 3.4  # seconds
    lids: float = 0.0  # -0.3 wide open .. 0.3 half shut
    gestures: float = 0.0  # frequency of facial expressions apart from speech; 0 never


def talk(speech: Speech, seconds: float, rng: np.random.Generator, style: MotionStyle | None = None) -> np.ndarray:
    """The motion of a head that says `speech` for `seconds`: (round(seconds * 25), len(CONTROLS)) float32.

    Angles stay within the limits of `acting`.
    """
    style = style or MotionStyle()
    samples = round(seconds * RATE)
    times = (np.arange(samples) + 0.5) / RATE
    tracks = {name: np.zeros(samples) for name in CONTROLS}
    loud = loudness(speech.samples, seconds)
    mouth = mouth_track(speech.phonemes, seconds, style.articulation, style.rounding)
    for k, name in enumerate(MOUTH):
        tracks[name] = mouth[:, k]
    # People articulate more or less within a sentence.
    effort = np.exp(soft_limit(0.35 * style.gestures * wander(rng, samples, 1.0), 0.6))
    tracks["jaw"] = tracks["jaw"] * (0.82 + 0.30 * loud) * effort

    # Stressed syllables: the head nods, sometimes the brows rise.
    stressed = [p.start + 0.04 for p in speech.phonemes if p.stressed and p.start < seconds]
    nods, brows = np.zeros(samples), np.zeros(samples)
    for centre in stressed:
        strength = rng.uniform(0.2, 1.0) * style.nods
        nods += strength * pulse(times, centre + 0.05, 0.10, 0.16)
        if rng.random() < 0.16 * style.brows:
            brows += rng.uniform(0.4, 1.0) * pulse(times, centre, 0.14, 0.30)
    yaw, pitch, roll = head_turns(rng, times, style.head)
    tracks["yaw"] = np.radians(soft_limit(yaw, YAW_LIMIT))
    tracks["pitch"] = np.radians(soft_limit(pitch - 2.0 * nods, PITCH_LIMIT))
    tracks["roll"] = np.radians(soft_limit(roll + 0.12 * yaw, ROLL_LIMIT))
    sway = {name: wander(rng, samples, 2.2) + rng.normal() for name in ("x", "y", "z")}
    tracks["x"] = soft_limit(0.09 * sway["x"] + 0.15 * tracks["yaw"] - 0.10 * tracks["roll"], 0.35)
    tracks["y"] = soft_limit(0.05 * sway["y"] + 0.12 * tracks["pitch"], 0.25)
    tracks["z"] = soft_limit(0.22 * sway["z"], 0.8)

    tracks["brow"] = 1.2 * brows + 0.28 * wander(rng, samples, 1.5)
    tracks["furrow"] = 0.22 * wander(rng, samples, 2.0) + 0.06
    tracks["smile"] = style.smile + 0.27 * wander(rng, samples, 2.4)
    tracks["squint"] = 0.12 + 0.18 * wander(rng, samples, 2.0)
    droop = soft_limit(style.lids + 0.10 * wander(rng, samples, 1.5), 0.4)
    tracks["wide"] = np.clip(-1.2 * droop, 0, 1)
    tracks["sideways"] = 0.10 * wander(rng, samples, 1.2) * min(style.gestures, 1)

    sealed = np.clip((mouth[:, MOUTH.index("close")] - 0.7) / 0.25, 0, 1)
    add, instead, weight = expressions(rng, times, sealed, style.gestures)
    for name in {*MOUTH, *instead}:
        tracks[name] = tracks[name] * (1 - weight) + instead.get(name, 0.0) * weight
    for name, track in add.items():
        if name in MOUTH:
            track = track * (1 - sealed) * (1 - weight)
        tracks[name] = tracks[name] + track
    tracks["gaze_x"], tracks["gaze_y"] = gaze(rng, times, tracks["yaw"], tracks["pitch"])
    shut = np.clip(np.maximum(tracks["blink"], 0) + np.clip(droop, 0, 1), 0, 0.6)
    tracks["blink"] = np.maximum(shut, blinks(rng, times, style.blink_every))
    for name, (low, high) in LIMITS.items():
        tracks[name] = np.clip(tracks[name], low, high)

    frames = round(seconds * FPS)
    at = np.clip(((np.arange(frames) + 0.5) / FPS * RATE).astype(int), 0, samples - 1)
    return np.stack([tracks[name][at] for name in CONTROLS], 1).astype(np.float32)


def loudness(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Level of the samples (N,), about 0 to 1, at RATE samples a second."""
    hop = SAMPLE_RATE // RATE
    count = round(seconds * RATE)
    power = np.zeros(count)
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2
    power[: min(count, len(blocks))] = blocks.mean(1)[:count]
    level = np.sqrt(gaussian_filter1d(power, 0.03 * RATE))
    return level / max(float(np.percentile(level, 95)), 1e-4) if level.max() > 0 else level


assert set(MOUTH) <= set(INDEX)
