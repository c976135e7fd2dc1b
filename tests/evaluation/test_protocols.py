"""The protocols on frames whose scores are known, without networks: what is generated is given."""

import dataclasses
import json
import re
import weakref
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
from styleheat.evaluation import learned, panels, protocols, report
from styleheat.evaluation.images import AT_ONCE
from styleheat.evaluation.protocols import Clip, Evaluator, Result
from styleheat.evaluation.summary import of_protocol, of_sets, summary
from styleheat.face.landmarks import MediaPipe
from styleheat.inference.reader import FaceReader, by_fitting, by_regressor
from styleheat.media.image import read_image
from styleheat.media.video import probe
from styleheat.morphable.model import face_model
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.styleheat import StyleHEAT
from tests.evaluation.networks import scores_folder
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
    audio = np.zeros(FRAMES * SAMPLE_RATE // 25, np.float32)
    coefficients = np.zeros((FRAMES, 260), np.float32)
    coefficients[:, 257:] = (0.9, 128, 128)
    landmarks = face_model().landmarks(coefficients[:1])[0]
    mirrored = np.ascontiguousarray(frames[:, :, ::-1])
    return [
        Clip("a#1", "a", frames, coefficients, landmarks, audio),
        Clip("b#1", "b", mirrored, coefficients, landmarks, None),
    ]


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    torch.manual_seed(0)
    config = NETWORKS["embedded"]
    return Evaluator(StyleHEAT(config).eval(), Audio2Motion(config).eval(), FaceReader(MediaPipe(), by_fitting), seed=0)


def _short(clip: Clip, frames: int) -> Clip:
    """Its first frames, with all of its audio."""
    return dataclasses.replace(clip, frames=clip.frames[:frames], coefficients=clip.coefficients[:frames])


def _answer(monkeypatch: pytest.MonkeyPatch, frames: np.ndarray) -> None:
    """Let whatever is generated be these frames."""

    def animate(*args: Any, **options: Any) -> Iterator[np.ndarray]:
        yield from frames

    monkeypatch.setattr(protocols, "animate", animate)


def test_the_target_is_a_perfect_result(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, clips[0].frames)
    results = evaluator(clips[0], None, tmp_path)
    assert set(results) == {"same_identity", "speech"}
    scores = results["same_identity"].scores
    assert scores["psnr"] == scores["psnr_mouth"] == pytest.approx(58.92, abs=0.01)
    assert scores["ssim"] == scores["ssim_mouth"] == pytest.approx(1)
    assert scores["l1"] == scores["aed"] == scores["apd"] == scores["landmarks"] == 0
    assert scores["mouth_correlation"] == scores["eyes_correlation"] == pytest.approx(1)
    assert scores["sharpness_mouth"] == scores["sharpness_eyes"] == pytest.approx(1)
    assert scores["faces"] == 1
    assert scores["ms_ssim"] is None  # of 128 pixels
    assert scores["identity"] == results["same_identity"].ceiling["identity"] and scores["identity"] > 0.9
    assert results["speech"].scores["mouth_correlation"] == pytest.approx(1)


def test_scores_of_networks(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    networks = learned.opened(scores_folder(tmp_path / "scores"), "cpu")
    first, second = (_short(clip, 8) for clip in clips)
    _answer(monkeypatch, first.frames)
    (tmp_path / "a#1").mkdir()
    results = dataclasses.replace(evaluator, networks=networks)(first, second, tmp_path / "a#1")
    same, speech = results["same_identity"], results["speech"]
    assert same.scores["lpips"] == 0 < same.trivial["lpips"]
    for result in (same, speech):
        assert result.ceiling["lse_d"] == result.scores["lse_d"] > 0 and "lse_c" in result.trivial
    assert "lpips" not in speech.scores and "lse_d" not in results["cross_identity"].scores
    sets = of_sets(tmp_path, {"a#1": results})
    assert sets.keys() == results.keys()
    assert sets["same_identity"] == pytest.approx({"fid": 0, "kid": 0, "images": 8, "real_images": 8}, abs=0.01)
    silent = dataclasses.replace(_short(first, 3), audio=None)
    _answer(monkeypatch, silent.frames)
    scores = dataclasses.replace(evaluator, networks=networks)(silent, None, tmp_path / "a#1")["same_identity"]
    assert scores.scores["lse_d"] is None and scores.ceiling["lse_d"] is None


def test_another_estimator_scores_the_same_identity(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, clips[0].frames)
    results = dataclasses.replace(evaluator, other=MediaPipe())(*clips, tmp_path)
    same = results["same_identity"]
    assert same.scores["akd"] == same.scores["mkr"] == 0 < same.trivial["akd"]
    assert "akd" not in results["cross_identity"].scores and "akd" not in results["speech"].scores
    assert protocols.from_json(json.loads(json.dumps(protocols.to_json(results)))) == results


def test_so_it_is_by_the_released_regressor(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = [dataclasses.replace(_short(clip, 8), audio=None) for clip in clips]
    _answer(monkeypatch, short[0].frames)
    reader = FaceReader(evaluator.reader.landmarker, by_regressor(deep3d_folder(tmp_path), "cpu"))
    results = dataclasses.replace(evaluator, reader=reader)(*short, tmp_path)
    assert results["same_identity"].scores["aed"] == results["same_identity"].scores["apd"] == 0
    cross = results["cross_identity"]
    assert cross.scores["aed"] > 0 and cross.trivial["aed"] > 0
    assert cross.scores["apd"] is not None and cross.trivial["apd"] is not None
    assert cross.name == "a#1 by b#1" and cross.pose_difference > 0


def test_the_repeated_source_is_the_trivial_answer(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, np.repeat(clips[0].frames[:1], FRAMES, axis=0))
    result = evaluator(clips[0], None, tmp_path)["same_identity"]
    assert result.trivial["mouth_correlation"] == 0
    assert result.trivial["psnr"] < 35
    for key, value in result.trivial.items():
        assert result.scores[key] == pytest.approx(value, abs=0.1), key


def test_a_soft_result_is_less_sharp(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in clips[0].frames]))
    scores = evaluator(clips[0], None, tmp_path)["same_identity"].scores
    assert 0 < scores["sharpness_mouth"] < 0.4 and 0 < scores["sharpness_eyes"] < 0.4


def test_late_lips_are_found(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, clips[0].frames[np.maximum(np.arange(FRAMES) - 2, 0)])
    numbers = of_protocol([evaluator(clips[0], None, tmp_path)["speech"]])
    assert numbers["lag"] == 2
    assert numbers["lag_correlation"] > 0.95 > numbers["mouth_correlation"]


def test_lost_faces_do_not_raise(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, np.full_like(clips[0].frames, 90))
    results = {clip.name: evaluator(clip, other, tmp_path) for clip, other in (clips, clips[::-1])}
    assert [set(found) for found in results.values()] == [set(protocols.PROTOCOLS), {"same_identity", "cross_identity"}]
    numbers = summary(results)["same_identity"]
    assert numbers["faces"] == 0 and numbers["psnr"] < 20
    assert "identity" not in numbers and "mouth_correlation" not in numbers
    assert numbers["trivial"]["identity"] == 1
    assert numbers["low"]["psnr"] <= numbers["psnr"] <= numbers["high"]["psnr"]


def test_frames_are_never_all_in_memory(clips: list[Clip], evaluator: Evaluator, tmp_path: Path) -> None:
    """Frames are read one by one, in groups of `AT_ONCE` at most."""

    class Watched:
        """The frames of a clip; counts those of them that somebody keeps."""

        def __init__(self, frames: np.ndarray) -> None:
            self.frames, self.given, self.most = frames, [], 0

        def __len__(self) -> int:
            return len(self.frames)

        def __getitem__(self, number: int) -> np.ndarray:
            frame = self.frames[number].copy()
            self.given.append(weakref.ref(frame))
            self.given = [kept for kept in self.given if kept() is not None]
            self.most = max(self.most, len(self.given))
            return frame

        def __iter__(self) -> Iterator[np.ndarray]:
            return (self[number] for number in range(len(self)))

    long = np.concatenate([clips[0].frames, clips[0].frames[::-1]])
    watched = Watched(long)
    clip = dataclasses.replace(clips[0], frames=watched, coefficients=np.repeat(clips[0].coefficients, 2, axis=0))
    evaluator(clip, None, tmp_path)
    assert watched.most <= AT_ONCE + 4 < len(long)


def test_networks_answer_the_same_twice(clips: list[Clip], evaluator: Evaluator, tmp_path: Path) -> None:
    short = [_short(clip, 3) for clip in clips]
    once, again = (evaluator(*short, tmp_path) for _ in range(2))
    assert once == again
    assert protocols.from_json(json.loads(json.dumps(protocols.to_json(once)))) == once


def test_the_report_shows_each_protocol(
    clips: list[Clip], evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _answer(monkeypatch, clips[0].frames)
    folder, results = tmp_path / "clips", {}
    for clip, other in (clips, clips[::-1]):
        (folder / clip.name).mkdir(parents=True)
        results[clip.name] = evaluator(clip, other, folder / clip.name)
    report.write_strip(tmp_path / "strip.png", folder, results)
    height, width = read_image(tmp_path / "strip.png").shape[:2]
    assert width == (1 + panels.COLUMNS) * 128 + panels.GAP
    assert height == 3 * report.CAPTION + 5 * (2 * 128 + panels.GAP)

    report.write_page(tmp_path / "out", folder, results, summary(results), "models <a>")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "models &lt;a&gt;" in page and "95 % confidence" in page
    shown = sorted(re.findall(r'src="([^"#]+)#t=', page))
    assert shown == sorted(path.name for path in (tmp_path / "out").glob("*.mp4")) and len(shown) == 5
    first, second = (probe(tmp_path / "out" / f"same_identity_{number}.mp4") for number in (0, 1))
    assert (first.width, first.height, first.frames) == (384, 128, FRAMES)
    assert first.has_audio and not second.has_audio


def test_every_clip_is_driven_by_another_person() -> None:
    people = {"a#1": "a", "a#2": "a", "b#1": "b", "c#1": "c"}
    driven = protocols.drivers(people, seed=1)
    assert driven == protocols.drivers(dict(reversed(people.items())), seed=1)
    assert all(people[driver] != people[clip] for clip, driver in driven.items())
    assert protocols.drivers({"a#1": "a", "a#2": "a"}, seed=1) == {"a#1": None, "a#2": None}
    many = {f"{name}#1": name for name in "abcdefghijkl"}
    assert protocols.drivers(many, seed=1) != protocols.drivers(many, seed=2)


def test_large_poses_are_scored_apart() -> None:
    def result(person: str, identity: float, degrees: float) -> Result:
        return Result(person, person, None, {"identity": identity}, {"identity": 1.0}, {}, [None] * 11, degrees)

    results = {"a": {"cross_identity": result("a", 0.9, 20)}, "b": {"cross_identity": result("b", 0.5, 10)}}
    numbers = summary(results)
    assert numbers["cross_identity"]["identity"] == pytest.approx(0.7)
    assert numbers["cross_identity"]["large_pose"]["identity"] == pytest.approx(0.9)
    assert numbers["speech"] == {"clips": 0, "missing": protocols.NEEDS["speech"]}


def test_clips_are_read_person_by_person(tmp_path: Path) -> None:
    names = ["ann#1", "ann#2", "bob#1", "cid#1"]
    shards = {}
    for name in names:
        with ClipWriter(tmp_path / f"{name}.zip", name) as shard:
            for value in range(5):
                frame = np.full((32, 32, 3), 40 * value, np.uint8)
                shard.add_frame(frame, frame)
            audio = np.zeros(1000) if name == "bob#1" else None
            shard.finish(np.arange(5 * 260).reshape(5, 260), np.zeros((5, 68, 2)), audio, name[:3], "")
        shards[name] = tmp_path / f"{name}.zip"
    write_lmdb(tmp_path / "lmdb", 32, dict.fromkeys(names, "test"), shards)
    store = ClipStore(tmp_path / "lmdb", 32)
    chosen = protocols.chosen_clips(store, 3)
    assert chosen == ["ann#1", "bob#1", "cid#1"]
    ann, bob, _ = (protocols.read_clip(store, name, seconds=0.12, voice="en-us") for name in chosen)
    assert len(ann.frames) == 3 and ann.frames[2].shape == (32, 32, 3) and ann.descriptors.shape == (3, 73)
    with pytest.raises(IndexError):
        ann.frames[3]
    assert ann.audio is None and ann.voice == "en-us"
    assert bob.audio is not None and len(bob.audio) == 3 * SAMPLE_RATE // 25  # filled up with silence

    write_lmdb(tmp_path / "none", 32, {}, {})
    with pytest.raises(InputError, match="no clip is held out"):
        protocols.chosen_clips(ClipStore(tmp_path / "none", 32), 3)
