"""A small LMDB to test on."""

from pathlib import Path

import pytest

from styleheat.clips.writer import write_lmdb
from tests.clips.samples import CLIPS, SIZE, make_shard


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shards")
    return {clip: make_shard(folder / f"{clip}.zip", clip, n, audio=clip != "ann#b") for clip, n in CLIPS.items()}


@pytest.fixture(scope="session")
def splits() -> dict[str, str]:
    return {clip: "test" if clip.startswith("cy") else "train" for clip in CLIPS}


@pytest.fixture(scope="session")
def lmdb_folder(tmp_path_factory: pytest.TempPathFactory, shards: dict[str, Path], splits: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("set") / "lmdb"
    write_lmdb(folder, SIZE, splits, shards)
    return folder
