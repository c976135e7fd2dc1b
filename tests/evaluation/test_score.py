"""Scoring videos of any origin: the real command, on videos that are equal, softer, damaged and alone."""

import json
import shutil
from pathlib import Path

import cv2
import pytest

from stages import score
from styleheat.evaluation import learned
from styleheat.media.video import VideoWriter, read_frames
from styleheat.params import PARAMS_FILE
from tests.evaluation.networks import scores_folder

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "data" / "examples" / "driver.mp4"


def write(path: Path, blur: float = 0, shift: int = 0, frames: int = 10) -> None:
    """The first frames of the example driver, blurred and in another framing."""
    with VideoWriter(path, (360, 360), crf=1) as writer:
        for frame in list(read_frames(DRIVER, size=(320, 320), end=0.4))[:frames]:
            frame = cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame
            padded = cv2.copyMakeBorder(frame, shift, 40 - shift, shift, 40 - shift, cv2.BORDER_REFLECT)
            writer.write(padded)


def test_a_row_for_a_folder_of_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / PARAMS_FILE, tmp_path)
    for folder in ("same", "soft", "originals"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "originals" / "ann#1.mp4")
    write(tmp_path / "same" / "ann#1.mp4", shift=40)  # the framing of a method is its own
    write(tmp_path / "soft" / "ann#1.mp4", blur=3)
    numbers = {}
    for folder in ("same", "soft"):
        with pytest.raises(SystemExit) as end:
            score.main(["--videos", folder, "--against", "originals", "--json", f"{folder}.json"])
        assert end.value.code == 0
        assert f"| {folder} | 1 | " in capsys.readouterr().out
        numbers[folder] = json.loads(Path(f"{folder}.json").read_text())
    assert numbers["same"]["psnr"] > 35 and numbers["same"]["landmarks"] < 0.01
    assert numbers["soft"]["psnr"] < numbers["same"]["psnr"] - 5
    assert numbers["soft"]["sharpness_mouth"] < 0.3 < 0.8 < numbers["same"]["sharpness_mouth"] < 1.25
    assert numbers["same"]["identity"] == pytest.approx(numbers["same"]["ceiling"]["identity"], abs=0.01)
    assert numbers["same"]["mouth_correlation"] > 0.95

    (tmp_path / "soft" / "bob.mp4").write_bytes(b"no video")
    (tmp_path / "originals" / "bob.mp4").write_bytes(b"no video")
    write(tmp_path / "soft" / "cid.mp4")
    write(tmp_path / "soft" / "dan.mp4", frames=5)
    write(tmp_path / "originals" / "dan.mp4")
    with pytest.raises(SystemExit) as end:
        score.main(["--videos", "soft", "--against", "originals"])
    out, said = capsys.readouterr()
    assert end.value.code == 1 and "| soft | 1 | " in out
    lines = [line for line in said.splitlines() if line.startswith("score: ")]
    assert len(lines) == 3
    assert "soft/bob.mp4" in lines[0] and "no video of this name" in lines[1] and "same motion" in lines[2]

    with pytest.raises(SystemExit, match="nowhere: no such folder"):
        score.main(["--videos", "nowhere", "--against", "originals"])


def test_scores_of_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    params = (ROOT / PARAMS_FILE).read_text()
    assert "scores: models/none" in params
    Path(PARAMS_FILE).write_text(params.replace("scores: models/none", "scores: models/scores"))
    scores_folder(Path("models/scores"))
    for folder, blur in (("ours", 1.5), ("originals", 0)):
        Path(folder).mkdir()
        write(Path(folder) / "ann#1.mp4", blur=blur)
    with pytest.raises(SystemExit) as end:
        score.main(["--videos", "ours", "--against", "originals", "--json", "ours.json"])
    assert end.value.code == 0
    out, said = capsys.readouterr()
    numbers = json.loads(Path("ours.json").read_text())
    assert numbers["lpips"] > 0 and numbers["trivial"]["lpips"] > 0 and numbers["fid"] >= 0
    assert numbers["images"] == numbers["real_images"] == 10
    assert "lse_c" not in numbers  # without audio
    assert "| lpips | fid | kid |" in out and learned.LEFT_OUT not in said
