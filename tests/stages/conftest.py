from pathlib import Path

import pytest

from tests.stages.campaign import make_projects


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The old project and the new one, all stages done. Not to be written to."""
    return make_projects(tmp_path_factory.mktemp("campaign"))
