"""Profiles: only differences, laid over params.yaml without touching the rest."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides

from stages import profile
from styleheat.errors import InputError
from styleheat.params import load_params, read_yaml
from styleheat.pipeline import flatten

ROOT = Path(__file__).parent.parent.parent
NAMES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Dotted names of what differs."""
    one, other = flatten(before), flatten(after)
    assert set(one) == set(other)
    return {key for key in one if one[key] != other[key]}


def test_the_four_profiles_exist():
    assert set(NAMES) >= {"official", "full", "local", "embedded"}


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_holds_only_differences_and_changes_only_them(name: str, target: Path):
    before, comments = read_yaml(target), target.read_text().count("#")
    changes = profile.overlay(ROOT / "profiles" / f"{name}.yaml", target)
    load_params(target)
    assert changed(before, read_yaml(target)) == set(changes)
    assert target.read_text().count("#") == comments


@pytest.mark.parametrize("name", NAMES)
def test_options_for_dvc_say_the_same(name: str, target: Path, tmp_path: Path):
    import shlex

    file = ROOT / "profiles" / f"{name}.yaml"
    other = Path(shutil.copy(target, tmp_path / "other.yaml"))
    profile.overlay(file, target)
    words = shlex.split(profile.options(file))
    assert words[::2] == ["-S"] * (len(words) // 2)
    apply_overrides(other, words[1::2])  # what `dvc exp run -S` does
    assert read_yaml(other) == read_yaml(target)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: {foo: 1}", "train.foo: unknown key"),
        ("trian: {lr: 0.1}", "trian.lr: unknown key"),
        ("train: 3", "train: unknown key"),
        ("train: {lr: fast}", "train.lr: input should be a valid number, not 'fast'"),
    ],
)
def test_a_wrong_profile_is_refused_and_changes_nothing(text: str, says: str, target: Path, tmp_path: Path):
    before = target.read_text()
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        profile.overlay(tmp_path / "mine.yaml", target)
    assert says in str(refused.value) and "\n" not in str(refused.value)
    assert target.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "params.yaml"]


def test_an_unknown_name_lists_the_known(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        profile.main(["offical"])
    assert "official" in capsys.readouterr().err
