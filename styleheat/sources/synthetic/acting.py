"""Movements of a talking head apart from speech: turns, facial expressions, gaze, blinks.

Tracks have RATE samples a second. Ranges are those of real people in conversation and of portraits: a clip of two
seconds shows several poses and expressions, because two of its frames make a training pair.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

RATE = 200
"""Samples a second of the tracks before they are sampled at the frames."""
YAW_LIMIT, PITCH_LIMIT, ROLL_LIMIT = 36.0, 26.0, 26.0
"""Limits of the head's angles in degrees."""
TURN_SPEED = 95.0
"""Maximum speed, in degrees a second, of a change of pose, which is added to the head's other movements."""

EXPRESSIONS: dict[str, dict[str, float]] = {
    "smile": {"smile": 0.85, "spread": 0.15},
    "grin": {"smile": 1.0, "upper": 0.6, "lower": 0.45, "spread": 0.3, "squint": 0.45},
    "laugh": {"smile": 0.95, "upper": 0.6, "lower": 0.3, "jaw": 0.7, "squint": 0.7, "brow": 0.25},
    "surprise": {"brow": 1.6, "wide": 0.9, "jaw": 0.35},
    "brows": {"brow": 1.4, "wide": 0.25},
    "worry": {"brow": 0.6, "furrow": 0.8, "frown": 0.5},
    "anger": {"brow": -0.8, "furrow": 1.1, "frown": 0.4, "squint": 0.5},
    "frown": {"frown": 1.2, "furrow": 0.4},
    "pout": {"round": 0.8, "frown": 0.3},
    "doubt": {"cock": 1.0, "sideways": 0.7, "squint": 0.3},
    "smirk": {"sideways": 0.9, "smile": 0.45, "cock": 0.3},
    "sneer": {"sneer": 0.9, "furrow": 0.5, "squint": 0.5, "upper": 0.2},
    "squint": {"squint": 1.0, "furrow": 0.6, "brow": -0.7},
    "drowsy": {"blink": 0.55, "brow": 0.6},
    "stare": {"wide": 1.0},
    "wink": {"wink": 1.0, "smile": 0.3},
}
"""Expressions that are added to the mouth's speech: the values that each adds at full strength."""
GRIMACES: dict[str, dict[str, float]] = {
    "gape": {"jaw": 2.2, "upper": 0.15, "brow": 1.0, "wide": 0.4},
    "shout": {"jaw": 1.7, "spread": 0.5, "upper": 0.6, "lower": 0.5, "squint": 0.4},
    "yawn": {"jaw": 2.1, "squint": 0.5, "blink": 0.6, "brow": 0.5},
    "whistle": {"jaw": 0.25, "round": 1.05},
    "teeth": {"jaw": 0.05, "spread": 0.6, "smile": 0.5, "upper": 0.75, "lower": 0.75},
    "press": {"jaw": 0.08, "close": 1.0, "press": 1.0},
    "shut": {"jaw": 0.04, "close": 1.0},
    "shut smile": {"jaw": 0.04, "close": 1.0, "smile": 0.8},
    "puff": {"jaw": 0.1, "close": 1.0, "puff": 1.0},
    "bite": {"jaw": 0.12, "tuck": 1.0, "upper": 0.3},
}
"""Shapes of the mouth that interrupt its speech."""


def wander(rng: np.random.Generator, samples: int, seconds: float) -> np.ndarray:
    """A smooth random track (samples,) of unit variance whose swings last about `seconds`."""
    width = seconds * RATE / 2.5
    pad = int(4 * width)
    noise = gaussian_filter1d(rng.normal(size=samples + 2 * pad), width)
    return noise[pad : pad + samples] * np.sqrt(2 * np.sqrt(np.pi) * width)


def soft_limit(x: np.ndarray, limit: float) -> np.ndarray:
    """Of values (T,): themselves for small ones, approaching ±limit for large ones."""
    return limit * np.tanh(x / limit)


def pulse(times: np.ndarray, centre: float, rise: float, fall: float) -> np.ndarray:
    """A hill (T,) of height 1 at `centre`, at times (T,); rise and fall are its half widths in seconds."""
    return np.exp(-(((times - centre) / np.where(times < centre, rise, fall)) ** 2))


def _ease(t: np.ndarray) -> np.ndarray:
    """From 0 at t <= 0 to 1 at t >= 1 with the least jerk, as arms and heads move (Flash and Hogan 1985)."""
    t = np.clip(t, 0, 1)
    return t**3 * (10 - 15 * t + 6 * t**2)


def _plateau(times: np.ndarray, start: float, length: float, rise: float) -> np.ndarray:
    """0, then 1 from `start` for `length` seconds, then 0; the slopes last `rise`."""
    return _ease((times - start) / rise) * _ease((start + length - times) / rise)


