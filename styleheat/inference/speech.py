"""Speech as a driver: expressions and head motion from audio, or the head's and the eyes' from videos."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from styleheat import voices
from styleheat.constants import DESCRIPTOR, FPS, MEL_BANDS, MEL_WINDOW, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.inference.adjust import POSE
from styleheat.inference.drive import Driver, Motion
from styleheat.inference.reader import FaceReader
from styleheat.media.mel import LIMIT, mel_spectrogram, mel_windows
from styleheat.media.track import AudioTrack
from styleheat.media.voice import NEAR_SILENCE, loudness, read_voice
from styleheat.morphable.coefficients import DESCRIPTOR_CROP, DESCRIPTOR_EXPRESSION
from styleheat.morphable.lids import blinking
from styleheat.networks.audio2motion import Audio2Motion, blink_track, follow_poses, smooth_poses
from styleheat.networks.audio_encoder import WINDOWS_AT_ONCE

RAREST = 1.5
"""Limit of the head motion's latents, in standard deviations: the rarest motions roll the head too far."""


@dataclass(frozen=True)
class SpeechOptions:
    """How somebody speaks, beside the audio.

    pose_style: one of the network's ways to move the head. seed: of the head's motion and the blinks.
    still: keep the head as the portrait has it.
    poses: (N,73) descriptors at 25 a second whose head movement is made instead of the network's.
    blinks: (N,1), how far the eyes are closed, 0 to 1, at 25 a second, instead of blinks drawn from the seed.
    articulation: how far the mouth moves away from where silence has it, as a multiple of what the network does.
    own_face_model: the expressions are those of this project's face model. Eyes then close as far as blinks say;
    networks, which learn the average, close them half.
    """

    pose_style: int
    seed: int
    still: bool = False
    poses: np.ndarray | None = None
    blinks: np.ndarray | None = None
    articulation: float = 1.0
    own_face_model: bool = False


def poses_of(path: str | Path, reader: FaceReader) -> np.ndarray:
    """`SpeechOptions.poses` (N,73) of the face in a video. Raises InputError when the file is no video or shows no
    face."""
    return reader.video(path, FPS)


def blinks_of(path: str | Path, reader: FaceReader) -> np.ndarray:
    """`SpeechOptions.blinks` of the face in a video. Raises InputError as `poses_of`."""
    return reader.blinks(path, FPS)[:, None]


