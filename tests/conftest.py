"""Which tests run in one process, when they run in several, and in which order."""

import zlib
from pathlib import Path

import pytest

DIVIDED = {"test_readme.py": 5, "test_graph.py": 2, "test_divisions.py": 1, "test_protocols.py": 2}
"""Files that take the longest, and the number of parts that may run beside each other. They begin, or a process would
run one of them when the others have nothing left to do."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file share what it sets up, and so a process; those of long files are divided by their names."""
    for item in items:
        file = Path(item.path)
        part = zlib.crc32(item.name.encode()) % DIVIDED.get(file.name, 1)
        item.add_marker(pytest.mark.xdist_group(f"{file.parent.name}/{file.name}:{part}"))
    items.sort(key=lambda item: Path(item.path).name not in DIVIDED)
