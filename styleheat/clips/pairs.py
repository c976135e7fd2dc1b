"""What training draws from an LMDB: pairs of frames, and stretches of speech.

A data set here maps any index ≥ 0 to a sample, always the same one for a seed: a training that goes on at step s asks
for the indices it would have asked for. Persons are drawn alike, however many clips they have.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from styleheat.clips.store import ClipStore, person_of
from styleheat.errors import InputError
from styleheat.media.mel import mel_windows
from styleheat.morphable.coefficients import FRAME_SIZE, descriptor, window
from styleheat.morphable.model import blink_track, face_model, mirror_landmarks


class FramePairs(Dataset):
    """Two different frames of one clip, the source and the target.

    A sample is a dict of
    source, target: (3, H, H) float32 in [-1, 1], frames in the clip's own crop;
    source_window, target_window: (73, 27) descriptors around them;
    source_landmarks, target_landmarks: (68, 2) float32 in pixels of these;
    source_align: (3, A, A), the source frame aligned as FFHQ's pictures are, of the size it was packed in;
    clip: its name.
    """

    def __init__(self, store: ClipStore, split: str, image_size: int, *, seed: int, mirror: bool = False) -> None:
        """image_size: H; frames of another size are scaled. mirror: turn half of the pairs over, descriptors too,
        which is right only for coefficients of our own face model (back end `fit`).

        Raises InputError when the split has no clip of two frames.
        """
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

        descriptors = descriptor(self.store.coefficients(clip))
        landmarks = self.store.landmarks(clip)[[source, target]] * np.float32(self.image_size / FRAME_SIZE)
        if mirrored:
            descriptors = face_model().mirror_descriptor(descriptors, self.store.size)
            landmarks = mirror_landmarks(landmarks, self.image_size)
        return {
            "source": self._image(self.store.frame(clip, source), mirrored),
            "target": self._image(self.store.frame(clip, target), mirrored),
            "source_align": to_tensor(_flip(self.store.aligned(clip, source), mirrored)),
            "source_window": _window(descriptors, source),
            "target_window": _window(descriptors, target),
            "source_landmarks": torch.from_numpy(landmarks[0]),
            "target_landmarks": torch.from_numpy(landmarks[1]),
            "clip": clip,
        }

    def _image(self, image: np.ndarray, mirrored: bool) -> torch.Tensor:
        if image.shape[0] != self.image_size:
            smaller = self.image_size < image.shape[0]
            way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            image = cv2.resize(image, (self.image_size, self.image_size), interpolation=way)
        return to_tensor(_flip(image, mirrored))


class Mixture(Dataset):
    """Several data sets taken in turn: index i is sample i // n of set i % n."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = list(datasets)

    def __getitem__(self, index: int) -> Any:
        return self.datasets[index % len(self.datasets)][index // len(self.datasets)]


def sounding(store: ClipStore, split: str) -> list[str]:
    """The clips of a split that have sound."""
    return [clip for clip in store.clips(split) if store.mel(clip) is not None]


class SpeechClips(Dataset):
    """Stretches of clips with sound, what is heard beside what the face does.

    A sample is a dict of
    mel: (F, 1, 80, 16) float32, what each frame hears;
    descriptors: (F, 73) float32; the first frame is the stretch's;
    blink: (F,) float32, how far the eyes are closed, 0 to 1;
    person: the number of the person among the split's, for the style of movement;
    clip: its name.
    """

    def __init__(self, store: ClipStore, split: str, frames: int, *, seed: int) -> None:
        """frames: F. Raises InputError when the split has no clip with sound of so many frames."""
        self.store, self.frames, self.seed = store, frames, seed
        lengths = {clip: store.length(clip) for clip in sounding(store, split)}
        self._lengths = {clip: length for clip, length in lengths.items() if length >= frames}
        if not self._lengths:
            longest = f"the longest clip with sound has {max(lengths.values())}" if lengths else "no clip has sound"
            raise InputError(
                f"{store.folder}: speech is learnt from clips of {frames} frames or more, and of those in "
                f"{split}_list.txt {longest}; add videos in which people talk, with their sound"
            )
        self._draw = _ClipDraw(store, split, self._lengths)

    @property
    def persons(self) -> list[str]:
        """The persons, in the order of their numbers."""
        return self._draw.persons

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, index])
        clip = self._draw(rng)
        length = self._lengths[clip]
        start = int(rng.integers(length - self.frames + 1))
        stretch = slice(start, start + self.frames)
        mel = self.store.mel(clip)
        assert mel is not None
        return {
            "mel": torch.from_numpy(mel_windows(mel, length)[stretch]),
            "descriptors": torch.from_numpy(descriptor(self.store.coefficients(clip))[stretch]),
            "blink": torch.from_numpy(blink_track(self.store.landmarks(clip))[stretch].astype(np.float32)),
            "person": self._draw.persons.index(person_of(clip)),
            "clip": clip,
        }


class _ClipDraw:
    """Draws a person, then one of the person's clips."""

    def __init__(self, store: ClipStore, split: str, clips: dict[str, int]) -> None:
        self._clips: dict[str, list[str]] = {}
        for clip in sorted(clips):
            self._clips.setdefault(person_of(clip), []).append(clip)
        self.persons = sorted(self._clips)
        if not self.persons:
            raise InputError(f"{store.folder}: no usable clip in {split}_list.txt; more or longer videos are needed")

    def __call__(self, rng: np.random.Generator) -> str:
        clips = self._clips[self.persons[rng.integers(len(self.persons))]]
        return clips[rng.integers(len(clips))]


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) → float32 (3, H, W) in [-1, 1]."""
    planes = np.stack(cv2.split(image))
    return torch.from_numpy(planes).float().div_(127.5).sub_(1)


def _flip(image: np.ndarray, mirrored: bool) -> np.ndarray:
    return cv2.flip(image, 1) if mirrored else image


def _window(descriptors: np.ndarray, frame: int) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(window(descriptors, frame)))
