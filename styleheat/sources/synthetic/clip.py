"""Synthetic people and clips of them talking: the public functions of the source."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.renderer.camera import Camera
from styleheat.renderer.controls import CONTROLS, INDEX
from styleheat.renderer.identity import Identity
from styleheat.renderer.landmarks import landmark_track
from styleheat.renderer.look import Look
from styleheat.renderer.props import Prop
from styleheat.renderer.render import Renderer
from styleheat.renderer.scene import Scene
from styleheat.sources.synthetic.motion import MotionStyle, talk
from styleheat.sources.synthetic.sentences import LANGUAGES, paragraph
from styleheat.voices import Speech, neural, speak

_ACCENTS = ("en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc")
_MEN = {"train": ("m1", "m2", "m3", "m7"), "test": ("m4", "m5")}
_WOMEN = {"train": ("f1", "f4", "Andrea", "linda"), "test": ("belinda", "steph")}
"""Variants of eSpeak's voices, without those that have breath or echo (f2, f3, f5, Alicia, victor), which are not
deterministic."""
_MORE_MEN = ("Alex", "Andy", "Denis", "Lee", "Mario", "Michael", "edward", "grandpa", "rob")
_MORE_WOMEN = ("Annie", "anika", "aunty", "grandma", "shelby")
"""Further variants, of people of SPOKEN."""
_NEURAL = {"train": (neural.HEART, "jf_alpha", "jf_gongitsune", "jm_kumo"), "test": ("jf_nezumi", "jf_tebukuro")}
"""Neural voices; test people have other ones than people to train on."""
_MALE = ("jm_kumo",)


SPOKEN = "speech"
"""The set of people for training on speech: audio and landmarks, without video."""

TALKERS = {"hdtf": 0.6, SPOKEN: 1.0}
"""The sets for training on speech, and the share of their people who talk with few other facial movements."""

SLOW = 0.4
"""The share of people with a slow neural voice among those of SPOKEN with a neural voice. Slow voices take longer than
the rest of a clip."""


@dataclass(frozen=True)
class Person:
    """A synthetic person: appearance, way of moving and voice."""

    name: str
    seed: int
    identity: Identity
    look: Look
    style: MotionStyle
    voice: str
    language: str
    speed: float
    pitch: float


def person(set_name: str, split: Literal["train", "test"], k: int) -> Person:
    """The k-th person of a set's split; depends on these three only."""
    assert split in ("train", "test") and k >= 0
    name = f"{set_name}-{split}-{k:04d}"
    seed = _seed(name)
    rng = np.random.default_rng(seed)
    man = bool(rng.random() < 0.5)
    age = float(np.clip(rng.beta(1.3, 1.6), 0.02, 0.98))
    male = float(np.clip((0.7 if man else -0.7) + 0.25 * rng.normal(), -1, 1))
    identity = Identity.random(rng, male, age)
    look = Look.random(rng, man, age)
    style = MotionStyle(
        articulation=float(rng.uniform(1.2, 2.2)),
        rounding=float(rng.uniform(0.85, 1.1)),
        head=float(rng.uniform(0.8, 1.15)),
        nods=float(rng.uniform(0.5, 1.3)),
        brows=float(rng.uniform(0.5, 1.6)),
        smile=float(np.clip(0.12 + 0.14 * rng.normal(), -0.1, 0.4)),
        blink_every=float(rng.uniform(1.8, 4.2)),
        lids=float(np.clip(0.04 + 0.14 * rng.normal(), -0.25, 0.35)),
        gestures=float(rng.uniform(0.5, 1.6)),
    )
    voice = _voice(rng, split, man, set_name == SPOKEN)
    if set_name in TALKERS and rng.random() < TALKERS[set_name]:
        style = replace(style, gestures=float(rng.uniform(0, 0.2)))
    if set_name == SPOKEN:  # people who talk turn less than people who are to be seen from all sides
        style = replace(style, head=float(rng.uniform(0.25, 0.55)))
    return Person(name, seed, identity, look, style, *voice)


