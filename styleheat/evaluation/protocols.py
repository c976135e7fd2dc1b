"""The three evaluation protocols for held-out people, one clip at a time.

same_identity: the first frame of a clip, driven by that clip; every pixel has a target. cross_identity: the first frame
of one person, driven by another's clip. speech: the first frame of a clip, driven by its audio alone; the lips have a
target, the rest is the model's choice.

Each result also has the scores of the trivial answer, the source frame repeated, and as a ceiling the identity
similarity of the target's own frames; all other scores of the target are perfect by definition.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from styleheat import clock, files
from styleheat.clips.store import ClipStore
from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.evaluation import keypoints, learned, metrics, panels, speech
from styleheat.evaluation.frames import FrameFile, Frames, LazyFrames
from styleheat.evaluation.images import image_scores
from styleheat.evaluation.measure import Measurements, measure
from styleheat.face.landmarks import Landmarker
from styleheat.inference.animate import animate, one_thread
from styleheat.inference.drive import same_scale
from styleheat.inference.portrait import prepare
from styleheat.inference.reader import FaceReader
from styleheat.inference.speech import SpeechOptions, speak
from styleheat.media.mel import mel_spectrogram
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE, DESCRIPTOR_EXPRESSION, descriptor, has_face
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT

PROTOCOLS = ("same_identity", "cross_identity", "speech")

NEEDS = {
    "cross_identity": "needs held-out clips of two people; raise test_people",
    "speech": "needs held-out clips with audio",
}
"""Requirements of protocols that not every set meets."""

REAL = "real.npy"

FRAME_SAMPLES = SAMPLE_RATE // FPS
"""Samples of audio in a frame."""

Scores = dict[str, float]


@dataclass(frozen=True)
class Clip:
    """A held-out clip, with the data that training reads.

    frames: T of (S,S,3) uint8 at 25 fps. coefficients: (T,260), packed, of the data set. landmarks: (68,2) of the first
    frame, in its pixels when it is scaled to 256. audio: (N,) at 16 kHz, or None. aligned: (A,A,3) uint8, the first
    frame in FFHQ's alignment, for models that invert that; None: they invert the frame itself. voice: of the speech,
    where a synthesiser's is known.
    """

    name: str
    person: str
    frames: Frames
    coefficients: np.ndarray
    landmarks: np.ndarray
    audio: np.ndarray | None
    aligned: np.ndarray | None = None
    voice: str | None = None

    @property
    def descriptors(self) -> np.ndarray:
        """(T,73)."""
        return descriptor(self.coefficients)


@dataclass(frozen=True)
class Result:
    """One protocol on one clip. `scores` and `trivial` have the same keys, `ceiling` some of them; None where there is
    nothing to score.

    lags: correlations (2·MAX_LAG+1) of the mouth's opening at lags of −MAX_LAG … MAX_LAG frames. pose_difference:
    degrees between the source's head and the target's, the mean over angles and frames.
    """

    name: str
    person: str
    voice: str | None
    scores: dict[str, float | None]
    trivial: dict[str, float | None]
    ceiling: dict[str, float | None]
    lags: list[float | None]
    pose_difference: float | None


def chosen_clips(store: ClipStore, count: int) -> list[str]:
    """Up to `count` held-out clips, of as many people as there are. Raises InputError when nobody was held out."""
    by_person: dict[str, list[str]] = {}
    for name in sorted(store.clips("test")):
        by_person.setdefault(store.person(name), []).append(name)
    turns = [name for turn in zip_longest(*by_person.values()) for name in turn if name is not None]
    if not turns:
        raise InputError(f"{store.folder}/test_list.txt: no clip is held out; give the set test_people")
    return turns[:count]


def drivers(people: Mapping[str, str], seed: int) -> dict[str, str | None]:
    """For each clip, of a mapping to its person, a clip of another person that drives it; None without such. Drawn by
    the seed and the clip's name."""
    chosen: dict[str, str | None] = {}
    for clip, person in people.items():
        others = sorted(other for other, owner in people.items() if owner != person)
        order = int(files.fingerprint(seed, clip), 16)
        chosen[clip] = others[order % len(others)] if others else None
    return chosen


def read_clip(store: ClipStore, name: str, seconds: float, aligned: bool = False, voice: str | None = None) -> Clip:
    """The first `seconds` of a clip. aligned: with its first frame in FFHQ's alignment."""
    length = min(round(seconds * FPS), store.length(name))
    audio = None
    if store.has_audio(name):
        samples = round(length / FPS * SAMPLE_RATE)
        stored = store.audio(name)[:samples]
        audio = np.pad(stored, (0, samples - len(stored)))
    return Clip(
        name,
        store.person(name),
        LazyFrames(length, partial(store.frame, name)),
        store.coefficients(name)[:length],
        store.landmarks(name, slice(1))[0],
        audio,
        store.aligned(name, 0) if aligned else None,
        voice,
    )


