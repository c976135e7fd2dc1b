"""Reading samples of an LMDB."""

import argparse
import io
import shutil
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from PIL import Image

from benchmarks.data.common import SIZE, WORKERS, params, run, timed
from benchmarks.data.pack import some_landmarks, write_clip
from styleheat.clips import store, writer
from styleheat.constants import FPS, LANDMARKS, PACKED_COEFFICIENTS, SAMPLE_RATE
from styleheat.morphable.coefficients import (
    FRAME_SIZE,
    descriptor,
    window,
)

ROUNDS = 3
STRETCH = 33
"""Frames of a sample of train_audio."""


def measure_loader(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    import torch

    from styleheat.clips.pairs import FramePairs, SpeechClips

    torch.set_num_threads(1)  # as DataLoader does in its workers
    for person in range(4):
        write_clip(str(person), args.frames, SIZE)
    run("pack", params())
    clips = store.ClipStore("data/vox/lmdb", SIZE)
    speech = speech_clips(params().sets.hdtf.crop.max_frames)
    windows = ("source", "target", "source_window", "target_window")
    everything = (*windows, "source_landmarks", "target_landmarks", "source_align", "target_align")

    def pairs(reads: tuple[str, ...], workers: int) -> dict[str, float]:
        # LMDB opens a file but once a process.
        copy = shutil.copy(clips.folder / str(SIZE) / store.DATABASE, f"usual{len(reads)}{workers}.mdb")
        ours = FramePairs(clips, "train", SIZE, seed=0, reads=reads)
        return compared(ours, PillowPairs(clips, copy), 4 * args.frames, workers, batch=16)

    def stretches(workers: int) -> dict[str, float]:
        ours, usual = SpeechClips(speech, "train", STRETCH, seed=0), FullClips(speech, "train", STRETCH, seed=0)
        return compared(ours, usual, 512, workers, batch=64)

    report: dict[str, dict[str, float]] = {"warper": {}, "StyleHEAT": {}, "speech": {}}
    for workers in (0, WORKERS):
        report["warper"] |= pairs(windows, workers)
        report["StyleHEAT"] |= pairs(everything, workers)
        report["speech"] |= stretches(workers)
    return report


def compared(ours: Any, usual: Any, count: int, workers: int, batch: int) -> dict[str, float]:
    """Samples a second of two data sets, and their ratio: medians of rounds in which they take turns."""
    found = np.array([[rate(dataset, count, workers, batch) for dataset in (ours, usual)] for _ in range(ROUNDS)])
    medians = np.median(found, axis=0)
    names = ("ours", "usual", "ratio")
    values = (round(medians[0], 1), round(medians[1], 1), round(medians[0] / medians[1], 2))
    return {f"{name}, {workers} workers": float(value) for name, value in zip(names, values, strict=True)}


def rate(dataset: Any, count: int, workers: int, batch: int) -> float:
    """Samples a second, without the time that the workers take to start and to read a batch each."""
    from torch.utils.data import DataLoader

    first = max(workers, 1)
    loader = iter(DataLoader(dataset, batch, sampler=range(first * batch + count), num_workers=workers))
    for _ in range(first):
        next(loader)
    return count / timed(lambda: [None for _ in loader])


def speech_clips(frames: int) -> store.ClipStore:
    """Four clips with audio; their images are small, as train_audio reads none."""
    rng = np.random.default_rng(0)
    names, side = [f"{person}#" for person in range(4)], 16
    for name in names:
        with writer.ClipWriter(Path(f"{name}.zip"), name) as shard:
            image = np.zeros((side, side, 3), np.uint8)
            for _ in range(frames):
                shard.add_frame(image, image)
            points = some_landmarks(SIZE) + rng.normal(size=(frames, LANDMARKS, 2))
            audio = 0.1 * rng.normal(size=frames * SAMPLE_RATE // FPS)
            shard.finish(rng.normal(size=(frames, PACKED_COEFFICIENTS)), points, audio, name, source="made up")
    writer.write_lmdb("speech", side, dict.fromkeys(names, "train"), {name: Path(f"{name}.zip") for name in names})
    return store.ClipStore("speech", side)


class FullClips:
    """The same samples as `SpeechClips`, cut from what is computed of the complete clip."""

    def __init__(self, clips: store.ClipStore, split: str, frames: int, *, seed: int) -> None:
        self.clips, self.frames, self.seed = clips, frames, seed
        self.names = {clip: clips.length(clip) for clip in clips.clips(split)}
        self.persons = [clips.person(clip) for clip in self.names]

    def __getitem__(self, number: int) -> dict[str, Any]:
        import torch

        from styleheat.media.mel import mel_spectrogram, mel_windows
        from styleheat.morphable.measures import blink_track

        rng = np.random.default_rng([self.seed, number])
        clip = list(self.names)[rng.integers(len(self.names))]
        start = int(rng.integers(self.names[clip] - self.frames + 1))
        stretch = slice(start, start + self.frames)
        mel = mel_spectrogram(self.clips.audio(clip))
        return {
            "mel": torch.from_numpy(mel_windows(mel, self.names[clip])[stretch]),
            "descriptors": torch.from_numpy(descriptor(self.clips.coefficients(clip))[stretch]),
            "blink": torch.from_numpy(blink_track(self.clips.landmarks(clip))[stretch].astype(np.float32)),
            "person": self.persons.index(self.clips.person(clip)),
            "clip": clip,
        }


class PillowPairs:
    """Pairs with all items but the target's aligned frame, by Pillow and torchvision: images as float32 in [-1, 1], one
    read transaction a value."""

    def __init__(self, clips: store.ClipStore, path: str) -> None:
        """path: a copy of the LMDB, as LMDB opens a file but once a process."""
        self.path = path
        self.names = {clip: clips.length(clip) for clip in clips.clips("train")}
        self.environment: lmdb.Environment | None = None

    def __getitem__(self, number: int) -> dict[str, Any]:
        import torch
        from torchvision import transforms

        if self.environment is None:
            self.environment = lmdb.open(self.path, subdir=False, readonly=True, lock=False, readahead=False)
        rng = np.random.default_rng([0, number])
        clip = list(self.names)[rng.integers(len(self.names))]
        source, target = (int(frame) for frame in rng.choice(self.names[clip], 2, replace=False))
        as_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

        def value(key: str) -> bytes:
            with self.environment.begin(write=False) as transaction:
                return transaction.get(key.encode())

        def load(frame: int, aligned: bool = False) -> torch.Tensor:
            return as_tensor(Image.open(io.BytesIO(value(store.frame_key(clip, frame, aligned)))).convert("RGB"))

        descriptors = descriptor(np.frombuffer(value(f"{clip}-coeff_3dmm"), np.float32).reshape(-1, 260))
        points = np.frombuffer(value(f"{clip}-keypoint"), np.float32).reshape(-1, 68, 2) * (SIZE / FRAME_SIZE)
        return {
            "source": load(source),
            "target": load(target),
            "source_align": load(source, aligned=True),
            "source_window": torch.from_numpy(window(descriptors, source).copy()),
            "target_window": torch.from_numpy(window(descriptors, target).copy()),
            "source_landmarks": torch.from_numpy(points[source]),
            "target_landmarks": torch.from_numpy(points[target]),
        }
