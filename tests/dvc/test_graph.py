"""dvc.yaml: what each change re-runs. DVC is real; the stages are stand-ins that write their outs at once."""

import ast
import re
import time
from pathlib import Path
from typing import Any

import pytest

from styleheat.params import read_yaml
from tests.dvc.repository import ROOT, Repository
from tests.dvc.stand_ins import INFER, OFFICIAL, PER_SET, SETS, SINGLE, TRAINED

CHANGES_NO_RESULT = {"params", "pipeline", "tracking", "errors", "files", "interrupts", "launch", "clock", "code"}


@pytest.fixture(scope="session")
def reproduced(stand_ins: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A copy of the project with stand-ins; each test leaves it reproduced."""
    return stand_ins.copy(tmp_path_factory.mktemp("graph") / "project")


def edit(path: Path, pattern: str, replacement: str, count: int = 1) -> None:
    text, edits = re.subn(pattern, replacement, path.read_text(), count=count, flags=re.MULTILINE | re.DOTALL)
    assert edits
    path.unlink()
    path.write_text(text)


def test_nothing_to_do_is_quick(reproduced: Repository):
    started = time.monotonic()
    assert reproduced.repro() == []
    assert time.monotonic() - started < 15  # 2 s alone on two cores; the bar is 5
    assert reproduced.run("git", "status", "--porcelain") == ""


def test_an_experiment_with_another_learning_rate(reproduced: Repository):
    ran = reproduced.repro("exp", "run", "--name", "slow", "-S", "train.lr=0.00005")
    assert set(ran) == {"train", "evaluate", *INFER}
    assert "5e-05" in reproduced.run("dvc", "exp", "show", "--csv", "--only-changed")
    assert reproduced.repro() == []


@pytest.mark.parametrize(
    ("key", "before", "after", "stages"),
    [
        ("runtime.workers", "workers: .", "workers: 7", set()),
        ("youtube.retries", "retries: .", "retries: 9", set()),
        ("infer_audio.pose_style", "pose_style: 0", "pose_style: 1", {"infer_audio"}),
        ("infer_audio.still", "still: false", "still: true", {"infer_audio"}),
        ("infer.drive.relative", "relative: centred", "relative: all", set(INFER)),
        (
            "speech.people",
            "(?<=  people: )0(?=\n  seconds: 6.0)",
            "1",
            {"speech", "train_audio", "evaluate", "infer_audio"},
        ),
        ("evaluate.clips", "(?<=^evaluate:\n  clips: )\\d+", "1", {"evaluate"}),
        (
            "sets.hdtf.pack.align_size",
            "align_size: (\\d+)(?=\n      shards: 1\n      leaks: [^\n]*\n\n)",
            "align_size: 64",
            {"pack@hdtf", "account@hdtf", "train_prior", "train", "train_audio", "evaluate", *INFER},
        ),
        (
            "train_warper.steps",
            "(^train_warper:\n  init: [^\n]*\n  steps: )\\d+",
            "\\g<1>1",
            {"train_warper", "train", "evaluate", *INFER},
        ),
    ],
)
def test_a_parameter_reruns_what_hangs_on_it(
    reproduced: Repository, key: str, before: str, after: str, stages: set[str]
):
    edit(reproduced.path / "params.yaml", before, after)
    assert set(reproduced.repro()) == stages, key


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("{infer_audio.driver}", {"infer_audio"}),
        ("{infer_video.driver}", {"infer_video"}),
        ("data/none/file", {f"{name}@{key}" for name in ("pack", "account") for key in SETS}
            | {*TRAINED, "evaluate", *INFER}),
        ("styleheat/evaluation/new.py", {"evaluate"}),
        ("stages/infer_image.py", {"infer_image"}),
        ("styleheat/pipeline.py", set()),
        ("styleheat/tracking/store.py", set()),
        ("data/sources/vox/mine.mp4", {f"{name}@vox" for name in PER_SET}
            | {"train_prior", "train_warper", "train", "evaluate", *INFER}),
    ],
)  # fmt: skip
def test_a_file_reruns_what_hangs_on_it(reproduced: Repository, file: str, stages: set[str]):
    if file.startswith("{"):
        group, key = file.strip("{}").split(".")
        file = read_yaml(reproduced.path / "params.yaml")[group][key]
    path = reproduced.path / file
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n# changed\n")
    assert set(reproduced.repro()) == stages


def test_the_official_profile_touches_no_data_set(reproduced: Repository, tmp_path: Path):
    reproduced = reproduced.copy(tmp_path / "project")
    for made in (reproduced.path / "data").glob("*/lmdb"):
        made.rename(made.with_name("gone"))
    reproduced.run("python", "-m", "stages.profile", "official")
    edit(reproduced.path / "stages" / "weights.py", r"\Z", OFFICIAL)
    assert reproduced.repro("repro", "infer_audio") == ["weights", "infer_audio"]


def test_results_are_small_and_in_git(reproduced: Repository):
    """A fresh clone has the metrics and images of the committed dvc.lock, and nothing that DVC keeps."""
    tracked = reproduced.run("git", "ls-files", "data", "models", "metrics").split()
    assert "metrics/train.json" in tracked and "metrics/train/curves.csv" in tracked
    kept = re.compile(r"data/(vox|hdtf|speech|infer|evaluate)/|models/(styleheat|audio)/")
    assert not [name for name in tracked if kept.match(name) and not name.endswith(".gitignore")]


def packages_of(module: Path, seen: set[Path]) -> set[str]:
    """Packages and loose modules of styleheat/ that a module imports, directly or through others."""
    if module in seen:
        return set()
    seen.add(module)
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    found: set[str] = set()
    for name in names:
        place = ROOT.joinpath(*name.split("."))
        target = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if name.startswith("styleheat.") and target.exists():
            found |= {name.split(".")[1]} | packages_of(target, seen)
    return found


def declared(stage: dict[str, Any]) -> set[str]:
    return {Path(dep).parts[1].removesuffix(".py") for dep in stage["deps"] if dep.startswith("styleheat/")}


@pytest.mark.parametrize("name", [*PER_SET, *SINGLE])
def test_deps_name_the_packages_that_a_stage_uses(name: str):
    stage = read_yaml(ROOT / "dvc.yaml")["stages"][name]
    stage = stage.get("do", stage)
    assert stage["cmd"].startswith(f"python -m stages.{name}")
    assert f"stages/{name}.py" in stage["deps"]
    used = packages_of(ROOT / "stages" / f"{name}.py", set())
    assert used - declared(stage) - CHANGES_NO_RESULT == set()
    assert declared(stage) - used == set()
