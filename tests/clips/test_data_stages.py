"""The stages coefficients and pack, on clips whose landmarks are known."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import coefficients, pack
from styleheat.clips import index
from styleheat.clips.store import ClipStore
from styleheat.clips.workers import Outcome, Task
from styleheat.errors import InputError
from styleheat.media.video import VideoWriter, read_frames
from styleheat.morphable import coefficients as layout
from styleheat.morphable.coefficients import read_mat, write_landmarks
from styleheat.morphable.model import face_model
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage
from tests.clips.samples import sample_image

ROOT = Path(__file__).parents[2]
SIZE, FRAMES = 96, 12


def landmarks_of(seed: int) -> np.ndarray:
    """A face of the model in the middle of 96-pixel frames, opening its mouth."""
    coefficients = np.zeros((FRAMES, 257))
    coefficients[:, layout.IDENTITY] = np.random.default_rng(seed).normal(size=80) * 0.5
    coefficients[:, layout.EXPRESSION.start] = np.linspace(0, 3, FRAMES)  # jaw_open
    params = np.tile([256.0, 256, 1.0, 128, 128], (FRAMES, 1))
    return layout.from_crop(face_model().landmarks(coefficients), params) * SIZE / 256


def write_clip(name: str, path: Path) -> Outcome:
    audio = np.sin(np.arange(FRAMES * 640) * 0.2).astype(np.float32) if "audio" in name else None
    with VideoWriter(path, (SIZE, SIZE), samples=audio) as video:
        for frame in range(FRAMES):
            video.write(sample_image(frame, SIZE))
    return Outcome(files=[path])


def write_points(name: str, path: Path) -> Outcome:
    landmarks = landmarks_of(len(name))
    if "gap" in name:
        landmarks[4:6] = -1
    write_landmarks(path, landmarks[:-2] if "short" in name else landmarks)
    return Outcome(files=[path])


Run = Callable[[list[str]], tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Make clips and landmarks of these names, run both stages in an empty project, return their metrics."""
    content = read_yaml(ROOT / "params.yaml")
    content["runtime"]["workers"] = 1
    content["sets"]["vox"]["crop"]["size"] = SIZE
    content["sets"]["vox"]["pack"] |= {"size": 64, "align_size": 48}
    params = check_params(content)
    monkeypatch.chdir(tmp_path)

    def run_with(names: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        for folder, suffix, work in (("clips", ".mp4", write_clip), ("landmarks", ".txt", write_points)):
            path = Path("data/vox") / folder
            split = {name: ("test" if "test" in name else "train") if folder == "clips" else "" for name in names}
            index.process(path, {n: Task(n, (path / split[n] / f"{n}{suffix}",), {"person": n}) for n in names}, work)
        coefficients.body(Stage("coefficients", params, "vox"))
        pack.body(Stage("pack", params, "vox"))
        return tuple(json.loads(Path(f"metrics/vox/{name}.json").read_text()) for name in ("coefficients", "pack"))

    return run_with


def test_clips_become_an_lmdb(run: Run) -> None:
    fitted, packed = run(["a#audio", "b#test#gap", "c#short"])
    assert (fitted["clips"], fitted["ok"], fitted["frames"]) == (3, 3, 3 * FRAMES - 2)
    assert fitted["frames_filled_in"] == 2 and fitted["fit_error"] < 0.01
    assert (packed["clips"], packed["ok"], packed["frames"]) == (3, 2, 2 * FRAMES)
    assert packed["persons"] == {"train": 1, "test": 1}
    assert list(packed["lost_by_reason"]) == ["its frames, landmarks and coefficients differ in number"]

    clips = ClipStore("data/vox/lmdb", 64)
    assert (clips.clips("train"), clips.clips("test")) == (("a#audio",), ("b#test#gap",))
    np.testing.assert_allclose(clips.landmarks("a#audio"), landmarks_of(7) * 256 / SIZE, atol=1e-3)
    filled = clips.landmarks("b#test#gap")
    np.testing.assert_allclose(filled[4], (2 * filled[3] + filled[6]) / 3, atol=1e-2)
    jaw = face_model().named(layout.descriptor(clips.coefficients("a#audio")), "jaw_open")
    assert np.corrcoef(jaw, np.arange(FRAMES))[0, 1] > 0.98
    coeff, params = read_mat("data/vox/coefficients/a#audio.mat")
    np.testing.assert_array_equal(clips.coefficients("a#audio"), layout.pack_coefficients(coeff, params))

    assert clips.audio("a#audio").ndim == 1 and not clips.has_audio("b#test#gap")
    assert clips.aligned("a#audio", 0).shape == (48, 48, 3)
    frame = next(read_frames("data/vox/clips/train/a#audio.mp4", size=(64, 64)))
    assert np.abs(clips.frame("a#audio", 0).astype(int) - frame).mean() < 4


def test_one_more_clip_costs_one_clip_and_the_bytes_are_those_of_a_fresh_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["a#1", "b#1"])
    worked: list[str] = []
    for stage, function in ((coefficients, "fit_clip"), (pack, "pack_clip")):
        original = getattr(stage, function)
        monkeypatch.setattr(stage, function, lambda clip, *args, f=original: (worked.append(clip), f(clip, *args))[1])
    run(["a#1", "b#1", "c#1"])
    assert worked == ["c#1", "c#1"]
    run(["a#1", "c#1"])
    assert worked == ["c#1", "c#1"]

    grown = Path("data/vox/lmdb").rename("grown")
    assert not list(Path(".work/pack@vox").glob("*.zip"))
    run(["a#1", "c#1"])
    for name in ("64/data.mdb", "train_list.txt", "test_list.txt"):
        assert (grown / name).read_bytes() == (Path("data/vox/lmdb") / name).read_bytes(), name


def test_a_kill_before_the_lmdb_is_complete_keeps_the_packed_clips(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pack.writer, "write_lmdb", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(["a#1", "b#1"])
    monkeypatch.setattr(pack, "pack_clip", lambda clip, *_: Outcome(reason="packed a second time"))
    assert run(["a#1", "b#1"])[1]["ok"] == 2


def test_nothing_to_pack_is_one_clear_line(run: Run) -> None:
    with pytest.raises(InputError, match="none of 1 clips can be used: its frames, landmarks and coefficients differ"):
        run(["c#short"])
    shutil.rmtree("data/vox/landmarks")
    with pytest.raises(InputError, match="run the stage that makes data/vox/landmarks first"):
        pack.body(Stage("pack", check_params(read_yaml(ROOT / "params.yaml")), "vox"))
