"""What training draws from an LMDB: pairs of frames, and stretches of clips with audio.

A data set here maps any index ≥ 0 to a sample, always the same one for a seed: a training that resumes at step s asks
for the indices it would have asked for. All persons are drawn equally often, however many clips they have.

Samples hold images as they are decoded, uint8 in HWC order: they take a quarter of the memory of float32 on their way
from the loader's processes, and are converted on the training's device.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from styleheat.clips.store import ClipStore
from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.media.augment import FORMANTS, SPEEDS, augment, played, stretched
from styleheat.media.mel import speech_windows
from styleheat.morphable.coefficients import DESCRIPTOR_EXPRESSION, FRAME_SIZE, descriptor, window_indices
from styleheat.morphable.geometry import Geometry, mirror_field
from styleheat.morphable.measures import blink_track, mirror_landmarks
from styleheat.morphable.model import face_model

ITEMS = frozenset(
    f"{role}{item}" for role in ("source", "target") for item in ("", "_align", "_window", "_landmarks", "_geometry")
)
"""What can be read of a pair."""

DRAWS = 1 << 62
"""The item "draw" of a sample is below this."""


class FramePairs(Dataset):
    """Two different frames of one clip, the source and the target.

    A sample is a dict of those of the following items that are read
    source, target: uint8 RGB (H, H, 3), frames in the clip's own crop;
    source_align, target_align: uint8 RGB (A, A, 3), the frames aligned as FFHQ's images are, in the size they were
    packed in;
    source_window, target_window: float32 (73, 27), the descriptors around them;
    source_landmarks, target_landmarks: float32 (68, 2), in pixels of source and target;
    target_geometry, source_geometry: float32 (3, GRID, GRID), the face model's flow from the other frame to this one
    (`morphable.geometry`), which is right only for coefficients of our own face model;
    and always
    clip: its name;
    draw: a random integer in [0, DRAWS), from which training derives what is random about this sample.
    """

    def __init__(
        self, store: ClipStore, split: str, image_size: int, *, seed: int, reads: Iterable[str], mirror: bool = False
    ) -> None:
        """image_size: H; frames of another size are scaled. reads: the items of a sample, names from ITEMS; nothing
        else is decoded or computed. mirror: mirror half of the pairs, descriptors too, which is right only for
        coefficients of our own face model (back end `fit`).

        Raises InputError when the split has no clip of two frames, ValueError for an unknown item.
        """
        self.reads = tuple(reads)
        unknown = sorted(set(self.reads) - ITEMS)
        if unknown:
            raise ValueError(f"reads: {', '.join(unknown)}: no items of a pair; these are: {', '.join(sorted(ITEMS))}")
        self.store, self.image_size, self.seed, self.mirror = store, image_size, seed, mirror
        lengths = {clip: store.length(clip) for clip in store.clips(split)}
        self._draw = _ClipDraw(store, split, {clip: length for clip, length in lengths.items() if length >= 2})
        self._lengths = lengths

    def descriptor_statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (73,) of the descriptors of all frames; a deviation is never below 0.001."""
        every = np.concatenate([descriptor(self.store.coefficients(clip)) for clip in self._lengths])
        return torch.from_numpy(every.mean(0)), torch.from_numpy(np.maximum(every.std(0), 1e-3))

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, index])
        clip = self._draw(rng)
        source, target = (int(frame) for frame in rng.choice(self._lengths[clip], 2, replace=False))
        mirrored = self.mirror and bool(rng.integers(2))
        sample: dict[str, Any] = {"clip": clip, "draw": int(rng.integers(DRAWS))}
        for name in self.reads:
            role, _, item = name.partition("_")
            frame, other = (source, target) if role == "source" else (target, source)
            if item == "geometry":
                sample[name] = torch.from_numpy(self._geometry(clip, other, frame, mirrored))
            else:
                sample[name] = torch.from_numpy(self._read(item, clip, frame, mirrored))
        return sample

    def _geometry(self, clip: str, source: int, target: int, mirrored: bool) -> np.ndarray:
        """The flow that moves one frame to another."""
        own, driving = (self.store.coefficients(clip, slice(frame, frame + 1)) for frame in (source, target))
        landmarks = self.store.landmarks(clip, slice(source, source + 1))[0]
        field = Geometry(own[0], landmarks, self.store.size)(descriptor(driving)[0])
        return mirror_field(field) if mirrored else field

    def _read(self, item: str, clip: str, frame: int, mirrored: bool) -> np.ndarray:
        """One item of a frame: "" is the frame itself."""
        match item:
            case "window":
                return self._window(clip, frame, mirrored)
            case "landmarks":
                landmarks = self.store.landmarks(clip, slice(frame, frame + 1))[0]
                landmarks *= np.float32(self.image_size / FRAME_SIZE)
                return mirror_landmarks(landmarks, self.image_size) if mirrored else landmarks
            case "align":
                image = self.store.aligned(clip, frame)
            case _:
                image = _scale(self.store.frame(clip, frame), self.image_size)
        return cv2.flip(image, 1) if mirrored else image

    def _window(self, clip: str, frame: int, mirrored: bool) -> np.ndarray:
        descriptors = descriptor(self.store.coefficients(clip, window_indices(frame, self._lengths[clip])))
        if mirrored:
            descriptors = face_model().mirror_descriptor(descriptors, self.store.size)
        return np.ascontiguousarray(descriptors.T)


