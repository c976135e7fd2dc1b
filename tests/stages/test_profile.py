"""Profiles, laid over the committed params.yaml; the user's own edits of other keys stay."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml

from stages import profile
from styleheat.errors import InputError
from styleheat.params import load_params, read_yaml
from styleheat.pipeline import flatten

ROOT = Path(__file__).parent.parent.parent
NAMES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))

TRAININGS = ("train_prior", "train_warper", "train", "train_audio")
IRRELEVANT = {f"sets.{name}.source.{key}" for name in ("vox", "hdtf") for key in ("clips", "seconds")}
"""What VoxCeleb and HDTF have no use for."""

COMPLETE = {
    "embedded": ("network", "sets", *TRAININGS, "evaluate"),
    "full": ("network", "sets", "weights", *TRAININGS, "evaluate"),
}
"""Groups of which a profile sets every key."""

PRESENT = Path("params.yaml")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository, the working directory, with params.yaml committed, and the profiles."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # a hook's
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    git("init", "-q")
    git("add", "params.yaml")
    git("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "base")
    return folder


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def edit(old: str, new: str) -> None:
    text = PRESENT.read_text()
    assert text.count(old) == 1
    PRESENT.write_text(text.replace(old, new))


def expected(name: str) -> dict[str, Any]:
    """All parameters of a profile over the repository's params.yaml, which is what `project` has committed."""
    base = flatten(read_yaml(ROOT / "params.yaml"))
    return base if name == "default" else base | flatten(read_yaml(ROOT / "profiles" / f"{name}.yaml"))


def present() -> dict[str, Any]:
    return flatten(read_yaml(PRESENT))


def test_the_four_profiles_exist():
    assert set(NAMES) >= {"official", "full", "local", "embedded"}


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_changes_its_own_keys_and_no_comments(name: str, target: Path):
    file = ROOT / "profiles" / f"{name}.yaml"
    comments = target.read_text().count("#")
    assert profile.overlay(file, target) == flatten(read_yaml(file))
    load_params(target)
    assert flatten(read_yaml(target)) == expected(name)
    assert target.read_text().count("#") == comments


@pytest.mark.parametrize("name", COMPLETE)
def test_a_profile_that_trains_is_complete_in_itself(name: str):
    base = read_yaml(ROOT / "params.yaml")
    wanted = set(flatten({group: base[group] for group in COMPLETE[name]}))
    if name == "full":
        keys = ("models", "audio_models", "landmarks", "coefficients", "coefficients_weights")
        wanted = wanted - IRRELEVANT | {f"infer.{key}" for key in keys}
    assert wanted - set(flatten(read_yaml(ROOT / "profiles" / f"{name}.yaml"))) == set()


@pytest.mark.parametrize("name", NAMES)
def test_dvc_reads_the_same_numbers(name: str):
    file = ROOT / "profiles" / f"{name}.yaml"
    assert load_yaml(str(file)) == read_yaml(file)


@pytest.mark.parametrize("name", NAMES)
def test_main_lays_a_profile_over_the_committed_file(name: str, project: Path, capsys: pytest.CaptureFixture[str]):
    profile.main([name])
    load_params()
    assert present() == expected(name)
    said = capsys.readouterr().out
    assert f"keys set as in profiles/{name}.yaml" in said and "your own" not in said and said.count("\n") == 1


@pytest.mark.parametrize("name", ["default", *NAMES])
def test_nothing_of_an_earlier_profile_is_left(name: str, project: Path, capsys: pytest.CaptureFixture[str]):
    committed = PRESENT.read_text()
    for earlier in NAMES:
        shutil.copy(ROOT / "params.yaml", PRESENT)
        profile.overlay(Path("profiles", f"{earlier}.yaml"), PRESENT)
        profile.main([name])
        assert present() == expected(name)
        assert name != "default" or PRESENT.read_text() == committed
    assert "your own" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["default", "full"])
def test_own_edits_of_keys_that_no_profile_sets_are_kept(name: str, project: Path, capsys: pytest.CaptureFixture[str]):
    profile.main(["official"])
    edit("seed: 0", "seed: 7")
    edit("result: aligned ", "result: pasted ")
    profile.main([name])
    said = capsys.readouterr().out.splitlines()[-1]
    assert "your own, kept: seed, infer.result" in said and "undone" not in said
    assert present() == expected(name) | {"seed": 7, "infer.result": "pasted"}


