"""Descriptors to frames to a file: frames are painted a few at a time and encoded as they come."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from styleheat.checkpoints import open_model
from styleheat.face.landmarks import Landmarker
from styleheat.inference.drive import SOUND_RATE, Motion
from styleheat.inference.portrait import Portrait, inverter, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.media.video import VideoWriter, probe, read_frames
from styleheat.morphable.coefficients import window
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.layers import channels_last
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import Infer

BATCH = 4
"""Frames painted at once: enough to keep a small network busy; larger batches cost memory and gain nothing on CPUs."""

BATCH_PIXELS = BATCH * 256 * 256
"""Pixels painted at once, if a frame has no more: at 1024 pixels each further frame would take 0.6 GB."""


def load_styleheat(folder: str | Path, device: str) -> StyleHEAT:
    """The model of a folder, ready for inference. Raises InputError when the folder holds no such model."""
    model = open_model(folder, StyleHEAT)
    # The encoders run once: at full size, leaving them in the mapped file spares a second gigabyte.
    for part in (model.video_warper, model.calibrator, model.generator.stylegan):
        channels_last(part)
    return model.requires_grad_(False).to(device)


def load_audio2motion(folder: str | Path, device: str) -> Audio2Motion:
    """As `load_styleheat`, for the networks that turn speech into motion."""
    return open_model(folder, Audio2Motion).requires_grad_(False).to(device)


def open_portrait(path: str | Path, infer: Infer, reader: FaceReader, device: str) -> Portrait:
    """The portrait of a picture file, by the model and in the way that params.yaml names. Raises InputError.

    The model is let go again: at full size its encoders, which run only here, take a gigabyte.
    """
    model = load_styleheat(infer.models, device)
    return read_portrait(path, model, reader, inverter(infer, model))


def animate(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, size: int | None = None
) -> Iterator[np.ndarray]:
    """Yield one (S,S,3) uint8 frame for each of the descriptors (T,73); memory does not grow with T.

    size: S, if not the generator's own.
    """
    device = next(model.parameters()).device
    image = torch.empty(0)  # not looked at: the portrait is inverted already
    batch = min(BATCH, max(1, BATCH_PIXELS // model.config.image_size**2))
    for start in range(0, len(descriptors), batch):
        chosen = range(start, min(start + batch, len(descriptors)))
        windows = torch.from_numpy(np.stack([window(descriptors, frame) for frame in chosen])).to(device)
        # Entered anew for each batch: a generator that yields inside would switch it on for its caller too.
        with torch.inference_mode():
            painted = model(image, windows, portrait.inversion.expand(len(chosen)), size=size).image
            pixels = ((painted + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
        yield from np.ascontiguousarray(pixels.cpu().numpy())


def write_film(path: str | Path, model: StyleHEAT, portrait: Portrait, motion: Motion) -> None:
    """Animate, and encode the frames as they come, with the motion's rate and sound; a bar shows frames a second."""
    frames = animate(model, portrait, motion.descriptors)
    progress = tqdm(frames, total=len(motion.descriptors), desc=Path(path).name, unit="frame", mininterval=1.0)
    size = model.config.image_size
    with VideoWriter(path, (size, size), motion.fps, motion.sound, SOUND_RATE) as writer:
        for frame in progress:
            writer.write(frame)


def inspect(path: str | Path, finder: Landmarker) -> dict[str, float | int]:
    """What a film turned out to be: frames, seconds, whether it has sound (0 or 1), share of frames with a face."""
    info = probe(path)
    faces = [points is not None for points in finder.track(read_frames(path, fps=None))]
    return {
        "frames": len(faces),
        "seconds": round(len(faces) / info.fps, 3),
        "sound": int(info.has_audio),
        "faces": round(sum(faces) / len(faces), 4),
    }
