"""The stages crop and landmarks, on a folder as the stage before leaves it."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stages import crop, landmarks
from styleheat.clips import index
from styleheat.clips.workers import Outcome, Task
from styleheat.errors import InputError
from styleheat.media.video import VideoWriter, probe
from styleheat.morphable.coefficients import read_landmarks
from styleheat.params import load_params
from styleheat.pipeline import Stage

ROOT = Path(__file__).parents[2]


def run(stage: ModuleType) -> dict[str, Any]:
    """Run a stage in this process, on one worker, and return its metrics."""
    params = load_params()
    params = params.model_copy(update={"runtime": params.runtime.model_copy(update={"workers": 1})})
    it = Stage(stage.__name__.removeprefix("stages."), params, "vox")
    stage.body(it)
    return json.loads(it.metrics_path().read_text())


def store(clip: str, path: Path) -> Outcome:
    return Outcome([path], facts={"person": clip, "split": path.parent.name})


@pytest.fixture
def checkout(tmp_path: Path, carphone: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    videos = tmp_path / "data/vox/videos"
    for split in ("train", "test"):
        (videos / split).mkdir(parents=True)
    shutil.copy(carphone, videos / "train/carphone.mp4")
    with VideoWriter(videos / "test/astronaut.mp4", (512, 512)) as writer:
        for shift in range(30):
            writer.write(np.roll(astronaut, shift, axis=1))
    with VideoWriter(videos / "test/nobody.mp4", (64, 64)) as writer:
        for _ in range(30):
            writer.write(np.full((64, 64, 3), 200, np.uint8))
    (videos / "train/broken.mp4").write_bytes((videos / "train/carphone.mp4").read_bytes()[:20_000])
    paths = {path.stem: path for path in videos.glob("*/*.mp4")}
    index.process(videos, {clip: Task(clip, (path,)) for clip, path in paths.items()}, store)
    return tmp_path


def test_crop_and_landmarks(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    metrics = run(crop)
    clips = sorted(path.relative_to(checkout).as_posix() for path in checkout.glob("data/vox/clips/*/*.mp4"))
    assert clips[0] == "data/vox/clips/test/astronaut.mp4"
    assert len(clips) > 1 and all(clip.startswith("data/vox/clips/train/carphone") for clip in clips[1:])
    assert (metrics["clips"], metrics["ok"], metrics["files"]) == (4, 2, len(clips))
    assert metrics["lost_by_reason"] == {"no face": 1, "unreadable": 1}

    metrics = run(landmarks)
    for clip in clips:
        points = read_landmarks(checkout / "data/vox/landmarks" / f"{Path(clip).stem}.txt")
        assert len(points) == probe(checkout / clip).frames
        assert points.min() > 0 and points.max() < 256
        assert 8 < points[:, :, 0].std() < 60
    assert metrics["face_rate"] == 1 and metrics["ok"] == len(clips)
    assert "XNNPACK" not in capfd.readouterr().err

    before = {path: path.stat().st_mtime_ns for path in checkout.glob("data/vox/*/**/*.*") if path.suffix != ".json"}
    run(crop), run(landmarks)
    assert before == {path: path.stat().st_mtime_ns for path in before}  # nothing was made twice


def test_a_set_without_a_face_is_one_line(checkout: Path) -> None:
    videos = checkout / "data/vox/videos"
    index.process(videos, {"nobody": Task("nobody", (videos / "test/nobody.mp4",))}, store)
    with pytest.raises(InputError, match=r"none of 1 clips can be used: no face \(1\)"):
        run(crop)