def test_own_edits_of_keys_that_a_profile_sets_are_undone_and_named(project: Path, capsys: pytest.CaptureFixture[str]):
    edit("  lr: 0.000005 ", "  lr: 0.5 ")
    edit("people: 6\n", "people: 140\n")  # as the profile `embedded` has it: may have come from there
    profile.main(["official"])
    assert "your own, undone: train_prior.lr (was 0.5)" in capsys.readouterr().out
    assert present() == expected("official")


def test_an_own_edit_that_a_profile_makes_too_is_not_undone(project: Path, capsys: pytest.CaptureFixture[str]):
    edit("source: none ", "source: /srv/weights ")
    Path("profiles/mine.yaml").write_text("weights: {source: /srv/weights}")
    profile.main(["mine"])
    assert "your own" not in capsys.readouterr().out
    assert present()["weights.source"] == "/srv/weights"


@pytest.mark.parametrize("name", ["default", *NAMES])
def test_options_for_dvc_make_the_same_of_the_present_file(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
):
    for earlier in ("official", "embedded"):
        profile.overlay(Path("profiles", f"{earlier}.yaml"), PRESENT)
    edit("seed: 0", "seed: 7")
    before = PRESENT.read_text()
    capsys.readouterr()
    profile.main([name, "--args"])
    assert PRESENT.read_text() == before
    words = shlex.split(capsys.readouterr().out)
    assert words[::2] == ["-S"] * (len(words) // 2)
    if words:
        apply_overrides(PRESENT, words[1::2])  # what `dvc exp run -S` does
    by_dvc = present()
    PRESENT.write_text(before)
    profile.main([name])
    assert by_dvc == present()


WRONG = [
    ("train: {foo: 1}", "train.foo: unknown key"),
    ("trian: {lr: 0.1}", "trian.lr: unknown key"),
    ("train: 3", "train: unknown key"),
    ("train: {lr: fast}", "train.lr: input should be a valid number, not 'fast'"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_wrong_profile_is_refused_and_changes_nothing(text: str, says: str, target: Path, tmp_path: Path):
    before = target.read_text()
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        profile.overlay(tmp_path / "mine.yaml", target)
    assert says in str(refused.value) and "\n" not in str(refused.value)
    assert target.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "params.yaml"]


def refused(*arguments: str) -> str:
    """The one line that main ends with; params.yaml stays as it is."""
    before, names = PRESENT.read_text(), sorted(Path().iterdir())
    with pytest.raises(SystemExit) as ended:
        profile.main(list(arguments))
    assert (PRESENT.read_text(), sorted(Path().iterdir())) == (before, names)
    assert isinstance(ended.value.code, str) and "\n" not in ended.value.code
    return ended.value.code


@pytest.mark.parametrize(("text", "says"), WRONG)
@pytest.mark.parametrize("arguments", [["mine"], ["mine", "--args"]])
def test_main_refuses_a_wrong_profile(text: str, says: str, arguments: list[str], project: Path):
    Path("profiles/mine.yaml").write_text(text)
    assert says in refused(*arguments)


def test_a_key_of_the_present_file_that_the_committed_lacks_is_refused(project: Path):
    edit("seed: 0\n", "seed: 0\nsede: 1\n")
    assert refused("full").startswith("params.yaml: sede: unknown key")


def test_a_kept_edit_that_the_profile_makes_impossible_is_refused(project: Path):
    edit("part: all ", "part: lips ")
    assert "infer.drive.part: lips is for coefficients of our own face model" in refused("official")


def test_without_a_committed_file_is_one_clear_line(project: Path):
    start = "params.yaml: a profile starts from the committed file, but git has none: fatal: "
    shutil.rmtree(".git")
    assert refused("full").startswith(f"{start}not a git repository")
    git("init", "-q")
    assert refused("full").startswith(start)
    git("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-q", "--allow-empty", "-m", "empty")
    assert refused("full").startswith(start) and "params.yaml" in refused("full")


def test_without_git_is_one_clear_line(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert refused("full") == "params.yaml: a profile starts from the committed file, but git is not installed"


def test_a_committed_file_that_is_no_yaml_is_one_clear_line(project: Path):
    text = PRESENT.read_text()
    PRESENT.write_text("<<<<<<< HEAD\n" + text)
    git("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qam", "broken")
    PRESENT.write_text(text)
    assert "the committed file, but it is not readable as YAML" in refused("full")


def test_an_unknown_name_lists_the_known(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        profile.main(["offical"])
    said = capsys.readouterr().err
    assert "official" in said and "default" in said
