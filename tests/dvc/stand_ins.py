"""The project with stand-ins for its stages, which write their outs at once: for tests of the graph and of pages."""

import os
import sys
from pathlib import Path

from tests.dvc.repository import Repository, clone, ran, shell

SETS = ("vox", "hdtf")
PER_SET = ("download", "crop", "landmarks", "coefficients", "pack", "account")
INFER = ("infer_video", "infer_image", "infer_audio")
TRAINED = ("train_prior", "train_warper", "train", "train_audio")
SINGLE = ("speech", "weights", "evaluate", *TRAINED, *INFER)
EVERY = {f"{name}@{key}" for name in PER_SET for key in SETS} | set(SINGLE)

STAND_IN = """
import hashlib, json, os, re
from pathlib import Path
from ruamel.yaml import YAML

def load(path):
    return YAML(typ="safe").load(Path(path).read_text())

params = load("params.yaml")
name, _, key = os.environ["DVC_STAGE"].partition("@")

def find(dotted):
    node = params["sets"][key] if dotted.startswith("item.") else params
    for part in dotted.removeprefix("item.").split("."):
        node = node[part]
    return node

def resolve(text):
    return re.sub(r"\\$\\{([^}]+)\\}", lambda m: key if m[1] == "key" else str(find(m[1])), text)

stage = load("dvc.yaml")["stages"][name]
stage = stage.get("do", stage)
seen = hashlib.sha256(json.dumps([find(resolve(group)) for group in stage.get("params", [])]).encode())
for dep in stage["deps"]:
    path = Path(resolve(dep))
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            seen.update(file.read_bytes())
for out in stage.get("outs", []) + stage.get("metrics", []) + stage.get("plots", []):
    path = Path(resolve(next(iter(out)) if isinstance(out, dict) else out))
    if not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
        path = path / "content"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(json.dumps({"seen": seen.hexdigest()}))
"""

LOSSES = ("l1", "perceptual", "local", "masked", "warped", "expression", "lips", "pose")
"""Columns of the curves that dvc.yaml plots."""

STAND_IN += f"""
for path in Path("metrics").glob("*/curves.csv"):
    if path.read_text().startswith("{{"):
        path.write_text("step,{",".join(LOSSES)}\\n" + "1{",0.5" * len(LOSSES)}\\n")
for path in Path("metrics").glob("*/pose.csv"):
    if path.read_text().startswith("{{"):
        path.write_text("degrees,pitch,yaw,roll\\n0,1,2,3\\n")
"""

OFFICIAL = """
for part in ("styleheat", "audio", "deep3d"):
    Path("models/official", part).mkdir()
    Path("models/official", part, "config.json").write_text("{}")
"""
"""What the stand-in for `weights` makes besides, in the profile `official`."""


def make_project(path: Path) -> Repository:
    """The project with stand-ins, reproduced by `make repro` if the environment is one of `make setup`, and its results
    committed."""
    project = clone(path)
    project.environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{path.parent / 'mlflow.db'}"}
    for name in (*PER_SET, *SINGLE):
        (path / "stages" / f"{name}.py").write_text(STAND_IN)
    project.commit()
    (path / ".venv").symlink_to(sys.prefix)
    for listed in ("requirements.lock", "pyproject.toml"):  # older than the environment: nothing to install
        os.utime(path / listed, (0, 0))
    if (path / ".venv" / "installed").exists():
        said = shell(project, "make repro")
        assert f"{path}/data/infer/audio.mp4" in said
    else:
        said = shell(project, "dvc repro")
    assert "WARNING" not in said, said
    order = ran(said)
    assert set(order) == EVERY and len(order) == len(EVERY)
    assert order.index("pack@hdtf") < order.index("train_prior") < order.index("train") < order.index("evaluate")
    project.commit()
    return project
