import dataclasses
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.face.landmarks import MediaPipe
from styleheat.inference import animate as video
from styleheat.inference import engine, finish
from styleheat.inference.animate import (
    BATCH,
    animate,
    inspect,
    load_styleheat,
    one_thread,
    open_portrait,
    write_video,
)
from styleheat.inference.drive import Motion
from styleheat.inference.portrait import Portrait, read_portrait, to_tensor
from styleheat.inference.reader import FaceReader
from styleheat.media.audio import read_audio, write_wav
from styleheat.media.track import AudioTrack
from styleheat.media.video import probe, read_frames
from styleheat.morphable.coefficients import windows
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import load_params

ROOT = Path(__file__).parents[2]

SIZE = 256
"""Pixels of the frames."""


@pytest.fixture(scope="module")
def portrait(astronaut: Path, model: StyleHEAT, reader: FaceReader) -> Portrait:
    return read_portrait(astronaut, model, reader, largest=SIZE)


@pytest.fixture(scope="module")
def descriptors(portrait: Portrait) -> np.ndarray:
    """Seven frames, more than one batch and no multiple of it."""
    noise = np.random.default_rng(0).normal(size=(7, 73)).astype(np.float32)
    return portrait.descriptor + 0.3 * noise


def test_the_portrait_that_parameters_name(
    astronaut: Path, model: StyleHEAT, portrait: Portrait, reader: FaceReader, folder: Path
) -> None:
    infer = load_params(ROOT / "params.yaml").infer.model_copy(
        update={"models": str(folder / "styleheat"), "size": SIZE}
    )
    opened = open_portrait(astronaut, infer, reader, "cpu")
    assert np.array_equal(opened.image, portrait.image)
    assert torch.equal(opened.inversion.feature, portrait.inversion.feature)


def test_one_frame_for_each_descriptor(model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray) -> None:
    frames = np.stack(list(animate(model, portrait, descriptors)))
    assert frames.shape == (7, SIZE, SIZE, 3) and frames.dtype == np.uint8
    assert np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3)).min() > 0  # the window moves the face
    small = np.stack(list(animate(model, portrait, descriptors, size=64)))
    assert small.shape == (7, 64, 64, 3)


def test_who_does_not_move_does_not_change(reader: FaceReader, astronaut: Path) -> None:
    """In the committed network, whose convolutions round otherwise in a last batch of one."""
    model = load_styleheat(ROOT / "models/embedded/styleheat", "cpu")
    face = read_portrait(astronaut, model, reader, largest=SIZE)
    first, *others = animate(model, face, np.stack([face.descriptor] * (2 * BATCH + 1)))
    assert len(others) == 2 * BATCH and all(np.array_equal(frame, first) for frame in others)


def test_frames_are_the_same_for_any_number_of_threads(reader: FaceReader, astronaut: Path) -> None:
    """In the committed network, in which rounding shows."""
    model = load_styleheat(ROOT / "models/embedded/styleheat", "cpu")
    had, made = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with one_thread() as painters:
                assert (painters, torch.get_num_threads()) == (count, 1)
                face = read_portrait(astronaut, model, reader, largest=SIZE)
                made.append(np.stack(list(animate(model, face, np.stack([face.descriptor] * 6), painters=painters))))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(had)
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])


def test_frames_come_as_they_are_asked_for(model: StyleHEAT, portrait: Portrait) -> None:
    stream = animate(model, portrait, np.broadcast_to(portrait.descriptor, (10**6, 73)))
    assert next(stream).shape == (SIZE, SIZE, 3)


def test_a_video_has_the_drivers_frames_rate_and_audio(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, tmp_path: Path
) -> None:
    write_wav(tmp_path / "tone.wav", 0.5 * np.sin(np.arange(44_100) / 30), 44_100)
    write_video(tmp_path / "video.mp4", model, portrait, Motion(descriptors, 30.0, AudioTrack(tmp_path / "tone.wav")))
    info = probe(tmp_path / "video.mp4")
    assert (info.frames, info.width, info.height, info.fps, info.has_audio) == (7, SIZE, SIZE, 30.0, True)
    audio = read_audio(tmp_path / "video.mp4")
    assert np.abs(audio).max() > 0.3 and len(audio) == pytest.approx(7 / 30 * SAMPLE_RATE, abs=1024)