@dataclass(frozen=True)
class Evaluator:
    """Scores models by the protocols. seed: of the head motion and blinks that speech leaves open. networks:
    for more scores. other: the estimator of AKD (`keypoints`), which scores `same_identity`."""

    model: StyleHEAT
    audio_model: Audio2Motion
    reader: FaceReader
    seed: int
    networks: learned.Learned | None = None
    other: Landmarker | None = None

    def __call__(self, clip: Clip, driver: Clip | None, folder: Path) -> dict[str, Result]:
        """Every protocol that a clip allows; cross identity needs another person's clip, speech needs audio.

        Leaves in the folder, for each: `<protocol>.mp4`, source, target and generated side by side with the audio, and
        `<protocol>.png`, some of these frames; with `networks` also `<protocol>.npy`, Inception's features of the
        generated frames, and REAL, those of the clip's own.
        """
        own = measure(clip.frames, self.reader, self.other)
        if self.networks is not None:
            np.save(folder / REAL, self.networks.features(clip.frames))
        results = {"same_identity": self._same_identity(clip, own, folder)}
        if driver is not None:
            results["cross_identity"] = self._cross_identity(clip, own, driver, folder)
        if clip.audio is not None:
            results["speech"] = self._speech(clip, clip.audio, own, folder)
        return results

    def _same_identity(self, clip: Clip, own: Measurements, folder: Path) -> Result:
        audio = None if clip.audio is None else clip.audio[FRAME_SAMPLES:]
        score = learned.extended(against_target, self.networks, pixels=True, audio=audio)
        result = self._scored("same_identity", folder, clip, own, clip, own, clip.descriptors, score)
        return self._with_real_lips(result, clip, own, audio)

    def _cross_identity(self, clip: Clip, own: Measurements, driver: Clip, folder: Path) -> Result:
        """The driver is brought to the source's scale."""
        motion = same_scale(driver.descriptors, clip.descriptors[0])
        target = measure(driver.frames, self.reader)
        result = self._scored("cross_identity", folder, clip, own, driver, target, motion, of_motion)
        return replace(result, name=f"{clip.name} by {driver.name}")

    def _speech(self, clip: Clip, audio: np.ndarray, own: Measurements, folder: Path) -> Result:
        options = SpeechOptions(pose_style=0, seed=self.seed, own_face_model=self.reader.own_face_model)
        with one_thread():
            motion = speak(mel_spectrogram(audio), len(clip.frames), self.audio_model, clip.descriptors[0], options)
        after_first = audio[FRAME_SAMPLES:]

        def score(generated: Measurements, target: Measurements, person: np.ndarray, *frames: Frames) -> Scores:
            return _of_face(generated, target, person) | _of_speech(generated, target, after_first)

        total = learned.extended(score, self.networks, pixels=False, audio=after_first)
        result = self._scored("speech", folder, clip, own, clip, own, motion, total)
        return replace(self._with_real_lips(result, clip, own, after_first), voice=clip.voice)

    def _with_real_lips(self, result: Result, clip: Clip, own: Measurements, audio: np.ndarray | None) -> Result:
        """With the scores of the clip's own lips as the ceiling."""
        if self.networks is None:
            return result
        frames = learned.after_first(clip.frames)
        real = self.networks.lip_sync(frames, own.after_first().landmarks, audio)
        return replace(result, ceiling=result.ceiling | _finite(real))

    def _scored(
        self,
        protocol: str,
        folder: Path,
        source: Clip,
        own: Measurements,
        target: Clip,
        target_measured: Measurements,
        motion: np.ndarray,
        score: "Score",
    ) -> Result:
        """Generate a video of the source's first frame by a motion (T,73), write it, and score it against the target's
        T frames."""
        with FrameFile(folder) as generated:
            # A process has more threads where `runtime.workers` is less; frames don't depend on it.
            with one_thread() as painters:
                for frame in self._animate(source, motion, painters):
                    clock.progress()
                    generated.append(frame)
            first = source.frames[0]
            panels.write_video(folder / f"{protocol}.mp4", first, target.frames, generated, target.audio)
            panels.write_rows(folder / f"{protocol}.png", first, target.frames, generated)
            if self.networks is not None:
                np.save(folder / f"{protocol}.npy", self.networks.features(generated))
            ours = measure(generated, self.reader, self.other if protocol == "same_identity" else None)
            return compare(
                source.name, source.person, own, first, target_measured, target.frames, ours, generated, score
            )

    def _animate(self, source: Clip, descriptors: np.ndarray, painters: int) -> Iterable[np.ndarray]:
        first = source.frames[0]
        inverted = first if source.aligned is None else source.aligned
        portrait = prepare(inverted, source.coefficients[0], source.landmarks, self.model)
        return animate(self.model, portrait, descriptors, size=first.shape[0], painters=painters)


