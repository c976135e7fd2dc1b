"""The three tests that held-out people put a model to, and the trivial answer beside each: the source frame repeated.

Same identity: the first frame of a clip, driven by the rest of that clip; every pixel has a truth. Cross identity: the
first frame of one person, driven by another's clip. Speech: the first frame of a clip, driven by its sound alone; the
lips have a truth, the rest is the model's to choose.

What is generated and what it is compared with are measured alike: landmarks tracked in the frames, coefficients found
from them. So a perfect answer has distance 0, whatever the back ends get wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from tqdm import tqdm

from styleheat.clips.store import ClipStore
from styleheat.constants import DESCRIPTOR, FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.evaluation import metrics, speech
from styleheat.face import identity
from styleheat.face.landmarks import has_face, stack
from styleheat.inference.animate import animate
from styleheat.inference.drive import same_scale
from styleheat.inference.portrait import prepare
from styleheat.inference.reader import FaceReader
from styleheat.inference.speech import Manner, speak
from styleheat.media.mel import mel_spectrogram
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, DESCRIPTOR_EXPRESSION, descriptor
from styleheat.morphable.model import mouth_opening, mouth_width
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT

NEEDS = {
    "cross_identity": "needs held-out clips of two people; raise test_people",
    "speech": "needs held-out clips with sound",
}
"""What a protocol needs that not every set has."""

EMBED_EVERY = 12
"""Of so many frames one is embedded for identity, which costs more than painting it."""


@dataclass(frozen=True)
class Clip:
    """A held-out clip, as training would see it.

    frames: (T,S,S,3) uint8 at 25 fps. coefficients: (T,260), packed, of the data set. landmarks: (68,2) of the first
    frame, in its pixels when it is scaled to 256. sound: (N,) at 16 kHz, or None. aligned: (A,A,3) uint8, the first
    frame in FFHQ's alignment, for models that invert that; None: they invert the frame itself.
    """

    name: str
    person: str
    frames: np.ndarray
    coefficients: np.ndarray
    landmarks: np.ndarray
    sound: np.ndarray | None
    aligned: np.ndarray | None = None
    voice: str | None = None

    @property
    def descriptors(self) -> np.ndarray:
        """(T,73)."""
        return descriptor(self.coefficients)


@dataclass(frozen=True)
class Seen:
    """Frames with what is measured in them; NaN (landmarks: −1) where no face was found.

    frames (T,S,S,3) uint8 · landmarks (T,68,2) pixels · descriptors (T,73) · mouth (T,) opening · width (T,) of the
    mouth · faces (N,128): embeddings of every EMBED_EVERY-th frame.
    """

    frames: np.ndarray
    landmarks: np.ndarray
    descriptors: np.ndarray
    mouth: np.ndarray
    width: np.ndarray
    faces: np.ndarray

    def after_first(self) -> "Seen":
        """All but the first frame."""
        return replace(
            self,
            frames=self.frames[1:],
            landmarks=self.landmarks[1:],
            descriptors=self.descriptors[1:],
            mouth=self.mouth[1:],
            width=self.width[1:],
            faces=self.faces[1:],
        )

    def first_repeated(self, length: int) -> "Seen":
        """The trivial answer: the first frame `length` times."""
        return Seen(
            np.repeat(self.frames[:1], length, axis=0),
            np.repeat(self.landmarks[:1], length, axis=0),
            np.repeat(self.descriptors[:1], length, axis=0),
            np.repeat(self.mouth[:1], length),
            np.repeat(self.width[:1], length),
            np.repeat(self.faces[:1], 2, axis=0),
        )


@dataclass(frozen=True)
class Trial:
    """One test of one clip. `scores` and `trivial` hold the same keys; `lags` are correlations at −5 … 5 frames.

    voice: whose speech was heard, where that is known.
    """

    name: str
    source: np.ndarray
    target: np.ndarray
    generated: np.ndarray
    sound: np.ndarray | None
    scores: dict[str, float]
    trivial: dict[str, float]
    lags: np.ndarray
    voice: str | None = None


def read_clips(
    store: ClipStore,
    count: int,
    seconds: float,
    aligned: bool = False,
    voice_of: Callable[[str], str | None] = lambda person: None,
) -> list[Clip]:
    """Up to `count` held-out clips, the first `seconds` of each, of as many people as there are.

    aligned: with their first frames in FFHQ's alignment. voice_of: a person → the voice, where a synthesiser's speaks.
    Raises InputError when nobody was held out.
    """
    by_person: dict[str, list[str]] = {}
    for name in sorted(store.clips("test")):
        by_person.setdefault(store.person(name), []).append(name)
    turns = [name for turn in zip_longest(*by_person.values()) for name in turn if name is not None]
    if not turns:
        raise InputError(f"{store.folder}/test_list.txt: no clip is held out; give the set test_people")
    clips = [_read_clip(store, name, round(seconds * FPS), aligned) for name in turns[:count]]
    return [replace(clip, voice=voice_of(clip.person)) for clip in clips]


def _read_clip(store: ClipStore, name: str, frames: int, aligned: bool) -> Clip:
    length = min(frames, store.length(name))
    images = np.stack([store.frame(name, frame) for frame in range(length)])
    sound = None
    if store.has_audio(name):
        samples = round(length / FPS * SAMPLE_RATE)
        heard = store.sound(name)[:samples]
        sound = np.pad(heard, (0, samples - len(heard)))
    first = store.aligned(name, 0) if aligned else None
    coefficients = store.coefficients(name)[:length]
    landmarks = store.landmarks(name, slice(1))[0]
    return Clip(name, store.person(name), images, coefficients, landmarks, sound, first)


@dataclass(frozen=True)
class Examiner:
    """Puts models to the tests. seed: of the head motion and blinks that speech leaves open."""

    model: StyleHEAT
    audio_model: Audio2Motion
    reader: FaceReader
    seed: int

    def run(self, clips: list[Clip]) -> dict[str, list[Trial]]:
        """Every test that the clips allow, by the protocol's name; cross identity needs two people, speech sound."""
        progress = tqdm(total=3 * len(clips), desc="evaluate", unit="test")
        trials: dict[str, list[Trial]] = {"same_identity": [], "cross_identity": [], "speech": []}
        seen = [self.look(clip.frames) for clip in clips]
        for number, clip in enumerate(clips):
            trials["same_identity"].append(self.same_identity(clip, seen[number]))
            progress.update()
            other = (number + 1) % len(clips)
            if clips[other].person != clip.person:
                trials["cross_identity"].append(self.cross_identity(clip, seen[number], clips[other], seen[other]))
            progress.update()
            if clip.sound is not None:
                trials["speech"].append(self.speech(clip, clip.sound, seen[number]))
            progress.update()
        progress.close()
        return {protocol: members for protocol, members in trials.items() if members}

    def same_identity(self, clip: Clip, seen: Seen) -> Trial:
        """The clip's first frame driven by the clip."""
        generated = self._drive(clip, clip.descriptors)
        return _trial(clip.name, seen, seen, generated, clip.sound, _against_truth)

    def cross_identity(self, source: Clip, source_seen: Seen, driver: Clip, driver_seen: Seen) -> Trial:
        """One person's first frame driven by another's clip, brought to the first one's scale."""
        generated = self._drive(source, same_scale(driver.descriptors, source.descriptors[0]))
        name = f"{source.name} by {driver.name}"
        return _trial(name, source_seen, driver_seen, generated, driver.sound, _of_motion)

    def speech(self, clip: Clip, sound: np.ndarray, seen: Seen) -> Trial:
        """The clip's first frame driven by the clip's sound."""
        manner = Manner(pose_style=0, seed=self.seed)
        motion = speak(mel_spectrogram(sound), len(clip.frames), self.audio_model, clip.descriptors[0], manner)
        heard = sound[SAMPLE_RATE // FPS :]  # what is heard after the first frame

        def score(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
            return _of_face(generated, target, person) | _of_speech(generated, target, heard)

        return _trial(clip.name, seen, seen, self._drive(clip, motion), sound, score, clip.voice)

    def look(self, frames: Iterable[np.ndarray]) -> Seen:
        """Measure frames (S,S,3) uint8."""
        images = np.stack(list(frames))
        landmarks = stack(self.reader.landmarker.track(images))
        here = has_face(landmarks)
        descriptors = np.full((len(images), DESCRIPTOR), np.nan, np.float32)
        mouth, width = np.full(len(images), np.nan), np.full(len(images), np.nan)
        if here.any():
            descriptors[here] = self.reader.clip(images, landmarks, images.shape[1])[here]
            mouth[here], width[here] = mouth_opening(landmarks[here]), mouth_width(landmarks[here])
        faces = _embeddings(images[::EMBED_EVERY], landmarks[::EMBED_EVERY])
        return Seen(images, landmarks, descriptors, mouth, width, faces)

    def _drive(self, source: Clip, descriptors: np.ndarray) -> Seen:
        inverted = source.frames[0] if source.aligned is None else source.aligned
        portrait = prepare(inverted, source.coefficients[0], source.landmarks, self.model)
        return self.look(animate(self.model, portrait, descriptors, size=source.frames.shape[1]))


def _embeddings(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(N,128) face embeddings, NaN without a face."""
    faces = np.full((len(frames), identity.DIMENSIONS), np.nan, np.float32)
    for row in np.flatnonzero(has_face(landmarks)):
        embedding = identity.embed(frames[row], landmarks[row])
        if embedding is not None:
            faces[row] = embedding
    return faces


Score = Callable[[Seen, Seen, np.ndarray], dict[str, float]]


def _trial(
    name: str,
    source: Seen,
    target: Seen,
    generated: Seen,
    sound: np.ndarray | None,
    score: Score,
    voice: str | None = None,
) -> Trial:
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
        voice,
    )


def _of_face(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
    return {
        "identity": metrics.identity_similarity(generated.faces, person),
        "faces": float(has_face(generated.landmarks).mean()),
        "mouth_correlation": metrics.correlation(generated.mouth, target.mouth),
    }


def _of_speech(generated: Seen, target: Seen, sound: np.ndarray) -> dict[str, float]:
    return {
        "width_correlation": metrics.correlation(generated.width, target.width),
        "opening_range": speech.opening_range(generated.mouth),
        "closures_met": speech.closures_met(generated.mouth, target.mouth),
        "silent_opening": speech.silent_opening(generated.mouth, sound),
        "beat_alignment": speech.beat_alignment(generated.descriptors[:, DESCRIPTOR_ANGLE], sound),
    }


def _of_motion(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
    def distance(part: slice) -> float:
        return metrics.coefficient_distance(generated.descriptors[:, part], target.descriptors[:, part])

    return _of_face(generated, target, person) | {
        "aed": distance(DESCRIPTOR_EXPRESSION),
        "apd": distance(DESCRIPTOR_ANGLE),
    }


def _against_truth(generated: Seen, target: Seen, person: np.ndarray) -> dict[str, float]:
    size = target.frames.shape[1]
    mouths, faces = metrics.mouth_boxes(target.landmarks, size), metrics.face_boxes(target.landmarks, size)
    similarity = metrics.similarity_maps(generated.frames, target.frames)
    return _of_motion(generated, target, person) | {
        "psnr": metrics.psnr(generated.frames, target.frames),
        "psnr_face": metrics.psnr(generated.frames, target.frames, faces),
        "psnr_mouth": metrics.psnr(generated.frames, target.frames, mouths),
        "ssim": metrics.ssim(similarity),
        "ssim_mouth": metrics.ssim(similarity, mouths),
        "l1": metrics.l1(generated.frames, target.frames),
        "landmarks": metrics.landmark_distance(generated.landmarks, target.landmarks),
    }
