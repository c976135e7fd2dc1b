"""A set in several LMDBs: what changes of them, and that readers see no difference."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from styleheat.clips.store import ClipStore, divisions, shard_of, shard_paths
from styleheat.clips.writer import packed_sources, write_lmdb
from styleheat.errors import InputError
from tests.clips.samples import CLIPS, SIZE, make_shard


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / str(SIZE)).iterdir())}


def test_readers_see_no_difference(tmp_path: Path, lmdb_folder: Path, shards: dict, splits: dict) -> None:
    write_lmdb(tmp_path, SIZE, splits, shards, shards=3, workers=2)
    assert sorted(contents(tmp_path)) == [f"data-{number:03d}-of-003.mdb" for number in range(3)]
    complete, spread = ClipStore(lmdb_folder, SIZE), ClipStore(tmp_path, SIZE)
    for split in ("train", "test"):
        assert complete.clips(split) == spread.clips(split)
    for clip, length in CLIPS.items():
        assert spread.length(clip) == length and spread.person(clip) == complete.person(clip)
        assert np.array_equal(complete.frame(clip, length - 1), spread.frame(clip, length - 1))
        assert np.array_equal(complete.aligned(clip, 0), spread.aligned(clip, 0))
        assert np.array_equal(complete.coefficients(clip), spread.coefficients(clip))
        assert np.array_equal(complete.landmarks(clip), spread.landmarks(clip))
        assert complete.has_audio(clip) == spread.has_audio(clip)
    assert packed_sources(tmp_path, SIZE) == packed_sources(lmdb_folder, SIZE)


def test_one_more_clip_rewrites_its_shard_alone(tmp_path: Path) -> None:
    names = [f"person{number}#0" for number in range(40)]
    packed = {name: make_shard(tmp_path / f"{name}.zip", name, 2) for name in [*names, "new#0"]}
    folder = tmp_path / "lmdb"
    write_lmdb(folder, SIZE, dict.fromkeys(names, "train"), packed, shards=16)
    before = contents(folder)
    times = {name: (folder / str(SIZE) / name).stat().st_mtime_ns for name in before}
    write_lmdb(folder, SIZE, dict.fromkeys([*names, "new#0"], "train"), {"new#0": packed["new#0"]}, shards=16)
    after = contents(folder)
    assert [name for name in after if after[name] != before[name]] == [f"data-{shard_of('new#0', 16):03d}-of-016.mdb"]
    rewritten = [name for name in after if (folder / str(SIZE) / name).stat().st_mtime_ns != times[name]]
    assert len(rewritten) == 1
    write_lmdb(folder, SIZE, dict.fromkeys(names, "train"), {}, shards=16)
    assert contents(folder) == before


def test_another_number_of_shards_is_made_of_what_is_there(tmp_path: Path, lmdb_folder: Path, splits: dict) -> None:
    folder = tmp_path / "lmdb"
    expected = contents(lmdb_folder)
    (folder / str(SIZE)).mkdir(parents=True)
    (folder / str(SIZE) / "data.mdb").write_bytes(expected["data.mdb"])
    for name in ("train_list.txt", "test_list.txt"):
        (folder / name).write_bytes((lmdb_folder / name).read_bytes())
    for count in (4, 2):
        write_lmdb(folder, SIZE, splits, {}, shards=count)
        assert sorted(contents(folder)) == [path.name for path in shard_paths(folder, SIZE, count)]
    write_lmdb(folder, SIZE, splits, {})
    assert contents(folder) == expected


def test_what_a_kill_between_two_numbers_leaves(tmp_path: Path, shards: dict, splits: dict) -> None:
    folder = tmp_path / "lmdb"
    write_lmdb(folder, SIZE, splits, shards)
    expected = contents(folder)
    half = folder / str(SIZE) / "data-001-of-002.mdb"  # the first of the new ones is not there yet
    half.write_bytes(expected["data.mdb"])
    assert [len(paths) for paths in divisions(folder, SIZE)] == [1, 2]
    assert ClipStore(folder, SIZE).length("bob") == CLIPS["bob"]
    write_lmdb(folder, SIZE, splits, {})
    assert contents(folder) == expected
    half.write_bytes(expected["data.mdb"])
    (folder / str(SIZE) / "data.mdb").unlink()
    with pytest.raises(InputError, match=r"data-000-of-002\.mdb: not there; run the stage pack"):
        ClipStore(folder, SIZE)


@given(st.text(min_size=1), st.integers(1, 999))
def test_a_clips_shard_follows_from_its_name(clip: str, count: int) -> None:
    assert 0 <= shard_of(clip, count) < count
    assert shard_of(clip, count) == shard_of(clip, count)


def test_shards_fill_evenly() -> None:
    counts = np.bincount([shard_of(f"id{number:05d}#x#0001", 64) for number in range(6400)], minlength=64)
    assert counts.min() > 60 and counts.max() < 145
