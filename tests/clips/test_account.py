"""The account: exact, whatever became of the clips, and refused where the stages are out of step."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import account as stage_account
from styleheat.clips import index
from styleheat.clips.account import FOLDERS, pose_histogram, read_account
from styleheat.clips.workers import Entry
from styleheat.errors import InputError
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage
from tests.dvc.repository import ROOT

POSE = {"pitch": {"0": 20}, "yaw": {"-20": 5, "10": 15}, "roll": {"0": 20}}


FIT = {"backend": "fit"}


def about(person: str, split: str = "train", clips: int = 1) -> dict[str, Any]:
    return {"person": person, "split": split, "clips": clips}


def lost(reason: str, facts: dict[str, Any], transient: bool = False) -> Entry:
    return Entry("f", reason=reason, detail=f"{reason}, in full", transient=transient, facts=facts)


def write_set(data: Path) -> None:
    """Of seven clips asked for and one more found, four are packed."""
    tracked, fitted = {"frames": 20, "faces": 15} | FIT, {"frames": 20, "pose": POSE} | FIT
    entries = {
        "download": {
            "gone": lost("removed", about("cy", clips=2)),
            "slow": lost("network", about("cy"), transient=True),
            "one": Entry("f", {"train/one.mp4": "1"}, facts=about("ann", clips=2)),
            "two": Entry("f", {"test/two.mp4": "2"}, facts=about("bob", "test")),
            "bad": Entry("f", {"train/bad.mp4": "3"}, facts=about("dan")),
        },
        "crop": {
            "one": Entry(
                "f",
                {"train/a#1.mp4": "x", "train/a#2.mp4": "y", "train/a#3.mp4": "z"},
                facts={
                    "clips": {"a#1": [20, 90], "a#2": [20, 80], "a#3": [20, 70]},
                    "lost": {"a#4@9-12": "too short"},
                },
            ),
            "two": Entry("f", {"test/b.mp4": "x"}, facts={"clips": {"b": [40, 200]}}),
            "bad": lost("took too long", {}, transient=True),
        },
        "landmarks": {clip: Entry("f", {f"{clip}.txt": "p"}, facts=tracked) for clip in ("a#1", "a#2", "b")}
        | {"a#3": lost("no face", {"frames": 20, "faces": 0} | FIT)},
        "coefficients": {clip: Entry("f", {f"{clip}.mat": "c"}, facts=fitted) for clip in ("a#1", "a#2", "b")},
        "pack": {"a#1": Entry("f"), "b": Entry("f"), "a#2": lost("differ in number", {})},
    }  # fmt: skip
    for stage, clips in entries.items():
        for clip in clips.values():
            for name in clip.files:
                path = data / FOLDERS[stage] / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"12345")
        (data / FOLDERS[stage]).mkdir(exist_ok=True)
        index.write(data / FOLDERS[stage], clips)


def test_every_clip_is_packed_or_lost_in_one_place(tmp_path: Path) -> None:
    write_set(tmp_path)
    account = read_account(tmp_path)
    numbers = account.metrics()
    assert numbers["clips"] == {"asked": 9, "packed": 2, "lost": 7}
    assert numbers["lost"] == {
        "download": {"network": 1, "removed": 2},
        "crop": {"too short": 1, "took too long": 1},
        "landmarks": {"no face": 1},
        "pack": {"differ in number": 1},
    }
    assert numbers["videos"] == 5 and numbers["people"] == {"train": 1, "test": 1}
    assert numbers["frames"] == {"train": 20, "test": 40} and numbers["hours"]["test"] == round(40 / 25 / 3600, 4)
    assert numbers["face_rate"] == pytest.approx((0.75 * 80 + 0) / 100)
    assert numbers["pose"]["yaw"] == {"-20": 10, "10": 30}
    assert numbers["crop_side"] == {"least": 90, "median": 145, "most": 200}
    assert numbers["bytes"] == {"videos": 15, "clips": 20, "landmarks": 15, "coefficients": 15, "lmdb": 0}
    assert numbers["duplicates"] == {"clips": 1, "across_splits": 1}

    rows = {row["clip"]: row for row in csv.DictReader(io.StringIO(account.table()))}
    assert rows["b"]["duplicate_of"] == "a#1" and rows["b"]["lost"] == ""
    assert (rows["gone"]["lost"], rows["gone"]["detail"], rows["gone"]["clips"]) == (
        "download",
        "removed, in full",
        "2",
    )
    assert [name for name, row in rows.items() if row["again"] == "True"] == ["bad", "slow"]
    assert account.pose_table().splitlines() == [
        "degrees,pitch,yaw,roll", "-20,0,10,0", "-10,0,0,0", "0,40,0,40", "10,0,30,0",
    ]  # fmt: skip


def test_the_stage_writes_what_dvc_and_people_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_set(Path("data/vox"))
    stage_account.body(Stage("account", check_params(read_yaml(ROOT / "params.yaml")), "vox"))
    assert json.loads(Path("metrics/vox/data.json").read_text())["clips"]["lost"] == 7
    page = Path("data/vox/account/index.html").read_text()
    assert "2 of 9 asked for" in page and "a#4@9-12" in page and "too short" in page
    assert len(Path("data/vox/account/clips.csv").read_text().splitlines()) == 9
    assert Path("metrics/vox/pose.csv").read_text().startswith("degrees,")


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    write_set(tmp_path)
    entries = index.read(tmp_path / "videos")
    entries["gone"] = lost("<script>", about("cy", clips=2))
    index.write(tmp_path / "videos", entries)
    assert "<script>" not in read_account(tmp_path).page("x")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_asked_is_packed_and_lost_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Chance decides how far each clip comes."""
    folder = tmp_path_factory.mktemp("set")
    videos, made = {}, {}
    asked = 0
    for number in range(data.draw(st.integers(0, 5))):
        clips = data.draw(st.integers(0, 3))
        if data.draw(st.booleans()):
            videos[f"v{number}"] = lost("removed", about("x", clips=clips))
            asked += clips
            continue
        videos[f"v{number}"] = Entry("f", facts=about("x", clips=clips))
        fate = {f"v{number}#{k}": data.draw(st.booleans()) for k in range(clips)}
        facts = {
            "clips": {clip: [10, 50] for clip, good in fate.items() if good},
            "lost": {clip: "no face" for clip, good in fate.items() if not good},
        }
        asked += clips
        files = {f"{clip}.mp4": clip for clip in facts["clips"]}
        made[f"v{number}"] = Entry("f", files, facts=facts, reason=None if files else "no face")
        (folder / "clips").mkdir(exist_ok=True)
        for name in files:
            (folder / "clips" / name).write_bytes(b"x")
    entries = {"videos": videos, "clips": made}
    left = [Path(name).stem for entry in made.values() for name in entry.files]
    for name in ("landmarks", "coefficients", "lmdb"):
        facts = {"frames": 10, "faces": 10, "pose": POSE} | FIT
        fates = {clip: data.draw(st.booleans()) for clip in left}
        entries[name] = {clip: Entry("f", facts=facts) if good else lost("bad", facts) for clip, good in fates.items()}
        left = [clip for clip, good in fates.items() if good]
    for name, clips in entries.items():
        (folder / name).mkdir(exist_ok=True)
        index.write(folder / name, clips)
    account = read_account(folder)
    numbers = account.metrics()
    assert numbers["clips"] == {"asked": asked, "packed": len(left), "lost": asked - len(left)}
    assert sum(sum(reasons.values()) for reasons in numbers["lost"].values()) == asked - len(left)
    assert sum(row.clips for row in account.rows) == asked