def test_frames_are_those_of_the_plain_composition(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "fast_precision", lambda _: torch.float32)
    monkeypatch.setattr(finish, "still_background", lambda *_: None)
    monkeypatch.setattr(video.Retouch, "__call__", lambda *_: None)
    monkeypatch.setattr(finish, "with_eyes", lambda painted, _: painted)
    with torch.no_grad():
        every = torch.from_numpy(windows(descriptors))
        every = model.video_warper.conditioned(every, torch.from_numpy(portrait.descriptor).expand(len(every), -1))
        geometry = portrait.geometry()
        moves = torch.from_numpy(np.stack([geometry(descriptor) for descriptor in descriptors]))
        image = to_tensor(portrait.image).expand(len(every), -1, -1, -1)
        own = torch.from_numpy(portrait.descriptor)
        still = model.video_warper.conditioned(own[None, :, None].expand(-1, -1, every.shape[-1]), own[None])
        place = torch.from_numpy(geometry(portrait.descriptor))[None]
        rest = model.video_warper(portrait.inversion.image, still, place).displacement
        inversion = portrait.inversion.expand(len(every))
        plain = model(image, every, inversion, size=SIZE, geometry=moves, rest=rest).image
    wanted = to_pixels(plain)
    # Half a shade by rounding, and what two flows in float32 differ by.
    assert np.abs(np.stack(list(animate(model, portrait, descriptors))) - wanted).max() <= 0.55


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="no wheel for this Python or processor")
def test_the_person_is_laid_over_a_background_that_stands_still(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = finish.read_source(portrait, None).background
    assert behind is not None
    shown = list(animate(model, portrait, descriptors))
    composed: list[tuple[np.ndarray, np.ndarray]] = []

    def kept(frame: np.ndarray, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        composed.append((frame, displacement))
        return frame, np.zeros(frame.shape[:2], np.float32)

    monkeypatch.setattr(finish, "still_background", lambda *_: kept)
    assert len(list(animate(model, portrait, descriptors))) == len(shown)
    laid = [behind(*pair)[0] for pair in composed]
    assert {frame.tobytes() for frame in laid} == {frame.tobytes() for frame in shown}  # workers may change the order
    corner = np.stack(shown)[:, :12, :12]
    assert (corner == portrait.image[:12, :12]).all()


def to_pixels(image: torch.Tensor) -> np.ndarray:
    """(B,3,S,S) in [-1,1] -> (B,S,S,3) in [0,255], not rounded."""
    return ((image + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("painted", [0, 3])
def test_ctrl_c_leaves_a_video_of_what_was_painted(
    painted: int, model: StyleHEAT, portrait: Portrait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[np.ndarray]:
        for _number in range(painted):
            yield np.zeros((SIZE, SIZE, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(video, "animate", interrupted)
    write_wav(tmp_path / "tone.wav", np.zeros(44_100), 44_100)
    with pytest.raises(KeyboardInterrupt):
        write_video(
            tmp_path / "f.mp4", model, portrait, Motion(np.zeros((9, 73)), 25.0, AudioTrack(tmp_path / "tone.wav"))
        )
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".mp4"] == (["f.mp4"] if painted else [])
    if painted:
        assert probe(tmp_path / "f.mp4").frames == painted and probe(tmp_path / "f.mp4").has_audio


def test_a_video_may_show_the_complete_photograph(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, tmp_path: Path
) -> None:
    odd = dataclasses.replace(portrait, photo=portrait.photo[:511, :509])
    write_video(tmp_path / "video.mp4", model, odd, Motion(descriptors, 25.0), "pasted")
    first, *_, last = read_frames(tmp_path / "video.mp4", fps=None)
    assert first.shape == (510, 508, 3)
    near = np.abs(first.astype(int) - odd.photo[:510, :508]).mean(2)
    x, y = (portrait.to_photo @ (SIZE / 2, SIZE / 2, 1)).round().astype(int)
    assert near[-100:].mean() < 4 < near[y - 40 : y + 40, x - 40 : x + 40].mean()  # untrained, so unlike it
    assert np.abs(last.astype(int) - first)[-100:].mean() < 1  # outside of the square


def test_a_video_may_stand_beside_portrait_and_driver(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, tmp_path: Path
) -> None:
    driver = [np.full((50, 90, 3), shade, np.uint8) for shade in (40, 200)]
    write_video(tmp_path / "three.mp4", model, portrait, Motion(descriptors, 25.0), "beside", iter(driver))
    frames = np.stack(list(read_frames(tmp_path / "three.mp4", fps=None))).astype(int)
    assert frames.shape == (7, SIZE, 3 * SIZE, 3)
    assert np.abs(frames[:, :, :248] - portrait.image[:, :248]).mean() < 6
    assert frames[:, 16:-16, 272:496].mean((1, 2, 3)).round() == pytest.approx([40, *[200] * 6], abs=2)
    write_video(tmp_path / "two.mp4", model, portrait, Motion(descriptors, 25.0), "beside")
    assert probe(tmp_path / "two.mp4").width == 2 * SIZE


def test_a_fault_while_encoding_leaves_no_video(
    model: StyleHEAT, portrait: Portrait, descriptors: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"missing\.wav: no such file"):
        write_video(
            tmp_path / "f.mp4", model, portrait, Motion(descriptors, 25.0, AudioTrack(tmp_path / "missing.wav"))
        )
    assert list(tmp_path.iterdir()) == []


def test_inspect_counts_frames_and_faces(
    model: StyleHEAT, portrait: Portrait, driver: Path, finder: MediaPipe, tmp_path: Path
) -> None:
    assert inspect(driver, finder) == {"frames": 14, "seconds": 0.467, "audio": 1, "faces": 1.0}
    write_video(tmp_path / "still.mp4", model, portrait, Motion(portrait.descriptor[None].repeat(5, axis=0), 25.0))
    facts = inspect(tmp_path / "still.mp4", finder)
    assert facts["frames"] == 5 and facts["audio"] == 0 and facts["seconds"] == 0.2


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: missing"):
        load_styleheat(tmp_path, "cpu")
