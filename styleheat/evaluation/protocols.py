"""The three tests that held-out people put a model to, and the trivial answer beside each: the source frame repeated.

Same identity: the first frame of a clip, driven by the rest of that clip; every pixel has a truth. Cross identity: the
first frame of one person, driven by another's clip. Speech: the first frame of a clip, driven by its sound alone; the
lips have a truth, the rest is the model's to choose.

What is generated and what it is compared with are measured alike: landmarks tracked in the frames, coefficients fitted
to them. So a perfect answer has distance 0, whatever the landmarker gets wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.evaluation import metrics
from styleheat.face import identity
from styleheat.face.landmarks import Landmarker, has_face, stack
from styleheat.inference.animate import animate
from styleheat.inference.drive import fitted, same_scale, speak
from styleheat.inference.portrait import prepare
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, DESCRIPTOR_EXPRESSION, descriptor
from styleheat.morphable.model import mouth_opening
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT

EMBED_EVERY = 12
"""Of so many frames one is embedded for identity, which costs more than painting it."""


@dataclass(frozen=True)
class Clip:
    """A held-out clip, as training would see it.

    frames: (T,S,S,3) uint8 at 25 fps. descriptors: (T,73) of the data set. sound: (N,) at 16 kHz.
    """

    name: str
    frames: np.ndarray
    descriptors: np.ndarray
    sound: np.ndarray


@dataclass(frozen=True)
class Seen:
    """Frames with what is measured in them; NaN (landmarks: −1) where no face was found.

    frames (T,S,S,3) uint8 · landmarks (T,68,2) pixels · descriptors (T,73) · mouth (T,) opening · faces (N,128):
    embeddings of every EMBED_EVERY-th frame.
    """

    frames: np.ndarray
    landmarks: np.ndarray
    descriptors: np.ndarray
    mouth: np.ndarray
    faces: np.ndarray

    def after_first(self) -> "Seen":
        """All but the first frame."""
        return replace(
            self,
            frames=self.frames[1:],
            landmarks=self.landmarks[1:],
            descriptors=self.descriptors[1:],
            mouth=self.mouth[1:],
        )

    def first_repeated(self, length: int) -> "Seen":
        """The trivial answer: the first frame `length` times."""
        return Seen(
            np.repeat(self.frames[:1], length, axis=0),
            np.repeat(self.landmarks[:1], length, axis=0),
            np.repeat(self.descriptors[:1], length, axis=0),
            np.repeat(self.mouth[:1], length),
            self.faces[:1],
        )


@dataclass(frozen=True)
class Trial:
    """One test of one clip. `scores` and `trivial` hold the same keys; `lags` are correlations at −5 … 5 frames."""

    name: str
    source: np.ndarray
    target: np.ndarray
    generated: np.ndarray
    sound: np.ndarray
    scores: dict[str, float]
    trivial: dict[str, float]
    lags: np.ndarray


def look(frames: Iterable[np.ndarray], landmarker: Landmarker) -> Seen:
    """Measure frames (S,S,3) uint8."""
    images = np.stack(list(frames))
    landmarks = stack(landmarker.track(images))
    here = has_face(landmarks)
    descriptors = np.full((len(images), 73), np.nan, np.float32)
    mouth = np.full(len(images), np.nan)
    if here.any():
        descriptors[here] = descriptor(fitted(landmarks, images.shape[1]))[here]
        mouth[here] = mouth_opening(landmarks[here])
    return Seen(images, landmarks, descriptors, mouth, _embeddings(images[::EMBED_EVERY], landmarks[::EMBED_EVERY]))


def same_identity(clip: Clip, seen: Seen, model: StyleHEAT, landmarker: Landmarker) -> Trial:
    """The clip's first frame driven by the clip; scored on all frames but the first."""
    portrait = prepare(clip.frames[0], clip.descriptors[0], model)
    generated = look(animate(model, portrait, clip.descriptors), landmarker)
    return _trial(clip.name, seen, seen, generated, clip.sound, _against_truth)


def cross_identity(
    source: Clip, source_seen: Seen, driver: Clip, driver_seen: Seen, model: StyleHEAT, landmarker: Landmarker
) -> Trial:
    """One person's first frame driven by another's clip, brought to the first one's scale."""
    portrait = prepare(source.frames[0], source.descriptors[0], model)
    motion = same_scale(driver.descriptors, source.descriptors[0])
    generated = look(animate(model, portrait, motion), landmarker)
    return _trial(f"{source.name} by {driver.name}", source_seen, driver_seen, generated, driver.sound, _of_motion)


def speech(
    clip: Clip, seen: Seen, model: StyleHEAT, audio_model: Audio2Motion, landmarker: Landmarker, seed: int
) -> Trial:
    """The clip's first frame driven by the clip's sound; head motion and blinks are drawn from `seed`."""
    portrait = prepare(clip.frames[0], clip.descriptors[0], model)
    motion = speak(clip.sound, len(clip.frames), audio_model, clip.descriptors[0], pose_style=0, seed=seed)
    generated = look(animate(model, portrait, motion), landmarker)
    return _trial(clip.name, seen, seen, generated, clip.sound, _of_speech)


def _embeddings(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(N,128) face embeddings, NaN without a face."""
    faces = np.full((len(frames), identity.DIMENSIONS), np.nan, np.float32)
    for row in np.flatnonzero(has_face(landmarks)):
        embedding = identity.embed(frames[row], landmarks[row])
        if embedding is not None:
            faces[row] = embedding
    return faces


Score = Callable[[Seen, Seen, np.ndarray], dict[str, float]]


def _trial(name: str, source: Seen, target: Seen, generated: Seen, sound: np.ndarray, score: Score) -> Trial:
    trivial = source.first_repeated(len(target.frames))
    person = source.faces[0]
    return Trial(
        name,
        source.frames[0],
        target.frames,
        generated.frames,
        sound,
        score(generated.after_first(), target.after_first(), person),
        score(trivial.after_first(), target.after_first(), person),
        metrics.lag_correlations(generated.mouth[1:], target.mouth[1:]),
    )


def _of_speech(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
    return {
        "identity": metrics.identity_similarity(generated.faces, person),
        "faces": float(has_face(generated.landmarks).mean()),
        "mouth_correlation": metrics.correlation(generated.mouth, target.mouth),
    }


def _of_motion(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
    def distance(part: slice) -> float:
        return metrics.coefficient_distance(generated.descriptors[:, part], target.descriptors[:, part])

    return _of_speech(generated, target, person) | {
        "aed": distance(DESCRIPTOR_EXPRESSION),
        "apd": distance(DESCRIPTOR_ANGLE),
    }


def _against_truth(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
    mouths = metrics.mouth_boxes(target.landmarks, target.frames.shape[1])
    return _of_motion(generated, target, person) | {
        "psnr": metrics.psnr(generated.frames, target.frames),
        "psnr_mouth": metrics.psnr(generated.frames, target.frames, mouths),
        "ssim": metrics.ssim(generated.frames, target.frames),
        "ssim_mouth": metrics.ssim(generated.frames, target.frames, mouths),
        "l1": metrics.l1(generated.frames, target.frames),
        "landmarks": metrics.landmark_distance(generated.landmarks, target.landmarks),
    }


def cut_sound(samples: np.ndarray, frames: int) -> np.ndarray:
    """The sound (N,) at 16 kHz of the first `frames` frames, filled up with silence where it ends early."""
    length = round(frames / FPS * SAMPLE_RATE)
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
