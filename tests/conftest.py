"""How tests run in several processes: which share one, in which order, and with how much memory."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.dvc.repository import Repository
from tests.dvc.stand_ins import make_project
from tests.once import made_once

DIVIDED = {"test_readme.py": 5, "test_divisions.py": 1, "test_graph.py": 2, "test_protocols.py": 2}
"""Files that take the longest, and the number of parts that may run beside each other. They begin, or a process would
run one of them when the others have nothing left to do."""


class ByFile(LoadScopeScheduling):
    """Tests of one file share what it sets up, and so a process; those of long files are divided by their names."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        return f"{file}:{zlib.crc32(name.encode()) % DIVIDED.get(Path(file).name, 1)}"


@pytest.fixture(scope="session", autouse=True)
def _memory_is_given_back() -> Iterator[None]:
    """What trainings and the engine do for speed, keeping the memory that they free, is not for a process that runs all
    kinds of tests beside others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("styleheat.training.memory.keep_freed_memory", lambda: None)
        for module in ("animator", "engine"):
            patch.setattr(f"styleheat.inference.{module}.keep_memory", lambda: None)
        yield


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The project with stand-ins, reproduced; not to be written to."""
    folder = made_once(tmp_path_factory, "stand_ins", lambda folder: make_project(folder / "project"))
    return Repository(folder / "project")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: Path(item.path).name not in DIVIDED)
