"""Whatever ends a stage, the next run completes it: with the bytes of a run that nothing happened to."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from styleheat.clips import index
from styleheat.clips.account import FOLDERS, read_account
from styleheat.clips.workers import Outcome, Task
from styleheat.clips.writer import write_lmdb
from styleheat.files import atomic
from tests.clips.samples import SIZE, make_shard
from tests.stages.campaign import PACK_POINTS, POINTS, ROOT, STAGES, between, content, run, start

SOON = {
    ("download", "a result is written but has no name"),
    ("crop", "a result has its name but no record"),
    ("coefficients", "a record is torn"),
    ("pack", "the LMDB has its name, its lists are old"),
}
"""What the default suite tries with real stages; the rest is slow."""

OUTDATED = {"what is outdated is forgotten but not removed", "one outdated clip is removed"}
"""Points that `pack` never comes to: its packed clips wait elsewhere, and are gone when the LMDB is complete."""

EVERY = [
    pytest.param(stage, point, marks=[] if (stage, point) in SOON else pytest.mark.slow)
    for stage in STAGES
    for point in POINTS
    if point not in (OUTDATED if stage == "pack" else PACK_POINTS)
]


def write_text(clip: str, folder: Path, text: str) -> Outcome:
    with atomic(folder / f"{clip}.txt") as temporary:
        temporary.write_text(text)
    return Outcome([folder / f"{clip}.txt"])


def plain(folder: Path, texts: dict[str, str]) -> None:
    index.process(folder, {clip: Task(text, (folder, text)) for clip, text in texts.items()}, write_text)


@pytest.mark.parametrize("point", [point for point in POINTS if point not in {*PACK_POINTS, "before the metrics"}])
def test_a_kill_at_any_point_of_a_plain_stage(tmp_path: Path, point: str) -> None:
    """The index by itself, on texts: a killed run, then one that wants other clips, then the first one again."""
    plain(tmp_path / "killed", {"a": "old", "b": "b"})
    child = os.fork()
    if child == 0:
        POINTS[point]()
        plain(tmp_path / "killed", {"a": "new", "c": "c", "d": "d"})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    for name, texts in (("another", {"b": "b", "d": "d"}), ("same", {"a": "new", "c": "c", "d": "d"})):
        copy = shutil.copytree(tmp_path / "killed", tmp_path / name)
        plain(copy, texts)
        plain(tmp_path / f"fresh {name}", texts)
        assert content(copy) == content(tmp_path / f"fresh {name}")


@pytest.mark.parametrize("point", [point for point in PACK_POINTS if "LMDB" in point])
def test_a_kill_at_any_point_of_writing_an_lmdb(tmp_path: Path, point: str) -> None:
    """The old one or the new one is there, complete; the next run makes the new one."""
    shards = {clip: make_shard(tmp_path / f"{clip}.zip", clip, 6) for clip in ("a", "b", "c")}
    killed, fresh = tmp_path / "killed", tmp_path / "fresh"
    write_lmdb(killed, SIZE, {"a": "train", "b": "test"}, shards)
    old = content(killed)
    wanted = {"a": "test", "c": "train"}
    child = os.fork()
    if child == 0:
        POINTS[point]()
        write_lmdb(killed, SIZE, wanted, {"c": shards["c"]})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    write_lmdb(fresh, SIZE, wanted, shards)
    database = f"{SIZE}/data.mdb"
    assert content(killed)[database] in (old[database], content(fresh)[database])
    write_lmdb(killed, SIZE, wanted, {"c": shards["c"]})
    assert content(killed) == content(fresh)


@pytest.mark.parametrize(("stage", "point"), EVERY)
def test_a_kill_loses_nothing(projects: tuple[Path, Path], tmp_path: Path, stage: str, point: str) -> None:
    project = between(*projects, stage, tmp_path / "project")
    assert run(project, stage, point=point) == (-9, "")
    later = list(STAGES)[list(STAGES).index(stage) :]
    assert run(project, *later) == (0, "")
    for name in later:
        folder = f"data/vox/{FOLDERS[name]}"
        assert content(project / folder) == content(projects[1] / folder), name
        metrics = f"metrics/vox/{name}.json"
        assert (project / metrics).read_bytes() == (projects[1] / metrics).read_bytes()
    assert not list(project.rglob("*.tmp*"))
    assert read_account(project / "data/vox").metrics()["clips"] == {"asked": 2, "packed": 2, "lost": 0}


@pytest.mark.slow
def test_a_killed_run_that_is_killed_again_and_again(projects: tuple[Path, Path], tmp_path: Path) -> None:
    """Each run comes a little further; none makes worse what the one before left."""
    project = between(*projects, "pack", tmp_path / "project")
    for point in POINTS:
        assert run(project, "pack", point=point)[0] in (-9, 0), point
    assert run(project, "pack") == (0, "")
    assert content(project / "data/vox/lmdb") == content(projects[1] / "data/vox/lmdb")


@pytest.mark.parametrize("stage", ["download", pytest.param("crop", marks=pytest.mark.slow), "pack"])
def test_of_two_processes_on_one_folder_one_is_refused(projects: tuple[Path, Path], tmp_path: Path, stage: str) -> None:
    project = between(*projects, stage, tmp_path / "project")
    first = start(project, stage, point="waits")
    deadline = time.monotonic() + 120
    while not (project / "waiting").exists():
        assert time.monotonic() < deadline and first.is_alive()
        time.sleep(0.02)
    status, said = run(project, stage)
    assert status == 1 and said.endswith("another process is working on it; wait for it to end")
    (project / "waiting").unlink()
    first.join()
    assert first.exitcode == 0
    folder = f"data/vox/{FOLDERS[stage]}"
    assert content(project / folder) == content(projects[1] / folder)


def can_mount() -> bool:
    command = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no file systems of one's own on this machine")
@pytest.mark.parametrize(
    "stages", [["download", "pack"], pytest.param(["crop", "landmarks", "coefficients"], marks=pytest.mark.slow)]
)
def test_a_full_disk_is_one_line_and_loses_nothing(
    projects: tuple[Path, Path], tmp_path: Path, stages: list[str]
) -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", "tests.stages.campaign"]  # noqa: RUF005
        + [*map(str, projects), str(tmp_path / "mounts"), *stages],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert list(report) == stages
    for stage, result in report.items():
        status, said = result["full"]
        assert status == 1, (stage, said)
        assert "the disk is full; free some space and run again, what is done is kept" in said, (stage, said)
        assert result["again"] == [0, ""] and result["same"], stage
