"""Editing of W+ codes gives the reference's numbers, from files as they are given out."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from styleheat import checkpoints, releases
from styleheat.errors import InputError
from styleheat.inference.edit import edit
from styleheat.networks.config import NETWORKS
from styleheat.networks.editing import Editing
from styleheat.networks.inversion import Inverter

from .conftest import Golden, pool
from .released import write
from .test_styleheat import CHAIN, separate_files

EDITS = re.compile(r"(young|old|pose|beard|lip)_(-?[\d.]+)")


@pytest.fixture(scope="module")
def fixture(golden: Callable[[str], Golden]) -> Golden:
    return golden("editing")


@pytest.fixture(scope="module")
def released(fixture: Golden, fill: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    write(folder, releases.released_files("editing", folder), fill, fixture.seed)
    return folder


@pytest.fixture(scope="module")
def editing(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Editing:
    folder = tmp_path_factory.mktemp("editing")
    releases.convert_released("editing", released, folder, {})
    return checkpoints.open_model(folder, Editing)


def test_codes(fixture: Golden, editing: Editing) -> None:
    codes = fixture.normal("ed.wx", 2, 18, 512)
    kept = codes.clone()
    keys = [key for key in fixture.arrays if EDITS.fullmatch(key)]
    assert {EDITS.fullmatch(key)[1] for key in keys} == {"young", "old", "pose", "beard", "lip"}
    for key in keys:
        attribute, strength = EDITS.fullmatch(key).groups()
        fixture.close(key, editing(codes, attribute, float(strength)))
    assert torch.equal(codes, kept)


def test_a_portrait_grows_old(fixture: Golden, editing: Editing) -> None:
    state = {name.removeprefix("generator."): tensor for name, tensor in separate_files(fixture).items()}
    with torch.device("meta"):
        prior = Inverter(NETWORKS["full"])
    prior.load_state_dict(state, assign=True)
    with torch.no_grad():
        made = edit(prior.eval(), fixture.image("ed.image", 1, 3, 256, 256), editing, "old", 5.0)
    fixture.close("edit_old.ix", pool(made.image, 4), CHAIN)
    fixture.close("edit_old.wx", made.codes, CHAIN)
    fixture.close("edit_old.fx", pool(made.feature, 8)[:, ::4], CHAIN)


def test_other_shapes_of_the_same_files(released: Path, editing: Editing, tmp_path: Path) -> None:
    """The reference takes means of one row or none, and components with an axis more."""
    for file in (releases.AGE, releases.HEAD_POSE, releases.GANSPACE):
        content = torch.load(released / file.name, weights_only=True)
        if isinstance(content, dict):
            changed = {"mean": content["mean"][0], "comp": content["comp"][:, None], "std": content["std"][:, None]}
        else:
            changed = content.expand(18, -1).clone()
        (tmp_path / file.name).parent.mkdir(exist_ok=True)
        torch.save(changed, tmp_path / file.name)
    (tmp_path / releases.PULSE.name).write_bytes((released / releases.PULSE.name).read_bytes())
    state = releases.released_editing(tmp_path)
    assert state.keys() == editing.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in editing.state_dict().items())


def test_wrong_files_are_one_clear_line(released: Path, tmp_path: Path) -> None:
    def refused(name: str, says: str) -> None:
        with pytest.raises(InputError, match=says) as error:
            releases.released_editing(tmp_path)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)

    (tmp_path / "interfacegan_directions").mkdir()
    for file in (releases.AGE, releases.HEAD_POSE, releases.GANSPACE, releases.PULSE):
        refused(file.name, "missing; it should hold")
        complete = (released / file.name).read_bytes()
        (tmp_path / file.name).write_bytes(complete[: len(complete) // 2])
        refused(file.name, "cut short")
        (tmp_path / file.name).write_bytes(complete)
    np.savez(tmp_path / releases.PULSE.name, X_mean=np.array([{}], dtype=object))
    refused(releases.PULSE.name, "not weights")
    content = torch.load(released / releases.GANSPACE.name, weights_only=True)
    torch.save({name: tensor[:40] for name, tensor in content.items()}, tmp_path / releases.GANSPACE.name)
    refused(releases.GANSPACE.name, r"`comp` is \(40, 512\)")
