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


def test_what_git_says_of_another_users_checkout_is_shown(folder: Path, tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").write_text('#!/bin/sh\necho "fatal: detected dubious ownership" >&2\nexit 128\n')
    (programs / "git").chmod(0o755)
    done = make(folder, "repro", f"{programs}:/usr/local/bin:/usr/bin:/bin")
    assert done.returncode != 0
    assert "detected dubious ownership" in done.stderr and "git init" not in done.stderr


def test_an_environment_that_was_moved_is_made_anew(folder: Path):
    """That of another place, whose programs begin with its path, is not used."""
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("python", "python3"):
        (programs / name).symlink_to(shutil.which("python3") or "")
    (programs / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    (folder / ".venv/installed").write_text("/elsewhere\n")
    (folder / "requirements.lock").write_text("")
    done = make(folder, "setup", "/usr/local/bin:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert (folder / ".venv/installed").read_text().strip() == str((folder / ".venv").resolve())
    assert str(folder) in (programs / "pip").read_text().splitlines()[0]
    assert "installing" not in make(folder, "setup", "/usr/local/bin:/usr/bin:/bin").stdout


def test_pages_of_a_remote_server_are_named_without_the_password(folder: Path):
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/installed").write_text(f"{folder.resolve()}/.venv\n")
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "MLFLOW_TRACKING_URI": "https://me:hush@runs.example.org"}
    done = subprocess.run(["make", "ui"], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "https://runs.example.org" in done.stdout
    assert "hush" not in done.stdout + done.stderr


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