class Mixture(Dataset):
    """Several data sets taken in turn: index i is sample i // n of set i % n."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = list(datasets)

    def __getitem__(self, index: int) -> Any:
        return self.datasets[index % len(self.datasets)][index // len(self.datasets)]


def sounding(store: ClipStore, split: str) -> list[str]:
    """The clips of a split that have audio."""
    return [clip for clip in store.clips(split) if store.has_audio(clip)]


class SpeechClips(Dataset):
    """Stretches of clips with audio: mel windows, and what the face does.

    A sample is a dict of
    mel: float32 (F, 1, 80, 16), the mel window of each frame;
    descriptors: float32 (F, 73);
    reference: float32 (64,), the expression in another frame of the clip, any one;
    blink: float32 (F,), how far the eyes are closed, 0 to 1;
    person: the number of the person among the split's, for the style of movement;
    clip: its name;
    draw: a random integer in [0, DRAWS), from which training derives what is random about this sample.
    """

    def __init__(self, store: ClipStore, split: str, frames: int, *, seed: int, augment: bool = False) -> None:
        """frames: F. augment: vary the voice's timbre and speed, and the audio mixed in (`media.augment`).

        Raises InputError when the split has no clip with audio of so many frames.
        """
        self.store, self.frames, self.seed, self.augment = store, frames, seed, augment
        lengths = {clip: store.length(clip) for clip in sounding(store, split)}
        self._lengths = {clip: length for clip, length in lengths.items() if length >= frames}
        if not self._lengths:
            longest = f"the longest clip with audio has {max(lengths.values())}" if lengths else "no clip has audio"
            raise InputError(
                f"{store.folder}: speech is learnt from clips of {frames} frames or more, and of those in "
                f"{split}_list.txt {longest}; add videos in which people talk, with their audio"
            )
        self._draw = _ClipDraw(store, split, self._lengths)
        self._numbers = {person: number for number, person in enumerate(self.persons)}

    @property
    def persons(self) -> list[str]:
        """The persons, in the order of their numbers."""
        return self._draw.persons

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, index])
        clip = self._draw(rng)
        length = self._lengths[clip]
        fastest = min(SPEEDS[1], length / self.frames)
        speed = float(rng.uniform(SPEEDS[0], fastest)) if self.augment and rng.random() < 0.5 else 1.0
        start = int(rng.integers(length - math.ceil(speed * self.frames) + 1))
        descriptors = descriptor(self.store.coefficients(clip))
        return {
            "mel": torch.from_numpy(self._mel_windows(clip, start, speed, rng)),
            "descriptors": torch.from_numpy(self._seen(descriptors, start, speed)),
            "reference": torch.from_numpy(descriptors[rng.integers(length), DESCRIPTOR_EXPRESSION].copy()),
            "blink": torch.from_numpy(self._seen(_blink_track(self.store, clip), start, speed)),
            "person": self._numbers[self.store.person(clip)],
            "clip": clip,
            "draw": int(rng.integers(DRAWS)),
        }

    def _seen(self, track: np.ndarray, start: int, speed: float) -> np.ndarray:
        """What a track (T, …) of the clip has at the frames of a stretch, played `speed` times as fast."""
        if speed == 1:
            return track[start : start + self.frames].copy()
        place = np.clip(start + speed * (np.arange(self.frames) + 0.5) - 0.5, 0, len(track) - 1)
        before = np.minimum(place.astype(int), len(track) - 2)
        share = (place - before).reshape(-1, *(1,) * (track.ndim - 1))
        return ((1 - share) * track[before] + share * track[before + 1]).astype(np.float32)

    def _mel_windows(self, clip: str, start: int, speed: float, rng: np.random.Generator) -> np.ndarray:
        """The mel windows of a stretch, (F, 1, 80, 16)."""
        audio = self.store.audio(clip)
        if not self.augment:
            return speech_windows(audio, self.frames, start)
        stretch = self._cut(audio, start, speed)
        others = None
        if rng.random() < 0.3:
            other = self.store.audio(self._draw(rng))
            others = np.resize(np.roll(other, int(rng.integers(len(other)))), len(stretch))
        windows = speech_windows(augment(stretch, rng, others), self.frames, MARGIN)
        return stretched(windows, float(rng.uniform(*FORMANTS))) if rng.random() < 0.5 else windows

    def _cut(self, audio: np.ndarray, start: int, speed: float) -> np.ndarray:
        """Samples of a stretch and of MARGIN frames before and after it."""
        frame = SAMPLE_RATE / FPS
        return played(audio, (start - speed * MARGIN) * frame, speed, round((self.frames + 2 * MARGIN) * frame))


MARGIN = 5
"""Frames of audio that are augmented before and after a stretch: more than its mel windows cover."""


@lru_cache(maxsize=4096)
def _blink_track(store: ClipStore, clip: str) -> np.ndarray:
    """`blink_track` of a clip, float32 (T,).

    Cached, as it depends on the eyes' usual opening over the clip: 4 bytes a frame, 16 MB for clips of 1024 frames.
    """
    return blink_track(store.landmarks(clip)).astype(np.float32)


class _ClipDraw:
    """Draws a person, then one of the person's clips."""

    def __init__(self, store: ClipStore, split: str, clips: dict[str, int]) -> None:
        self._clips: dict[str, list[str]] = {}
        for clip in sorted(clips):
            self._clips.setdefault(store.person(clip), []).append(clip)
        self.persons = sorted(self._clips)
        if not self.persons:
            raise InputError(f"{store.folder}: no usable clip in {split}_list.txt; more or longer videos are needed")

    def __call__(self, rng: np.random.Generator) -> str:
        clips = self._clips[self.persons[rng.integers(len(self.persons))]]
        return clips[rng.integers(len(clips))]


def _scale(image: np.ndarray, size: int) -> np.ndarray:
    """A square image scaled to `size` pixels."""
    if image.shape[0] == size:
        return image
    way = cv2.INTER_AREA if size < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=way)
