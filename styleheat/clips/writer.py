"""Writing a set's LMDBs: many workers pack each a clip to a file, and these go to shards, each written by one process.

A shard is written in the order of the keys, without a lock file: equal clips give equal bytes. Only shards whose clips
change are written, so that a clip more costs one of them.
"""

import errno
import itertools
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import cv2
import lmdb
import numpy as np

from styleheat.clips.index import remove_half_written
from styleheat.clips.store import SPLITS, divisions, encode_image, frame_key, get, shard_of, shard_paths, transaction
from styleheat.constants import LANDMARKS, PACKED_COEFFICIENTS
from styleheat.errors import InputError
from styleheat.files import atomic

_FIRST_MAP = 64 << 20
"""Bytes that a new LMDB may hold before its limit is doubled."""


class ClipWriter:
    """Writes all that an LMDB will hold of one clip to a file: an uncompressed zip of keys and values.

    Frames are added in order, then `finish` adds what the clip has once. A clip of speech alone has no frames.
    """

    def __init__(self, path: Path, clip: str) -> None:
        self._clip = clip
        self._frames = 0
        self._zip = zipfile.ZipFile(path, "w")

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add_frame(self, frame: np.ndarray, aligned: np.ndarray) -> None:
        """Add the next frame, (S,S,3) uint8 RGB in the clip's own crop, and (A,A,3) aligned."""
        self._put(frame_key(self._clip, self._frames), encode_image(frame))
        self._put(frame_key(self._clip, self._frames, aligned=True), encode_image(aligned))
        self._frames += 1

    def finish(
        self, coefficients: np.ndarray, landmarks: np.ndarray, audio: np.ndarray | None, person: str, source: str
    ) -> None:
        """coefficients (T, 260); landmarks (T, 68, 2) in 256-pixel coordinates; audio (N,) or None; who is seen; the
        fingerprint of what all that was made from."""
        length = len(coefficients)
        assert self._frames in (0, length), (self._frames, length)
        assert coefficients.shape == (length, PACKED_COEFFICIENTS), coefficients.shape
        assert landmarks.shape == (length, LANDMARKS, 2), (landmarks.shape, length)
        self._put(f"{self._clip}-coeff_3dmm", np.ascontiguousarray(coefficients, np.float32).tobytes())
        self._put(f"{self._clip}-keypoint", np.ascontiguousarray(landmarks, np.float32).tobytes())
        self._put(f"{self._clip}-length", f"{length:07d}".encode())
        self._put(f"{self._clip}-person", person.encode())
        self._put(f"{self._clip}-source", source.encode())
        if audio is not None:
            assert audio.ndim == 1, audio.shape
            self._put(f"{self._clip}-audio", np.ascontiguousarray(audio, np.float32).tobytes())

    def _put(self, key: str, value: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(key), value)


def packed_sources(folder: str | Path, size: int) -> dict[str, str]:
    """The clips that a set's LMDBs hold already, with the fingerprint each was packed from; empty where there are
    none."""
    lists = [Path(folder) / f"{split}_list.txt" for split in SPLITS]
    names = [name for listed in lists if listed.exists() for name in listed.read_text().splitlines()]
    found, files = {}, divisions(folder, size)
    for name in names:
        path = _holder(files, name)
        value = None if path is None else transaction(path).get(f"{name}-source".encode())
        if value is not None:
            found[name] = bytes(value).decode()
    return found


def write_lmdb(
    folder: str | Path,
    size: int,
    splits: Mapping[str, str],
    packed: Mapping[str, Path],
    shards: int = 1,
    workers: int = 1,
) -> None:
    """Bring a set's folder up to date: LMDBs of exactly these clips, in so many shards, and the lists.

    splits: clip → "train" or "test". packed: clip → file of a `ClipWriter`; a clip without one is copied from where it
    is. workers: processes, each of which writes a shard at a time. A shard takes its name when it is complete and has
    been read back (`_verify`); one that holds its clips and no others already stays as it is.

    Raises InputError when two clips claim one key or what is read back is not what was written, and OSError when the
    disk is full.
    """
    import joblib

    folder = Path(folder)
    if folder.exists():
        remove_half_written(folder)
    members: list[list[str]] = [[] for _ in range(shards)]
    for clip in sorted(splits, key=lambda clip: f"{clip}-"):
        members[shard_of(clip, shards)].append(clip)
    paths, files = shard_paths(folder, size, shards), divisions(folder, size)
    todo = []
    for path, clips in zip(paths, members, strict=True):
        new = {clip: packed[clip] for clip in clips if clip in packed}
        if new or not _holds_exactly(path, clips):
            there = {clip: _holder(files, clip) for clip in clips if clip not in new}
            todo.append((path, clips, new, there))
    workers = min(workers, len(todo)) or 1
    joblib.Parallel(n_jobs=workers)(joblib.delayed(_write_shard)(*shard) for shard in todo)
    for split in SPLITS:
        names = sorted((clip for clip in splits if splits[clip] == split), key=lambda clip: f"{clip}-")
        with atomic(folder / f"{split}_list.txt") as temporary:
            temporary.write_text("".join(f"{name}\n" for name in names))
    for other in itertools.chain(*files):
        if other not in paths:
            other.unlink(missing_ok=True)


