"""The LMDB: readable by the reference's readers, complete, and the same bytes however it came about."""

import os
import pickle
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest

from styleheat.clips import store, writer
from styleheat.clips.store import ClipStore
from styleheat.clips.writer import ClipWriter, packed_sources, write_lmdb
from styleheat.errors import InputError
from tests.clips.samples import ALIGNED, CLIPS, SIZE, make_shard, sample_image


def test_the_reference_reads_it(lmdb_folder: Path, tmp_path: Path) -> None:
    """As PIRenderer's and StyleHEAT's data sets do: `<folder>/<size>` opened as a folder, keys formatted their way."""
    theirs = shutil.copytree(lmdb_folder / str(SIZE), tmp_path / str(SIZE))  # LMDB opens a file once a process
    environment = lmdb.open(str(theirs), max_readers=32, readonly=True, lock=False, readahead=False)
    with environment.begin() as transaction:
        assert int(transaction.get(b"length")) == len(CLIPS)
        clip = "ann#a"
        length = int(transaction.get(f"{clip}-length".encode()).decode())
        assert length == 30
        image = store.decode_image(transaction.get(f"{clip}-{str(7).zfill(7)}".encode()))
        aligned = store.decode_image(transaction.get(f"{clip}-align-{str(7).zfill(7)}".encode()))
        coefficients = np.frombuffer(transaction.get(f"{clip}-coeff_3dmm".encode()), dtype=np.float32)
        keypoints = np.frombuffer(transaction.get(f"{clip}-keypoint".encode()), dtype=np.float32)
    environment.close()
    assert coefficients.reshape(length, -1).shape == (30, 260) and keypoints.reshape(length, 68, 2)[3, 2, 1] == 3 + 5
    assert image.shape == (SIZE, SIZE, 3) and aligned.shape == (ALIGNED, ALIGNED, 3)
    assert np.abs(image.astype(int) - sample_image(7, SIZE)).mean() < 2
    assert (lmdb_folder / "test_list.txt").read_text() == "cy_1\ncy_2\n"
    assert [path.name for path in theirs.iterdir()] == ["data.mdb"]  # a lock file would be a change to DVC


def test_store_gives_back_what_was_packed(lmdb_folder: Path) -> None:
    clips = ClipStore(lmdb_folder, SIZE)
    assert set(clips.clips("train")) == {"ann#a", "ann#b", "bob#a", "bob"}
    assert {clip: clips.length(clip) for split in store.SPLITS for clip in clips.clips(split)} == CLIPS
    np.testing.assert_array_equal(clips.coefficients("bob")[39], 39_000 + np.arange(260))
    assert clips.landmarks("bob").shape == (40, 68, 2)
    assert not clips.has_audio("ann#b") and clips.audio("bob").shape == (40 * 640,)
    assert np.abs(clips.aligned("bob", 5).astype(int) - sample_image(105, ALIGNED)).mean() < 2
    with pytest.raises(InputError, match="not in the LMDB"):
        clips.frame("bob", 40)
    with pytest.raises(InputError, match="run the stage pack"):
        ClipStore(lmdb_folder, 999)


def test_equal_clips_make_equal_bytes(tmp_path: Path, lmdb_folder: Path, shards: dict, splits: dict) -> None:
    """Also when it grew clip by clip, lost one, and had another changed."""
    grown = tmp_path / "grown"
    other = make_shard(tmp_path / "other.zip", "ann#b", 5)
    write_lmdb(grown, SIZE, {"ann#b": "train", "gone": "test"}, {"ann#b": other, "gone": _shard(tmp_path, "gone")})
    assert packed_sources(grown, SIZE) == {"ann#b": "made of ann#b", "gone": "made of gone"}
    done: list[str] = []
    for clip in sorted(CLIPS, reverse=True):
        done.append(clip)
        write_lmdb(grown, SIZE, {name: splits[name] for name in done}, {clip: shards[clip]})
        assert ClipStore(grown, SIZE).length(clip) == CLIPS[clip]
    for name in (f"{SIZE}/data.mdb", "train_list.txt", "test_list.txt"):
        assert (grown / name).read_bytes() == (lmdb_folder / name).read_bytes(), name


def _shard(folder: Path, clip: str) -> Path:
    return make_shard(folder / f"{clip}.zip", clip, 3)


def test_the_map_grows_as_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_FIRST_MAP", 1 << 16)
    write_lmdb(tmp_path, SIZE, {"long": "train"}, {"long": make_shard(tmp_path / "long.zip", "long", 60)})
    assert (tmp_path / str(SIZE) / "data.mdb").stat().st_size > 1 << 18
    assert ClipStore(tmp_path, SIZE).frame("long", 59).shape == (SIZE, SIZE, 3)


