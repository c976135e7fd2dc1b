from pathlib import Path

import pytest

from tests.once import made_once
from tests.stages.campaign import make_projects


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The old project and the new one, all stages done. Not to be written to."""
    folder = made_once(tmp_path_factory, "campaign", make_projects)
    return folder / "old", folder / "new"
