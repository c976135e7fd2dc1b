"""What drives a portrait: a video, a picture or speech, turned into one descriptor (73,) a frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from styleheat.constants import DESCRIPTOR, FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.inference.reader import FaceReader
from styleheat.media.audio import Sound, read_audio
from styleheat.media.mel import mel_spectrogram, mel_windows
from styleheat.media.video import probe, read_frames
from styleheat.morphable.coefficients import DESCRIPTOR_CROP, crop_norm_ratio
from styleheat.networks.audio2motion import Audio2Motion, blink_track, smooth_poses
from styleheat.params import Drive

SOUND_RATE = 44_100
"""Samples a second of the sound that goes with a result; 16 kHz, which the networks hear, sounds dull."""


@dataclass(frozen=True)
class Motion:
    """descriptors: (T,73) float32, one a frame. fps: of those frames. sound: what is heard with them."""

    descriptors: np.ndarray
    fps: float
    sound: Sound | None = None


def from_video(path: str | Path, reader: FaceReader, start: np.ndarray) -> Motion:
    """The motion of the face in a video: as many frames as it has, at its own rate, with its sound.

    start: (73,), the portrait's own descriptor, to whose scale the face of the video is brought.
    Frames without a face get coefficients between those of their neighbours. Raises InputError when the file is no
    video, or no frame shows a face.
    """
    info = probe(path)
    descriptors = same_scale(reader.video(path), start)
    return Motion(descriptors, info.fps, Sound(Path(path)) if info.has_audio else None)


def pictures(path: str | Path, wanted: Drive) -> Iterator[np.ndarray]:
    """The frames (H,W,3) uint8 of a driving video that go with its motion as `adjust` makes it."""
    start, end = wanted.seconds or (None, None)
    return read_frames(path, wanted.fps, start, end)


def from_image(path: str | Path, reader: FaceReader, start: np.ndarray, seconds: float) -> Motion:
    """From `start` (73,), the portrait's own descriptor, into the expression and pose of a picture, and back.

    Raises InputError when the file is no picture or shows no face.
    """
    there = same_scale(reader.picture(path)[None], start)
    weight = in_and_out(max(1, round(seconds * FPS)))[:, None]
    return Motion((start + weight * (there - start)).astype(np.float32), FPS)


def from_audio(path: str | Path, model: Audio2Motion, start: np.ndarray, pose_style: int, seed: int) -> Motion:
    """Speech from a sound file, or a video's sound, said by a portrait whose own descriptor is `start` (73,).

    One frame each 1/25 s, rounded: 10 s are 250 frames. Head motion and blinks are drawn from `seed`; silence moves
    no lips. Raises InputError when there is no sound to hear, or no such pose style.
    """
    samples = read_audio(path)
    frames = round(len(samples) / SAMPLE_RATE * FPS)
    if frames == 0:
        raise InputError(f"{path}: {len(samples) / SAMPLE_RATE:.3f} s of sound; give at least one frame's, 0.04 s")
    descriptors = speak(samples, frames, model, start, pose_style, seed)
    return Motion(descriptors, FPS, Sound(Path(path)))


@torch.inference_mode()
def speak(
    samples: np.ndarray, frames: int, model: Audio2Motion, start: np.ndarray, pose_style: int, seed: int
) -> np.ndarray:
    """Samples (N,) at 16 kHz → descriptors (frames,73): expression and pose by the networks, crop of `start`."""
    styles = model.config.pose_styles
    if pose_style >= styles:
        raise InputError(f"params.yaml: infer_audio.pose_style: {pose_style}, but this model knows 0 to {styles - 1}")
    device = next(model.parameters()).device
    rng = np.random.default_rng(seed)
    blinks = blink_track(frames, rng)
    z = rng.standard_normal((model.audio2pose.chunks(frames), 1, model.audio2pose.latent), dtype=np.float32)
    heard = mel_windows(mel_spectrogram(samples), frames)
    spoken = model(
        torch.from_numpy(heard)[None].to(device),
        torch.from_numpy(start[None, : DESCRIPTOR_CROP.start]).to(device),
        torch.from_numpy(blinks)[None].to(device),
        torch.tensor([pose_style], device=device),
        torch.from_numpy(z).to(device),
    )
    expression, pose = np.split(spoken[0].cpu().numpy(), [DESCRIPTOR_CROP.start - 6], axis=1)
    crop = np.broadcast_to(start[DESCRIPTOR_CROP], (frames, 3))
    descriptors = np.concatenate([expression, smooth_poses(pose), crop], axis=1).astype(np.float32)
    assert descriptors.shape == (frames, DESCRIPTOR)
    return descriptors


def same_scale(descriptors: np.ndarray, portrait: np.ndarray) -> np.ndarray:
    """Descriptors (T,73) of another person, their crop's scale brought to that of the portrait's descriptor (73,)."""
    scaled = descriptors.copy()
    scaled[:, DESCRIPTOR_CROP.start] *= crop_norm_ratio(portrait, descriptors)
    return scaled


def in_and_out(frames: int) -> np.ndarray:
    """(frames,) weights that rise smoothly from 0 to 1 in the first third, stay, and fall back to 0 in the last."""
    moment = np.linspace(0, 1, frames)
    ramp = np.clip(3 * np.minimum(moment, 1 - moment), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
