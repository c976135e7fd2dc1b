"""Where clips are worked on changes nothing: two workers of any back end give the bytes that one process gives."""

import shutil
from pathlib import Path

import pytest

from styleheat.clips.account import FOLDERS
from tests.stages.campaign import STAGES, content, run


@pytest.mark.parametrize(
    ("backend", "package"), [("loky", "joblib"), ("dask", "distributed"), ("ray", "ray.util.joblib")]
)
def test_two_workers_make_the_bytes_of_one_process(
    projects: tuple[Path, Path], tmp_path: Path, backend: str, package: str
) -> None:
    pytest.importorskip(package, reason=f"the user's to install: {package}")
    done, project = projects[1], tmp_path / "project"
    shutil.copytree(done / "in", project / "in")
    assert run(project, *STAGES, "account", workers=2, backend=backend) == (0, "")
    for stage in STAGES:
        folder = f"data/vox/{FOLDERS[stage]}"
        assert content(project / folder) == content(done / folder), stage