Score = Callable[[Measurements, Measurements, np.ndarray, Frames, Frames], Scores]
"""Measurements of generated and target frames, without the first; the embedding (128,) of the source; and all frames of
both → scores."""


def compare(
    name: str,
    person: str,
    source: Measurements,
    source_frame: np.ndarray,
    target: Measurements,
    target_frames: Frames,
    generated: Measurements,
    generated_frames: Frames,
    score: Score,
) -> Result:
    """Score generated frames against a target's T frames (S,S,3) uint8; the first of both is not scored, as it may be
    the source."""
    embedding, length = source.faces[0], len(target_frames)
    repeated = source.first_repeated(length)
    ours, theirs = generated.after_first(), target.after_first()
    difference = np.degrees(np.abs(theirs.descriptors[:, DESCRIPTOR_ANGLE] - source.descriptors[0, DESCRIPTOR_ANGLE]))
    scores = score(ours, theirs, embedding, generated_frames, target_frames)
    trivial = score(
        repeated.after_first(), theirs, embedding, LazyFrames(length, lambda number: source_frame), target_frames
    )
    return Result(
        name,
        person,
        None,
        _finite(scores),
        _finite(trivial),
        _finite({"identity": metrics.identity_similarity(theirs.faces, embedding)}),
        list(_finite(dict(enumerate(metrics.lag_correlations(ours.mouth, theirs.mouth)))).values()),
        _finite({0: float(np.nanmean(difference)) if np.isfinite(difference).any() else np.nan})[0],
    )


def to_json(results: Mapping[str, Result]) -> dict[str, Any]:
    return {protocol: asdict(result) for protocol, result in results.items()}


def from_json(content: Mapping[str, Any]) -> dict[str, Result]:
    return {protocol: Result(**result) for protocol, result in content.items()}


def _finite(values: Mapping[Any, float]) -> dict[Any, float | None]:
    return {key: float(value) if np.isfinite(value) else None for key, value in values.items()}


def _of_face(generated: Measurements, target: Measurements, person: np.ndarray) -> Scores:
    return {
        "identity": metrics.identity_similarity(generated.faces, person),
        "faces": float(has_face(generated.landmarks).mean()),
        "mouth_correlation": metrics.correlation(generated.mouth, target.mouth),
        "eyes_correlation": metrics.correlation(generated.eyes, target.eyes),
    }


def _of_speech(generated: Measurements, target: Measurements, audio: np.ndarray) -> Scores:
    return {
        "width_correlation": metrics.correlation(generated.width, target.width),
        "opening_range": speech.opening_range(generated.mouth),
        "closures_met": speech.closures_met(generated.mouth, target.mouth),
        "silent_opening": speech.silent_opening(generated.mouth, audio),
        "beat_alignment": speech.beat_alignment(generated.descriptors[:, DESCRIPTOR_ANGLE], audio),
    }


def of_motion(generated: Measurements, target: Measurements, person: np.ndarray, *_: Frames) -> Scores:
    """The `Score` of a video whose target is another person's. person: embedding (128,) of whom the video shows."""

    def distance(part: slice) -> float:
        return metrics.coefficient_distance(generated.descriptors[:, part], target.descriptors[:, part])

    return _of_face(generated, target, person) | {
        "aed": distance(DESCRIPTOR_EXPRESSION),
        "apd": distance(DESCRIPTOR_ANGLE),
    }


def against_target(
    generated: Measurements,
    target: Measurements,
    person: np.ndarray,
    generated_frames: Frames,
    target_frames: Frames,
) -> Scores:
    """The `Score` of a video whose target is the same person's, pixel by pixel. person: embedding (128,) of whom the
    video shows."""
    scores = of_motion(generated, target, person) | image_scores(generated_frames, target_frames, target.landmarks)
    scores["landmarks"] = metrics.landmark_distance(generated.landmarks, target.landmarks)
    points = generated.keypoints, target.keypoints
    if all(map(keypoints.sought, points)):
        scores |= {"akd": metrics.keypoint_distance(*points), "mkr": metrics.missing_rate(*points)}
    return scores