def _voice(
    rng: np.random.Generator, split: Literal["train", "test"], man: bool, spoken: bool
) -> tuple[str, str, float, float]:
    """A random voice, language, speed and pitch. Half of all people have neural voices. spoken: for SPOKEN, which has
    fewer slow neural voices, and more of eSpeak's."""
    speed = float(rng.uniform(0.88, 1.15))
    if rng.random() < 0.5:
        voices = _NEURAL[split]
        if spoken:
            chosen = rng.random() < SLOW
            voices = tuple(voice for voice in voices if (voice in neural.KOKORO) == chosen)
        voice = str(rng.choice(voices))
        if man and voice not in _MALE:
            pitch = rng.uniform(0.74, 0.86)  # a woman's voice, lowered to a man's
        elif not man and voice in _MALE:
            pitch = rng.uniform(1.15, 1.3)
        else:
            pitch = rng.uniform(0.9, 1.15)
        return voice, "en", speed, float(pitch)
    language = str(rng.choice(LANGUAGES)) if rng.random() < 0.4 else "en"
    accent = str(rng.choice(_ACCENTS)) if language == "en" else language
    variants = (_MEN if man else _WOMEN)[split]
    if spoken and split == "train":
        variants += _MORE_MEN if man else _MORE_WOMEN
    voice = f"{accent}+{rng.choice(variants)}"
    return voice, language, speed, float(rng.uniform(0.88, 1.1))


def _seed(*parts: str | int) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:6], "big")


def renderer(someone: Person, seed: int, size: int) -> Renderer:
    """A renderer of a person; the seed chooses background, light, camera, props and the colour of the clothes."""
    rng = np.random.default_rng([someone.seed, seed, 1])
    look = someone.look
    scene, camera = Scene.random(rng), Camera.random(rng, look.skin)
    cloth = np.clip(look.cloth * rng.uniform(0.85, 1.15), 0, 1)
    shoulders, prop = 0.04 * float(rng.normal()), Prop.random(rng)
    return Renderer(someone.identity, look, scene, camera, cloth, shoulders, prop, someone.seed, size)


def frames(someone: Person, motion: np.ndarray, size: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Draw a motion (frames, len(CONTROLS)): uint8 (size, size, 3) RGB frames."""
    for frame in renderer(someone, seed, size).frames(motion):
        yield frame.image


def conversation(someone: Person, seed: int, seconds: float) -> tuple[Speech, np.ndarray]:
    """The speech of a person in a clip, of exactly `seconds`, and the motion (frames, len(CONTROLS)) of its frames."""
    rng = np.random.default_rng([someone.seed, seed, 2])
    lead = float(rng.uniform(0.12, 0.35))
    text = paragraph(rng, int(seconds * someone.speed * 3.5) + 3, someone.language)
    said = speak(text, someone.voice, someone.speed, someone.pitch).at(SAMPLE_RATE)
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    start = round(lead * SAMPLE_RATE)
    count = min(len(said.samples), len(samples) - start)
    samples[start : start + count] = said.samples[:count]
    samples *= 0.9 / max(float(np.abs(samples).max()), 1e-3)
    fade = min(round(0.04 * SAMPLE_RATE), len(samples))
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    phonemes = tuple(
        replace(p, start=p.start + lead, end=p.end + lead) for p in said.phonemes if p.start + lead < seconds
    )
    speech = Speech(samples, SAMPLE_RATE, phonemes)
    return speech, talk(speech, seconds, rng, someone.style)


def spoken(someone: Person, seed: int, seconds: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A clip of a person talking without video: samples (N,) at 16 kHz, and landmarks (T, 68, 2) in pixels of frames of
    a size."""
    speech, motion = conversation(someone, seed, seconds)
    return speech.samples, landmark_track(someone.identity, motion, size)


def render_clip(
    someone: Person, seed: int, seconds: float, size: int, path: Path, truth_path: Path | None = None
) -> None:
    """Write a clip of a person talking: H.264 and AAC, 25 fps, round(seconds * 25) frames of size x size pixels.

    The same person, seed, length and size give the same frames and audio. `truth_path` (.npz, for tests alone) also
    gets landmarks (T, 68, 2) in pixels, motion (T, len(CONTROLS)) and the names of its columns (controls).
    Raises InputError where the speech synthesiser is missing.
    """
    from styleheat.media.video import VideoWriter

    speech, motion = conversation(someone, seed, seconds)
    landmarks = []
    with VideoWriter(path, size=(size, size), fps=FPS, samples=speech.samples, sample_rate=SAMPLE_RATE) as video:
        for frame in renderer(someone, seed, size).frames(motion):
            video.write(frame.image)
            landmarks.append(frame.landmarks)
    if truth_path is not None:
        np.savez(truth_path, landmarks=np.stack(landmarks), motion=motion, controls=np.array(CONTROLS))


assert len(INDEX) == len(CONTROLS)