def is_text(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".txt"


def read_aloud(path: str | Path, voice: str, speed: float) -> tuple[np.ndarray, int]:
    """Speak a text file (UTF-8): samples (N,) float32 and their rate. What `voice` and `speed` mean: `voices.speak`.

    Raises InputError when the file can't be read or has no word, or the voice isn't there.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a text file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    if not any(letter.isalnum() for letter in text):
        raise InputError(f"{path}: no word in it; write what shall be said")
    spoken = voices.speak(text, voice, speed)
    return spoken.samples, spoken.sample_rate


def from_audio(path: str | Path, model: Audio2Motion, options: SpeechOptions) -> Driver:
    """Speech from an audio file or a video's audio track.

    The driver has 25 frames a second, rounded: 10 s are 250 frames. The loudness of the audio has no effect; silence
    moves no lips. Raises InputError when there is no audio, or no such pose style.
    """
    samples = read_voice(path)
    frames = round(len(samples) / SAMPLE_RATE * FPS)
    if frames == 0:
        raise InputError(f"{path}: {len(samples) / SAMPLE_RATE:.3f} s of audio; give at least one frame's, 0.04 s")
    if (level := loudness(samples)) < NEAR_SILENCE:
        tqdm.write(f"{path}: nearly silent, {level:.0f} LUFS; lips will hardly move", file=sys.stderr)
    styles = model.config.pose_styles
    if options.pose_style >= styles:
        fault = f"{options.pose_style}, but this model knows 0 to {styles - 1}"
        raise InputError(f"params.yaml: infer_audio.pose_style: {fault}")
    mel = mel_spectrogram(samples)  # a quarter of the samples' memory, and all that the networks need
    return Driver(lambda start: Motion(speak(mel, frames, model, start, options), FPS, AudioTrack(Path(path))))


@torch.inference_mode()
def speak(mel: np.ndarray, frames: int, model: Audio2Motion, start: np.ndarray, options: SpeechOptions) -> np.ndarray:
    """Mel spectrogram (80,M) → descriptors (frames,73), said by a portrait whose own descriptor is start (73,).

    Expression and pose are the networks', or as `options` has them; without its poses the crop is the portrait's.
    """
    device = next(model.parameters()).device
    rng = np.random.default_rng(options.seed)
    blinks = blink_track(frames, rng)  # drawn in any case: the head's motion shall not depend on them
    if options.blinks is not None:
        blinks = options.blinks[forth_and_back(len(options.blinks), frames)].astype(np.float32)
    z = rng.standard_normal((model.audio2pose.chunks(frames), 1, model.audio2pose.latent), dtype=np.float32)
    z = np.clip(z, -RAREST, RAREST)
    spoken = model(
        torch.from_numpy(mel_windows(mel, frames))[None].to(device),
        torch.from_numpy(start[None, : DESCRIPTOR_CROP.start]).to(device),
        torch.from_numpy(blinks)[None].to(device),
        torch.tensor([options.pose_style], device=device),
        torch.from_numpy(z).to(device),
    )
    expression, pose = np.split(spoken[0].cpu().numpy(), [POSE.start], axis=1)
    if options.articulation != 1:
        expression = expression + (options.articulation - 1) * (expression - _silent(model, start, blinks))
    if options.own_face_model:
        expression = blinking(expression, blinks, start[DESCRIPTOR_EXPRESSION])
    own = np.repeat(start[None, POSE], frames, axis=0)
    if options.poses is not None:
        head = followed(own, options.poses)
    elif options.still:
        head = own
    else:
        head = np.concatenate([smooth_poses(pose), own[:, pose.shape[1] :]], axis=1)
    descriptors = np.concatenate([expression, head], axis=1).astype(np.float32)
    assert descriptors.shape == (frames, DESCRIPTOR)
    return descriptors


def _silent(model: Audio2Motion, start: np.ndarray, blinks: np.ndarray) -> np.ndarray:
    """Expressions (T,64) of a silent portrait with these blinks (T,1)."""
    device = next(model.parameters()).device
    return np.concatenate(
        [
            model.audio2exp(
                torch.full((1, len(part), 1, MEL_BANDS, MEL_WINDOW), -LIMIT, device=device),
                torch.from_numpy(start[None, None, : POSE.start]).to(device).expand(-1, len(part), -1),
                torch.from_numpy(part)[None].to(device),
            )[0].cpu().numpy()
            for part in np.split(blinks, range(WINDOWS_AT_ONCE, len(blinks), WINDOWS_AT_ONCE))
        ]
    )  # fmt: skip


def followed(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where a head is, (T,9): angles, translation and crop, moved as the head of other descriptors (N,73) moves after
    its first frame; the crop's size by the same factor."""
    other = others[forth_and_back(len(others), len(own)), POSE]
    size = 6  # column of the crop's ratio
    ratio = own[:, size : size + 1] * other[:, size : size + 1] / other[0, size]
    place = own[:, size + 1 :] + other[:, size + 1 :] - other[0, size + 1 :]
    return np.concatenate([follow_poses(own[:, :size], other[:, :size]), ratio, place], axis=1)


def forth_and_back(length: int, frames: int) -> np.ndarray:
    """(frames,) indices into so many: 0 1 2 1 0 1 … for a length of 3."""
    period = max(1, 2 * (length - 1))
    phase = np.arange(frames) % period
    return np.minimum(phase, period - phase) if length > 1 else phase
