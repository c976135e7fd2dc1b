"""A copy of the project as a repository of its own, for tests that run DVC for real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


class Repository:
    """A git and DVC repository, commands in it, and which stages they ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "GIT_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_SITE_CACHE_DIR": str(path.parent / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(path.parent / "config"),
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@localhost",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@localhost",
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: str) -> str:
        """What a command says, both streams; it must succeed."""
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def repro(self, *arguments: str) -> list[str]:
        """Reproduce; the stages that ran, in their order."""
        said = self.run("dvc", *(arguments or ("repro",)))
        assert "WARNING" not in said, said
        return ran(said)

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")

    def copy(self, path: Path) -> "Repository":
        shutil.copytree(self.path, path, symlinks=True)
        return Repository(path)


def shell(project: Repository, command: str) -> str:
    """What a command says; it must succeed."""
    return project.run("bash", "-euo", "pipefail", "-c", command)


def ran(said: str) -> list[str]:
    """The stages that a command ran, in their order."""
    return re.findall(r"^Running stage '(.+)'", said, re.MULTILINE)


def clone(path: Path) -> Repository:
    """Copy what git would carry, without committed results, and commit it in a new repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("dvc.lock", "metrics/")):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
    repository = Repository(path)
    repository.run("git", "init", "-q")
    repository.commit()
    return repository


def merge(tree: dict[str, Any], changes: dict[str, Any]) -> None:
    """Put the values of nested `changes` into `tree`, as a profile is laid over params.yaml."""
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(tree[key], value)
        else:
            tree[key] = value
