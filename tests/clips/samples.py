"""Small clips of numbers that encode the frame they come from."""

from pathlib import Path

import numpy as np

from styleheat.clips.writer import ClipWriter

SIZE, ALIGNED = 48, 32


def sample_image(number: int, size: int) -> np.ndarray:
    """A smooth uint8 image, different for each number."""
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin((k + 1) * x * 3 + number) * np.cos((k + 1) * y * 2 - number) for k in range(3)]
    return (np.stack(waves, -1) * 100 + 128).astype(np.uint8)


def make_shard(path: Path, clip: str, length: int, audio: bool = True) -> Path:
    """A clip whose numbers say where they come from: coefficient k of frame t is 1000 t + k."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ClipWriter(path, clip) as shard:
        for frame in range(length):
            shard.add_frame(sample_image(frame, SIZE), sample_image(frame + 100, ALIGNED))
        coefficients = 1000.0 * np.arange(length)[:, None] + np.arange(260)
        landmarks = np.arange(length)[:, None, None] + np.arange(136.0).reshape(68, 2)
        samples = 0.1 * np.sin(np.arange(length * 640) / 20) if audio else None
        shard.finish(coefficients, landmarks, samples, PERSONS.get(clip, clip), source=f"made of {clip}")
    return path


PERSONS = {"ann#a": "ann", "ann#b": "ann", "bob#a": "bob", "bob": "bob"}
CLIPS = {"ann#a": 30, "ann#b": 12, "bob#a": 20, "bob": 40, "cy_1": 25, "cy_2": 1}
