"""A changed line of code changes what depends on it, and a changed comment nothing."""

from pathlib import Path

import pytest
import yaml

from styleheat import code

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one module for each way of being reached."""
    (tmp_path / "styleheat/rooms").mkdir(parents=True)
    files = {
        "styleheat/__init__.py": "",
        "styleheat/errors.py": "TEXT = 1",
        "styleheat/rooms/__init__.py": '"""A room."""',
        "styleheat/rooms/work.py": '"""Work."""\nfrom styleheat.rooms import first\nfrom styleheat import errors\n',
        "styleheat/rooms/first.py": "import cv2\n\ndef f():\n    from styleheat.second import g\n    return g(1)\n",
        "styleheat/second.py": 'def g(x):\n    """Double it."""\n    return 2 * x  # twice\n',
        "styleheat/other.py": "X = 1",
        "styleheat/rooms/numbers.txt": "1 2 3",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    yield tmp_path
    code.code_of.cache_clear()
    code._tree.cache_clear()


def fingerprint() -> str:
    code.code_of.cache_clear()
    code._tree.cache_clear()
    return code.code_of("styleheat.rooms.work")


def test_modules_are_reached_by_imports_wherever_they_stand(project: Path) -> None:
    assert set(code.reached("styleheat.rooms.work")) == {
        "styleheat", "styleheat.rooms", "styleheat.rooms.work", "styleheat.rooms.first", "styleheat.second",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("styleheat/second.py", 'def g(x):\n    """Twice as much."""\n\n    return 2*x\n', False),
        ("styleheat/second.py", "def g(x):\n    return 3 * x\n", True),
        ("styleheat/rooms/__init__.py", '"""Another text."""', False),
        ("styleheat/rooms/numbers.txt", "1 2 4", True),
        ("styleheat/other.py", "X = 2", False),
        ("styleheat/errors.py", "TEXT = 2", False),
    ],
)
def test_what_a_change_changes(project: Path, name: str, text: str, changes: bool) -> None:
    before = fingerprint()
    (project / name).write_text(text)
    assert (fingerprint() != before) == changes


def test_a_library_of_another_version_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()
    monkeypatch.setattr(code.importlib.metadata, "version", lambda name: f"{name} 99")
    assert fingerprint() != before


@pytest.mark.parametrize("stage", ["crop", "landmarks", "coefficients", "pack"])
def test_dvc_looks_at_whatever_a_stage_reaches(stage: str) -> None:
    """Else DVC would not run the stage that would make its clips anew."""
    steps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    deps = (steps.get("do") or steps)["deps"]
    reached = code.reached(f"stages.{stage}")
    assert len(reached) > 10
    for module, path in reached.items():
        name = path.relative_to(ROOT).as_posix()
        assert (
            module.count(".") == 0
            or path.name == "__init__.py"
            or any(name == dep or name.startswith(f"{dep}/") for dep in deps)
        ), name


def test_what_is_rendered_does_not_depend_on_how_videos_are_fetched() -> None:
    found = code.reached("styleheat.sources.synthetic.clip")
    assert {"styleheat.renderer.hair", "styleheat.voices.espeak", "styleheat.media.video.write"} <= set(found)
    assert not any(name.endswith(("youtube", "voxceleb", "hdtf", "index", "workers")) for name in found)
