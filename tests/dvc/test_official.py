"""The profile `official`, at full size: files filled by the fixtures' rule stand in for the released ones."""

import functools
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from styleheat import releases
from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import write_wav
from styleheat.media.image import read_image
from styleheat.media.video import VideoWriter, probe
from tests.dvc.repository import Repository, clone
from tests.dvc.stand_ins import INFER
from tests.dvc.test_graph import edit
from tests.parity import fill
from tests.parity.released import SEED, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FRAMES = 3
NAMES = ("styleheat", "audio", "deep3d")
"""Model folders that the profile makes."""


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012  of all requests

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The released files that the profile asks for."""
    folder = tmp_path_factory.mktemp("released")
    write(folder, {file for name in NAMES for file in releases.released_files(name, folder)}, fill, SEED)
    return folder


@pytest.fixture(scope="session")
def address(released: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(released))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def shorten(repository: Repository) -> None:
    """Drivers of a few frames."""
    examples = repository.path / "data/examples"
    image = read_image(examples / "expression.png")
    with VideoWriter(examples / "driver.mp4", (image.shape[1], image.shape[0]), 25) as writer:
        for _ in range(FRAMES):
            writer.write(image)
    write_wav(examples / "speech.wav", np.sin(np.arange(SAMPLE_RATE * FRAMES // 25) / 10).astype(np.float32) / 2)
    edit(repository.path / "params.yaml", r"(?<=^  seconds: )2\.0(?=\n\ninfer_audio)", str(FRAMES / 25))


def test_official_fetches_and_animates_without_data(tmp_path: Path, address: str) -> None:
    repository = clone(tmp_path / "project")
    repository.run("python", "-m", "stages.profile", "official")
    edit(repository.path / "params.yaml", r"(?<=^  source: )release", address)
    shorten(repository)

    started = time.perf_counter()
    assert repository.repro("repro", "weights") == ["weights"]
    print(f"fetched and converted in {time.perf_counter() - started:.0f} s")
    for name in INFER:
        started = time.perf_counter()
        assert repository.repro("repro", name) == [name]
        print(f"{name}: {time.perf_counter() - started:.0f} s")

    for name, frames in (("image", FRAMES), ("audio", FRAMES), ("video", FRAMES)):
        info = probe(repository.path / f"data/infer/{name}.mp4")
        assert (info.width, info.height, info.frames) == (1024, 1024, frames)
    assert {p.name for key in ("vox", "hdtf") for p in (repository.path / "data" / key).iterdir()} <= {".gitignore"}
    record = json.loads((repository.path / "data/sources/official/sha256.json").read_text())
    files = [file.name for name in NAMES for file in releases.released_files(name, tmp_path)]
    assert sorted(record) == sorted(files) == sorted(path.lstrip("/") for path in Handler.asked)
    assert repository.repro("repro", *INFER) == []