def head_turns(rng: np.random.Generator, times: np.ndarray, lively: float) -> np.ndarray:
    """Yaw, pitch and roll in degrees (3, samples) of a head that goes from pose to pose.

    How far it goes is one choice a clip: most heads turn moderately, a fair share as far as faces are found.
    """
    seconds = len(times) / RATE
    reach = np.exp(rng.normal(size=3) * 0.5) * np.array([14.0, 8.0, 8.5]) * lively
    middle = rng.normal(size=3) * np.array([5.0, 4.0, 3.5])
    middle[1] += 1.0

    def pose() -> np.ndarray:
        return middle + np.clip(rng.normal(size=3), -2.2, 2.2) * reach

    now = pose()
    track = np.repeat(now[:, None], len(times), 1)
    moment = rng.uniform(-0.2, 0.4)
    while moment < seconds:
        following = pose()
        length = max(rng.uniform(0.3, 0.8), 1.875 * float(np.abs(following - now).max()) / TURN_SPEED)
        track += (following - now)[:, None] * _ease((times - moment) / length)
        now = following
        moment += length + rng.uniform(0.05, 0.6)
    for k, (slow, quick) in enumerate(((2.5, 1.2), (1.5, 0.8), (1.5, 0.6))):
        track[k] += lively * (slow * wander(rng, len(times), 2.0) + quick * wander(rng, len(times), 0.7))
    return track


def expressions(
    rng: np.random.Generator, times: np.ndarray, sealed: np.ndarray, amount: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """A clip's expressions at `times` (samples,): tracks to add to speech, and tracks to replace it.

    sealed (samples,) 0 .. 1: where speech closes the lips, which has priority. amount: 1 is usual, 0 none. Returns two
    dicts of tracks by control and the weight (samples,) 0 .. 1 of the second dict over the mouth's speech.
    """
    seconds = len(times) / RATE
    add: dict[str, np.ndarray] = {}
    instead: dict[str, np.ndarray] = {}
    weight = np.zeros(len(times))
    moment = rng.uniform(-0.3, 0.4)
    while amount > 0 and moment < seconds:
        length = rng.uniform(0.45, 1.3)
        name = str(rng.choice(list(EXPRESSIONS)))
        strength = rng.uniform(0.45, 1.1) * _plateau(times, moment, length, rng.uniform(0.15, 0.35))
        for control, value in EXPRESSIONS[name].items():
            sign = rng.choice([-1.0, 1.0]) if control in ("cock", "sideways", "wink") else 1.0
            add[control] = add.get(control, 0) + sign * value * strength
        moment += length * rng.uniform(0.4, 1.0) + rng.exponential(0.35) / amount
    for _ in range(rng.poisson(0.55 * seconds * min(amount, 1.5)) if amount > 0 else 0):
        length = rng.uniform(0.35, 0.75)
        name = str(rng.choice(list(GRIMACES)))
        # where it covers the fewest closed lips of speech
        starts = rng.uniform(-0.2, max(seconds - 0.3, 0.1), 5)
        costs = [float((sealed * _plateau(times, start, length, 0.1)).sum()) for start in starts]
        track = _plateau(times, starts[int(np.argmin(costs))], length, rng.uniform(0.12, 0.2)) * (1 - sealed)
        track = np.where(weight > 0.02, 0, track)  # one at a time
        track = gaussian_filter1d(track, 0.015 * RATE)
        weight = np.maximum(weight, track)
        full = rng.uniform(0.7, 1.05)
        for control, value in GRIMACES[name].items():
            instead[control] = instead.get(control, 0) + value * full * track
    # values were weighted by their tracks: normalise to full weight
    instead = {control: track / np.maximum(weight, 1e-3) for control, track in instead.items()}
    return add, instead, weight


def gaze(rng: np.random.Generator, times: np.ndarray, yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Where the eyes look, relative to the head: (2, samples) radians to the image's right and up.

    They jump from spot to spot. Most people look near the camera and compensate the head's turn (radians `yaw` and
    `pitch`); the gaze of others turns with the head.
    """
    seconds = len(times) / RATE
    at_camera = rng.random() < 0.65
    restless = float(rng.uniform(0.15, 0.6))
    spots = np.zeros((2, len(times)))
    moment = -0.01
    while moment < seconds:
        away = rng.random() < restless
        size = np.array([15.0, 9.0]) if away else np.array([3.0, 2.0])
        spots[:, times >= moment] = (np.radians(size) * rng.normal(size=2))[:, None]
        moment += rng.uniform(0.25, 0.8) if away else rng.uniform(0.4, 1.6)
    spots = gaussian_filter1d(spots, 0.012 * RATE, axis=1)
    held = 0.9 if at_camera else rng.uniform(-0.1, 0.4)
    return np.stack([soft_limit(spots[0] - held * yaw, 0.55), soft_limit(spots[1] - held * pitch, 0.38)])


def blinks(rng: np.random.Generator, times: np.ndarray, every: float) -> np.ndarray:
    """0 open .. 1 shut (samples,), blinks about `every` seconds apart, some of them slow or twice in a row."""
    seconds = len(times) / RATE
    track = np.zeros(len(times))
    moment = rng.uniform(0.3, min(every, max(seconds - 0.5, 0.4)))
    while moment < seconds:
        slow = rng.uniform(1.0, 1.3) if rng.random() < 0.8 else rng.uniform(1.5, 3.0)
        track = np.maximum(track, np.clip(1.25 * pulse(times, moment, 0.055 * slow, 0.095 * slow), 0, 1))
        moment += 0.32 if rng.random() < 0.12 else float(np.clip(rng.gamma(5.0, every / 5.0), 1.2, 6.0))
    return track