def test_folders_out_of_step_are_one_clear_line(tmp_path: Path) -> None:
    write_set(tmp_path)
    entries = index.read(tmp_path / "coefficients")
    del entries["a#2"]
    index.write(tmp_path / "coefficients", entries)
    with pytest.raises(
        InputError, match=r"coefficients: not up to date, 1 clips differ .*\(a#2\); run its stage again$"
    ):
        read_account(tmp_path)
    (tmp_path / "lmdb" / index.INDEX).unlink()
    with pytest.raises(InputError, match=r"lmdb/index\.json: not there; run the stage that makes"):
        read_account(tmp_path)


def test_two_back_ends_in_one_set_are_one_clear_line(tmp_path: Path) -> None:
    write_set(tmp_path)
    assert read_account(tmp_path).metrics()["backends"] == {"landmarks": "fit", "coefficients": "fit"}
    entries = index.read(tmp_path / "coefficients")
    entries["b"] = Entry("f", entries["b"].files, facts=entries["b"].facts | {"backend": "deep3d"})
    index.write(tmp_path / "coefficients", entries)
    with pytest.raises(
        InputError, match=r"coefficients: made by deep3d and fit, which don't mix; run its stage again$"
    ):
        read_account(tmp_path)


def test_pose_histogram() -> None:
    angles = np.radians([[0, -24, 4], [3, 26, -4], [-4.9, 34.9, 5.1]])
    assert pose_histogram(angles) == {"pitch": {"0": 3}, "yaw": {"-20": 1, "30": 2}, "roll": {"0": 2, "10": 1}}
    assert math.isclose(sum(pose_histogram(np.zeros((7, 3)))["yaw"].values()), 7)