def _holder(divisions: Iterable[list[Path]], clip: str) -> Path | None:
    """The file that holds a clip."""
    for paths in divisions:
        path = paths[shard_of(clip, len(paths))]
        if path.exists() and transaction(path).get(f"{clip}-length".encode()) is not None:
            return path
    return None


def _write_shard(path: Path, clips: Sequence[str], new: Mapping[str, Path], there: Mapping[str, Path | None]) -> None:
    """Write one LMDB of some clips: those of files of a `ClipWriter`, and the others from the LMDBs that hold them."""
    with atomic(path) as temporary:
        with _Writer(temporary) as writer:
            for clip in clips:
                holder = there.get(clip)
                if clip not in new and holder is None:
                    raise InputError(f"{path}: {clip} is in no LMDB any more; pack the set again")
                writer.put(_packed_items(new[clip]) if holder is None else _clip_items(transaction(holder), clip))
            writer.put([(b"length", f"{len(clips):07d}".encode())])
        _verify(temporary, path, clips, new.keys(), writer.checksum)


def _packed_items(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What the file of a `ClipWriter` holds, each value checked against its CRC."""
    with zipfile.ZipFile(path) as packed:
        for name in packed.namelist():
            yield name.encode(), packed.read(name)


class _Writer:
    """An LMDB file that grows as needed; each `put` is one transaction.

    checksum: CRC-32 of all keys and values in the order they were put.
    """

    def __init__(self, path: Path) -> None:
        self.checksum = 0
        # No syncing until the end: the file has a temporary name until then.
        self._environment = lmdb.open(
            str(path), map_size=_FIRST_MAP, subdir=False, lock=False, sync=False, metasync=False
        )

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._environment.sync(True)
        self._environment.close()

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        records = sorted(items)
        while True:
            try:
                with self._environment.begin(write=True) as opened:
                    for key, value in records:
                        if not opened.put(key, value, overwrite=False):
                            raise InputError(f"{key.decode()}: two clips claim this key; rename one of their files")
                break
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except lmdb.DiskError as error:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        for key, value in records:
            self.checksum = zlib.crc32(value, zlib.crc32(key, self.checksum))


def _holds_exactly(path: Path, clips: Sequence[str]) -> bool:
    """Whether an LMDB has these clips and no others: their number, and a length of each."""
    if not path.exists():
        return False
    opened = transaction(path)
    number = opened.get(b"length")
    return (
        number is not None
        and int(bytes(number)) == len(clips)
        and all(opened.get(f"{clip}-length".encode()) is not None for clip in clips)
    )


def _verify(path: Path, name: Path, clips: Sequence[str], new: Set[str], checksum: int) -> None:
    """Read an LMDB back from the disk: it holds what was put into it and nothing else, every clip has all its frames
    and arrays as long as it says, and the frames of the new clips are images that can be decoded.

    name: to call the file by. Raises InputError at the first thing that is not as it was written.
    """
    environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
    try:
        with environment.begin(buffers=True) as opened:
            keys, read = 0, 0
            for clip in clips:
                items = dict(_clip_items(opened, clip))
                length = int(items[f"{clip}-length".encode()])
                fault = _fault(clip, length, items, clip in new)
                if fault:
                    raise InputError(f"{name}: {clip}: {fault} when read back; check the disk, and pack again")
                for key in sorted(items):
                    read = zlib.crc32(items[key], zlib.crc32(key, read))
                keys += len(items)
            total = bytes(get(opened, "length"))
            read = zlib.crc32(total, zlib.crc32(b"length", read))
            if (keys + 1, int(total), read) != (environment.stat()["entries"], len(clips), checksum):
                raise InputError(
                    f"{name}: other bytes when read back than were written; check the disk, and pack again"
                )
    finally:
        environment.close()


def _fault(clip: str, length: int, items: Mapping[bytes, bytes], decode: bool) -> str | None:
    """What is wrong with a clip as it was read back."""
    for array, row in (("coeff_3dmm", PACKED_COEFFICIENTS), ("keypoint", 2 * LANDMARKS)):
        if len(items[f"{clip}-{array}".encode()]) != 4 * length * row:
            return f"{array} is not as long as its {length} frames"
    images = _frame_keys(clip, length) if frame_key(clip, 0).encode() in items else []
    for key in images if decode else ():
        if cv2.imdecode(np.frombuffer(items[key.encode()], np.uint8), cv2.IMREAD_COLOR_RGB) is None:
            return f"{key} is no image"
    return None


def _clip_items(opened: lmdb.Transaction, clip: str) -> Iterator[tuple[bytes, bytes]]:
    """Everything an LMDB holds of one clip."""
    length = int(bytes(get(opened, f"{clip}-length")))
    frames = [] if opened.get(frame_key(clip, 0).encode()) is None else _frame_keys(clip, length)
    for key in [*frames, *(f"{clip}-{what}" for what in ("coeff_3dmm", "keypoint", "length", "source"))]:
        yield key.encode(), bytes(get(opened, key))
    for key in (f"{clip}-audio", f"{clip}-person"):
        value = opened.get(key.encode())
        if value is not None:
            yield key.encode(), bytes(value)


def _frame_keys(clip: str, length: int) -> list[str]:
    return [frame_key(clip, frame, aligned) for frame in range(length) for aligned in (False, True)]
