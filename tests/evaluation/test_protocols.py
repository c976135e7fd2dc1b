"""The protocols on pictures whose scores are known, without networks: a driver that answers as it is told."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from styleheat.clips.store import ClipStore
from styleheat.clips.writer import ClipWriter, write_lmdb
from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.evaluation import protocols, report
from styleheat.evaluation.protocols import Clip, Examiner
from styleheat.face.landmarks import MediaPipe
from styleheat.inference.reader import FaceReader, by_fitting, by_regressor
from styleheat.media.video import probe
from styleheat.morphable.model import face_model
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.styleheat import StyleHEAT
from tests.parity.released import deep3d_folder

FRAMES = 14


def _talking(size: int = 128) -> np.ndarray:
    """The astronaut's face, nodding a little while the mouth is stretched open and shut: (14,size,size,3)."""
    face = cv2.resize(data.astronaut()[0:240, 104:344], (size, size), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    frames = []
    for number, opening in enumerate(np.random.default_rng(0).random(FRAMES)):
        shift = 0.09 * size * opening * np.clip((y - 0.66 * size) / (0.1 * size), 0, 1)
        frames.append(cv2.remap(face, x + number % 3, (y - shift).astype(np.float32), cv2.INTER_LINEAR))
    return np.stack(frames)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    frames = _talking()
    sound = np.zeros(FRAMES * SAMPLE_RATE // 25, np.float32)
    coefficients = np.zeros((FRAMES, 260), np.float32)
    coefficients[:, 257:] = (0.9, 128, 128)
    landmarks = face_model().landmarks(coefficients[:1])[0]
    mirrored = np.ascontiguousarray(frames[:, :, ::-1])
    return [
        Clip("a#1", "a", frames, coefficients, landmarks, sound),
        Clip("b#1", "b", mirrored, coefficients, landmarks, None),
    ]


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    torch.manual_seed(0)
    config = NETWORKS["embedded"]
    return Examiner(StyleHEAT(config).eval(), Audio2Motion(config).eval(), FaceReader(MediaPipe(), by_fitting), seed=0)


def _answer(monkeypatch: pytest.MonkeyPatch, frames: np.ndarray) -> None:
    """Let whatever is asked for be these frames."""

    def animate(*args: Any, **options: Any) -> Iterator[np.ndarray]:
        yield from frames

    monkeypatch.setattr(protocols, "animate", animate)


def test_the_truth_is_a_perfect_answer(clips: list[Clip], examiner: Examiner, monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, clips[0].frames)
    trials = examiner.run(clips[:1])
    assert set(trials) == {"same_identity", "speech"}  # one person alone
    scores = trials["same_identity"][0].scores
    assert scores["psnr"] == scores["psnr_mouth"] == pytest.approx(58.92, abs=0.01)
    assert scores["ssim"] == scores["ssim_mouth"] == pytest.approx(1)
    assert scores["l1"] == scores["aed"] == scores["apd"] == scores["landmarks"] == 0
    assert scores["mouth_correlation"] == pytest.approx(1)
    assert scores["faces"] == 1
    assert scores["identity"] > 0.9
    assert trials["speech"][0].scores["mouth_correlation"] == pytest.approx(1)


def test_so_it_is_by_the_released_regressor(
    clips: list[Clip], examiner: Examiner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = [dataclasses.replace(c, frames=c.frames[:8], coefficients=c.coefficients[:8], sound=None) for c in clips]
    _answer(monkeypatch, short[0].frames)
    reader = FaceReader(examiner.reader.landmarker, by_regressor(deep3d_folder(tmp_path), "cpu"))
    trials = dataclasses.replace(examiner, reader=reader).run(short)
    assert trials["same_identity"][0].scores["aed"] == trials["same_identity"][0].scores["apd"] == 0
    cross = trials["cross_identity"][0]
    assert cross.scores["aed"] > 0 and cross.trivial["aed"] > 0
    assert np.isfinite([cross.scores["apd"], cross.trivial["apd"]]).all()


def test_the_repeated_source_is_the_trivial_answer(
    clips: list[Clip], examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer(monkeypatch, np.repeat(clips[0].frames[:1], FRAMES, axis=0))
    trial = examiner.run(clips[:1])["same_identity"][0]
    assert trial.trivial["mouth_correlation"] == 0
    assert trial.trivial["psnr"] < 35
    for key, value in trial.trivial.items():
        assert trial.scores[key] == pytest.approx(value, abs=0.1), key


def test_late_lips_are_seen(clips: list[Clip], examiner: Examiner, monkeypatch: pytest.MonkeyPatch) -> None:
    late = clips[0].frames[np.maximum(np.arange(FRAMES) - 2, 0)]
    _answer(monkeypatch, late)
    summary = report.summary(examiner.run(clips[:1])["speech"])
    assert summary["lag"] == 2
    assert summary["lag_correlation"] > 0.95 > summary["mouth_correlation"]


def test_lost_faces_do_not_raise(clips: list[Clip], examiner: Examiner, monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, np.full_like(clips[0].frames, 90))
    trials = examiner.run(clips)
    assert {protocol: len(members) for protocol, members in trials.items()} == {
        "same_identity": 2,
        "cross_identity": 2,
        "speech": 1,
    }
    summary = report.summary(trials["same_identity"])
    assert summary["faces"] == 0 and summary["psnr"] < 20
    assert "identity" not in summary and "mouth_correlation" not in summary
    assert summary["trivial"]["identity"] == 1


def test_the_report_shows_each_protocol(
    clips: list[Clip], examiner: Examiner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, clips[0].frames)
    trials = examiner.run(clips)
    strip = report.strip(trials)
    assert strip.shape[1] == (1 + report.COLUMNS) * 128 + report.GAP
    assert strip.shape[0] == 3 * report.CAPTION + 5 * (2 * 128 + report.GAP)
    report.write_films(tmp_path, "same_identity", trials["same_identity"])
    first, second = probe(tmp_path / "same_identity_0.mp4"), probe(tmp_path / "same_identity_1.mp4")
    assert (first.width, first.height, first.frames) == (384, 128, FRAMES)
    assert first.has_audio and not second.has_audio


def test_networks_answer_the_same_twice(clips: list[Clip], examiner: Examiner) -> None:
    short = [dataclasses.replace(c, frames=c.frames[:3], coefficients=c.coefficients[:3]) for c in clips]
    once, again = (examiner.run(short) for _ in range(2))
    for protocol, members in once.items():
        assert report.summary(members) == report.summary(again[protocol])


def test_clips_are_read_person_by_person(tmp_path: Path) -> None:
    names = ["ann#1", "ann#2", "bob#1", "cid#1"]
    shards = {}
    for name in names:
        with ClipWriter(tmp_path / f"{name}.zip", name) as shard:
            for value in range(5):
                frame = np.full((32, 32, 3), 40 * value, np.uint8)
                shard.add_frame(frame, frame)
            sound = np.zeros(1000) if name == "bob#1" else None
            shard.finish(np.arange(5 * 260).reshape(5, 260), np.zeros((5, 68, 2)), sound, name[:3], "")
        shards[name] = tmp_path / f"{name}.zip"
    write_lmdb(tmp_path / "lmdb", 32, dict.fromkeys(names, "test"), shards)
    voices = {"bob": "en-us"}
    clips = protocols.read_clips(ClipStore(tmp_path / "lmdb", 32), 3, seconds=0.12, voice_of=voices.get)
    assert [clip.name for clip in clips] == ["ann#1", "bob#1", "cid#1"]
    assert clips[0].frames.shape == (3, 32, 32, 3) and clips[0].descriptors.shape == (3, 73)
    assert clips[0].sound is None and clips[2].sound is None
    assert clips[1].sound is not None and len(clips[1].sound) == 3 * SAMPLE_RATE // 25  # filled up with silence
    assert [clip.voice for clip in clips] == [None, "en-us", None]

    write_lmdb(tmp_path / "none", 32, {}, {})
    with pytest.raises(InputError, match="no clip is held out"):
        protocols.read_clips(ClipStore(tmp_path / "none", 32), 3, 1.0)