def test_a_crash_leaves_the_old_file_and_no_rubbish(tmp_path: Path, shards: dict, splits: dict) -> None:
    write_lmdb(tmp_path, SIZE, {"bob": "train"}, shards)
    before = (tmp_path / str(SIZE) / "data.mdb").read_bytes()
    broken = tmp_path / "broken.zip"
    broken.write_bytes(shards["ann#a"].read_bytes()[:-200])
    with pytest.raises(Exception, match="zip"):
        write_lmdb(tmp_path, SIZE, splits, {**shards, "ann#a": broken})
    assert (tmp_path / str(SIZE) / "data.mdb").read_bytes() == before
    killed = tmp_path / str(SIZE) / ".data.99999.tmp.mdb"  # what a kill leaves, which nothing can clean up at once
    killed.write_bytes(b"half")
    write_lmdb(tmp_path, SIZE, splits, shards)
    assert [path.name for path in killed.parent.iterdir()] == ["data.mdb"]


@pytest.mark.parametrize(
    ("key", "fault"),
    [("ann#a-0000003", "other bytes when read back than were written"), ("ann#a-keypoint", "keypoint is not as long")],
)
def test_a_disk_that_forgets_is_found_out(
    tmp_path: Path, shards: dict, splits: dict, monkeypatch: pytest.MonkeyPatch, key: str, fault: str
) -> None:
    """Before the file takes the place of the one that is there."""
    write_lmdb(tmp_path, SIZE, {"bob": "train"}, shards)
    before = (tmp_path / str(SIZE) / "data.mdb").read_bytes()

    def forgetful(path: Path, *args: object) -> None:
        environment = lmdb.open(str(path), map_size=1 << 26, subdir=False, lock=False)
        with environment, environment.begin(write=True) as transaction:
            value = transaction.get(key.encode())
            transaction.put(key.encode(), value[:-1] + b"?" if key.endswith("3") else value[:-4])
        verify(path, *args)

    verify = writer._verify
    monkeypatch.setattr(writer, "_verify", forgetful)
    with pytest.raises(InputError, match=rf"data\.mdb: .*{fault}.*; check the disk, and pack again$"):
        write_lmdb(tmp_path, SIZE, splits, shards)
    assert (tmp_path / str(SIZE) / "data.mdb").read_bytes() == before
    assert [path.name for path in (tmp_path / str(SIZE)).iterdir()] == ["data.mdb"]


def test_a_frame_that_cannot_be_decoded_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "encode_image", lambda image: b"no image")
    with pytest.raises(InputError, match=r"x: x-0000000 is no image when read back"):
        write_lmdb(tmp_path, SIZE, {"x": "train"}, {"x": _shard(tmp_path, "x")})


def test_what_is_packed_already_is_not_written_again(tmp_path: Path, shards: dict, splits: dict) -> None:
    write_lmdb(tmp_path, SIZE, splits, shards)
    inode = (tmp_path / str(SIZE) / "data.mdb").stat().st_ino
    write_lmdb(tmp_path, SIZE, splits | {"bob": "test"}, {})
    assert (tmp_path / str(SIZE) / "data.mdb").stat().st_ino == inode
    assert "bob" in ClipStore(tmp_path, SIZE).clips("test")
    write_lmdb(tmp_path, SIZE, {"bob": "test"}, {})
    assert (tmp_path / str(SIZE) / "data.mdb").stat().st_ino != inode and ClipStore(tmp_path, SIZE).length("bob") == 40


def test_names_that_would_share_keys_are_refused(tmp_path: Path) -> None:
    clips = ("a", "a-align")
    with pytest.raises(InputError, match="two clips claim this key"):
        write_lmdb(tmp_path, SIZE, dict.fromkeys(clips, "train"), {clip: _shard(tmp_path, clip) for clip in clips})


def test_store_survives_pickling_and_forks(lmdb_folder: Path) -> None:
    clips = ClipStore(lmdb_folder, SIZE)
    expected = clips.frame("bob", 1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clips)).frame("bob", 1), expected)
    child = os.fork()
    if child == 0:
        os._exit(0 if (clips.frame("bob", 1) == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(clips.frame("bob", 1), expected)


def test_persons_are_those_that_were_packed(tmp_path: Path) -> None:
    """Cameras name two people's videos as if they were one's."""
    shards = {clip: make_shard(tmp_path / f"{clip}.zip", clip, 2) for clip in ("IMG_0001", "IMG_0002")}
    write_lmdb(tmp_path / "lmdb", SIZE, dict.fromkeys(shards, "train"), shards)
    store = ClipStore(tmp_path / "lmdb", SIZE)
    assert [store.person(clip) for clip in shards] == ["IMG_0001", "IMG_0002"]


def test_persons_of_an_lmdb_that_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "id1#video#1#000": "id1",
        "Radio34_12": "Radio34",
        "Radio34_12#001": "Radio34",
        "me": "me",
        "me_too": "me_too",
    }
    put = ClipWriter._put
    monkeypatch.setattr(ClipWriter, "_put", lambda self, key, value: key.endswith("-person") or put(self, key, value))
    shards = {clip: make_shard(tmp_path / f"{number}.zip", clip, 1) for number, clip in enumerate(names)}
    write_lmdb(tmp_path / "lmdb", SIZE, dict.fromkeys(names, "train"), shards)
    store = ClipStore(tmp_path / "lmdb", SIZE)
    assert {clip: store.person(clip) for clip in names} == names
