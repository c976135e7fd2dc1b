"""Audio tracks that are copied into videos, and how channels are mixed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import channel_names, own_rate, stream_channels

RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates of the audio of written videos: the lowest that is not below the file's own."""

DOWNMIX = {"FL": 0.7071, "FR": 0.7071, "FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
"""Weights in a mono mix of more than two channels (ITU-R BS.775); SURROUND for channels not listed."""

SURROUND = 0.5
"""Weight of the channels beside and behind the listener."""

STEREO = {"FL": (1.0, 0.0), "FR": (0.0, 1.0), "FC": (0.7071, 0.7071), "LFE": (0.0, 0.0), "LFE2": (0.0, 0.0)}
"""Left and right weights in a stereo mix of more than two channels (ITU-R BS.775); of others by `_sides`."""

CANCELLED = 0.1
"""Channels count as cancelling each other below this ratio of the mix's power to that of the loudest channel in it."""

SILENT = 1e-4
"""A channel counts as silent below this ratio of its power to that of the loudest."""


@dataclass(frozen=True)
class AudioTrack:
    """The audio of a file from `start` to `end` seconds, None for its own end; read lazily, in chunks."""

    path: Path
    start: float = 0.0
    end: float | None = None

    def part(self, start: float, end: float) -> "AudioTrack":
        """The part from `start` to `end` seconds after this track's own start."""
        last = self.start + end
        return AudioTrack(self.path, self.start + start, last if self.end is None else min(last, self.end))

    def mixed(self) -> "MixedTrack":
        """The track for writing it into a video: mono or stereo, at the file's own rate where RATES has it.

        More than two channels are mixed to stereo. Of two channels of which one is silent, or of channels that cancel
        each other, only the loudest is taken. Raises InputError when the file can't be read or has no audio.
        """
        names = channel_names(self.path)
        rate = min((known for known in RATES if known >= own_rate(self.path)), default=RATES[-1])
        if len(names) == 1:
            return MixedTrack(self, rate, np.ones((1, 1), np.float32))
        alone, _, cancels = _powers(self.path, names, self.start, self.end)
        if cancels or (len(names) == 2 and alone.min() < SILENT * alone.max()):
            return MixedTrack(self, rate, np.eye(len(names), dtype=np.float32)[None, alone.argmax()])
        weights = np.eye(2) if len(names) == 2 else np.array([_sides(name) for name in names]).T
        return MixedTrack(self, rate, weights.astype(np.float32))


@dataclass(frozen=True)
class MixedTrack:
    """A track at `rate` samples a second, mixed from the file's C channels by weights (1 or 2, C)."""

    track: AudioTrack
    rate: int
    weights: np.ndarray

    @property
    def channels(self) -> int:
        return len(self.weights)

    def pieces(self) -> Iterator[np.ndarray]:
        """Chunks (channels, n) float32, in order."""
        for piece in stream_channels(self.track.path, self.rate, self.track.start, self.track.end):
            yield self.weights @ piece


def voice_mix(path: str | Path, start: float | None, end: float | None) -> np.ndarray:
    """The weights (C,) float32 that mix a file's channels to the voice; where the channels cancel each other, only the
    loudest has one. Raises InputError as `AudioTrack.mixed`."""
    names = channel_names(path)
    alone, weights, cancels = _powers(path, names, start, end)
    return np.eye(len(names), dtype=np.float32)[alone.argmax()] if cancels else weights


def _powers(
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
    """Left and right weight of a channel, by the L or R in its name; both for others."""
    if name in STEREO:
        return STEREO[name]
    if name[-1:] == "L" or name[1:2] == "L":
        return 0.7071, 0.0
    if name[-1:] == "R" or name[1:2] == "R":
        return 0.0, 0.7071
    return 0.5, 0.5
