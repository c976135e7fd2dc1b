"""The sound that goes with a video, and how the channels of sound are mixed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import channel_names, own_rate, stream_channels

RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Samples a second of the sound of videos, those that players know; a file's own if it is one of these."""

DOWNMIX = {"FL": 0.7071, "FR": 0.7071, "FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
"""Weights of channels of more than two in one (ITU-R BS.775); of those not named here SURROUND."""

SURROUND = 0.5
"""Weight of the channels beside and behind the listener."""

STEREO = {"FL": (1.0, 0.0), "FR": (0.0, 1.0), "FC": (0.7071, 0.7071), "LFE": (0.0, 0.0), "LFE2": (0.0, 0.0)}
"""Weights of channels of more than two in the left and the right of two (ITU-R BS.775); of others as their names'
second letter says, L or R, and both of what is in the middle."""

CANCELLED = 0.1
"""Power of the mix over that of the loudest channel's part in it, below which channels cancel each other."""

SILENT = 1e-4
"""Power of a channel over that of the loudest, below which it is silent."""


@dataclass(frozen=True)
class Sound:
    """The sound of a file from `start` seconds to `end`, or to its own end; read when it is wanted, in pieces."""

    path: Path
    start: float = 0.0
    end: float | None = None

    def part(self, start: float, end: float) -> "Sound":
        """What is heard from `start` to `end` seconds after this sound's own start."""
        last = self.start + end
        return Sound(self.path, self.start + start, last if self.end is None else min(last, self.end))

    def mixed(self) -> "Mixed":
        """As it is to be written into a video: one channel, or two that differ, at the file's own rate.

        Of more channels, left and right are mixed; of two of which one is silent, or that cancel each other, there is
        the louder alone. Raises InputError when the file can't be read or has no sound.
        """
        names = channel_names(self.path)
        rate = min((known for known in RATES if known >= own_rate(self.path)), default=RATES[-1])
        if len(names) == 1:
            return Mixed(self, rate, np.ones((1, 1), np.float32))
        alone, _, cancels = _heard(self.path, names, self.start, self.end)
        if cancels or (len(names) == 2 and alone.min() < SILENT * alone.max()):
            return Mixed(self, rate, np.eye(len(names), dtype=np.float32)[None, alone.argmax()])
        weights = np.eye(2) if len(names) == 2 else np.array([_sides(name) for name in names]).T
        return Mixed(self, rate, weights.astype(np.float32))


@dataclass(frozen=True)
class Mixed:
    """A sound at `rate` samples a second, its channels those of the file by weights (1 or 2, C)."""

    sound: Sound
    rate: int
    weights: np.ndarray

    @property
    def channels(self) -> int:
        return len(self.weights)

    def pieces(self) -> Iterator[np.ndarray]:
        """(channels, n) float32, one after the other."""
        for piece in stream_channels(self.sound.path, self.rate, self.sound.start, self.sound.end):
            yield self.weights @ piece


def voice_mix(path: str | Path, start: float | None, end: float | None) -> np.ndarray:
    """The weights (C,) float32 of channels in one that holds the voice, by what they are for; where they cancel each
    other, the loudest alone."""
    names = channel_names(path)
    alone, weights, cancels = _heard(path, names, start, end)
    return np.eye(len(names), dtype=np.float32)[alone.argmax()] if cancels else weights


def _heard(
    path: str | Path, names: tuple[str, ...], start: float | None, end: float | None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """The power of each channel (C,), the weights (C,) of their mix, and whether they cancel each other in it."""
    weights = np.asarray([1.0] * len(names) if len(names) < 3 else [DOWNMIX.get(name, SURROUND) for name in names])
    weights = (weights / weights.sum()).astype(np.float32)
    alone, mixed = np.zeros(len(names)), 0.0
    for piece in stream_channels(path, SAMPLE_RATE, start, end):
        alone += np.square(piece).sum(axis=1)
        mixed += float(np.square(weights @ piece).sum())
    return alone, weights, mixed < CANCELLED * (weights**2 * alone).max()


def _sides(name: str) -> tuple[float, float]:
    """Weights of a channel in left and right."""
    if name in STEREO:
        return STEREO[name]
    if name[-1:] == "L" or name[1:2] == "L":
        return 0.7071, 0.0
    if name[-1:] == "R" or name[1:2] == "R":
        return 0.0, 0.7071
    return 0.5, 0.5
