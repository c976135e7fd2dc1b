"""Where clips are worked on changes nothing: workers of any back end give the bytes that one process gives."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from styleheat.clips.account import FOLDERS
from styleheat.clips.workers import gpu_of_worker
from tests.stages.campaign import STAGES, content, run


@pytest.mark.parametrize(
    ("backend", "stages"),
    [
        ("loky", tuple(STAGES)),
        ("dask", ("download", "crop")),
        pytest.param("dask", tuple(STAGES), marks=pytest.mark.slow),
        pytest.param("ray", tuple(STAGES), marks=pytest.mark.slow),
    ],
)
def test_two_workers_make_the_bytes_of_one_process(
    projects: tuple[Path, Path], tmp_path: Path, backend: str, stages: tuple[str, ...]
) -> None:
    done, project = projects[1], tmp_path / "project"
    shutil.copytree(done / "in", project / "in")
    assert run(project, *stages, workers=2, backend=backend) == (0, "")
    for stage in stages:
        folder = f"data/vox/{FOLDERS[stage]}"
        assert content(project / folder) == content(done / folder), stage


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler whose workers were started by another process, in another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = (
        "import sys; from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:\n"
        "        print(cluster.scheduler_address, flush=True); sys.stdin.read()\n"
    )
    (elsewhere / "cluster.py").write_text(code)
    command = [sys.executable, "cluster.py"]
    with subprocess.Popen(command, cwd=elsewhere, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def test_a_cluster_that_was_started_elsewhere(projects: tuple[Path, Path], tmp_path: Path, cluster: str) -> None:
    done, project = projects[1], tmp_path / "project"
    shutil.copytree(done / "in", project / "in")
    assert run(project, "download", "crop", workers=2, backend="dask", cluster=cluster) == (0, "")
    for stage in ("download", "crop"):
        folder = f"data/vox/{FOLDERS[stage]}"
        assert content(project / folder) == content(done / folder), stage


def test_workers_take_turns_at_the_gpus_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    found = []
    for name in ("LokyProcess-4", "LokyProcess-5", "LokyProcess-6", "ForkPoolWorker-7"):
        monkeypatch.setattr("multiprocessing.current_process", lambda name=name: type("Process", (), {"name": name}))
        found.append(gpu_of_worker("cuda"))
    assert found == ["cuda:1", "cuda:2", "cuda:0", "cuda:1"]
    assert [gpu_of_worker(device) for device in ("cpu", "cuda:2")] == ["cpu", "cuda:2"]
