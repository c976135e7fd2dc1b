"""What make says to somebody who lacks what it needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's top without git and without an environment."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, target: str, path: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", target], cwd=folder, env={"PATH": path, "HOME": str(folder)}, capture_output=True, text=True
    )


def test_without_git_there_is_one_line(folder: Path):
    done = make(folder, "repro", "/usr/local/bin:/usr/bin:/bin")
    assert done.returncode != 0
    assert "is not a git checkout" in done.stderr.splitlines()[0]
    assert not (folder / ".venv").exists()


def test_without_python_there_is_one_line(folder: Path, tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "make", "test"):
        (programs / name).symlink_to(shutil.which(name) or "")
    done = make(folder, "setup", str(programs))
    assert done.returncode != 0
    assert "no Python 3.11, 3.12 or 3.13 with its venv module found" in done.stderr.splitlines()[0]


def test_help_lists_the_targets():
    said = make(ROOT, "help", "/usr/local/bin:/usr/bin:/bin").stdout
    assert all(
        f"make {name} " in said for name in ("setup", "repro", "test", "test-all", "check", "ui", "lock", "help")
    )
