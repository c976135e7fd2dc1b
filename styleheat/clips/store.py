"""The LMDB that training reads: frames, aligned frames, coefficients and landmarks of every clip of a set.

Keys and values are those of PIRenderer's and StyleHEAT's data sets, which read ours, as we read theirs:

| key | value |
|---|---|
| `<clip>-<frame:07d>` | JPEG of the frame in the clip's own crop |
| `<clip>-align-<frame:07d>` | JPEG of the frame aligned as FFHQ's pictures are |
| `<clip>-coeff_3dmm` | float32 (T, 260), packed coefficients |
| `<clip>-keypoint` | float32 (T, 68, 2), landmarks in pixels of the frame scaled to 256 |
| `<clip>-length` | T, seven ASCII digits |
| `<clip>-sound` | float32 (N,) at 16 kHz, the voice in the clip's sound (`media.voice`); absent without sound (ours) |
| `<clip>-person` | who is seen, UTF-8 (ours) |
| `<clip>-source` | fingerprint of what the clip was packed from (ours) |
| `length` | number of clips, seven ASCII digits |

A set's folder holds one LMDB for each frame size, `<size>/data.mdb`, and `train_list.txt` and `test_list.txt`, one clip
a line. The file is written in the order of the keys, by one process, without a lock file: equal clips give equal bytes.
"""

import errno
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import cv2
import lmdb
import numpy as np

from styleheat.clips.index import remove_half_written
from styleheat.constants import LANDMARKS, PACKED_COEFFICIENTS
from styleheat.errors import InputError
from styleheat.files import atomic
from styleheat.morphable.coefficients import FRAME_SIZE

DATABASE = "data.mdb"
SPLITS = ("train", "test")

JPEG_QUALITY = 95
"""With colour at full resolution (4:4:4): 38 dB and more, at a third of PNG's size and decoding time."""

_ENCODING = (
    cv2.IMWRITE_JPEG_QUALITY,
    JPEG_QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)


# --- names, keys and values


def _database(folder: str | Path, size: int) -> Path:
    return Path(folder).resolve() / str(size) / DATABASE


def frame_key(clip: str, frame: int, aligned: bool = False) -> str:
    return f"{clip}-align-{frame:07d}" if aligned else f"{clip}-{frame:07d}"


def encode_image(image: np.ndarray) -> bytes:
    """uint8 RGB (H, W, 3) → JPEG."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], _ENCODING)
    assert done
    return data.tobytes()


def decode_image(data: bytes | memoryview) -> np.ndarray:
    """JPEG or PNG → uint8 RGB (H, W, 3)."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return image


# --- writing: each clip to a shard, by many workers; all shards to one LMDB, by one


class ShardWriter:
    """Writes all that the LMDB will hold of one clip to a file: an uncompressed zip of keys and values.

    Frames are added in order, then `finish` adds what belongs to the whole clip.
    """

    def __init__(self, path: Path, clip: str) -> None:
        self._clip = clip
        self._frames = 0
        self._zip = zipfile.ZipFile(path, "w")

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add_frame(self, frame: np.ndarray, aligned: np.ndarray) -> None:
        """Add the next frame, uint8 RGB, in the clip's own crop and aligned."""
        self._put(frame_key(self._clip, self._frames), encode_image(frame))
        self._put(frame_key(self._clip, self._frames, aligned=True), encode_image(aligned))
        self._frames += 1

    def finish(
        self, coefficients: np.ndarray, landmarks: np.ndarray, sound: np.ndarray | None, person: str, source: str
    ) -> None:
        """coefficients (T, 260); landmarks (T, 68, 2) in 256-pixel coordinates; sound (N,) or None; who is seen; the
        fingerprint of what all that was made from."""
        length = self._frames
        assert coefficients.shape == (length, PACKED_COEFFICIENTS), (coefficients.shape, length)
        assert landmarks.shape == (length, LANDMARKS, 2), (landmarks.shape, length)
        self._put(f"{self._clip}-coeff_3dmm", np.ascontiguousarray(coefficients, np.float32).tobytes())
        self._put(f"{self._clip}-keypoint", np.ascontiguousarray(landmarks, np.float32).tobytes())
        self._put(f"{self._clip}-length", f"{length:07d}".encode())
        self._put(f"{self._clip}-person", person.encode())
        self._put(f"{self._clip}-source", source.encode())
        if sound is not None:
            assert sound.ndim == 1, sound.shape
            self._put(f"{self._clip}-sound", np.ascontiguousarray(sound, np.float32).tobytes())

    def _put(self, key: str, value: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(key), value)


def _shard_items(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What a shard holds, each value checked against its CRC."""
    with zipfile.ZipFile(path) as shard:
        for name in shard.namelist():
            yield name.encode(), shard.read(name)


def packed_sources(folder: str | Path, size: int) -> dict[str, str]:
    """The clips that an LMDB holds already, with the fingerprint each was packed from; empty where there is none."""
    path = _database(folder, size)
    if not path.exists():
        return {}
    lists = [Path(folder) / f"{split}_list.txt" for split in SPLITS]
    names = [name for listed in lists if listed.exists() for name in listed.read_text().splitlines()]
    transaction = _transaction(path)
    found = {name: transaction.get(f"{name}-source".encode()) for name in names}
    return {name: bytes(value).decode() for name, value in found.items() if value is not None}


def write_lmdb(folder: str | Path, size: int, splits: Mapping[str, str], shards: Mapping[str, Path]) -> None:
    """Make the set's folder anew: the LMDB of exactly these clips, and the lists.

    splits: clip → "train" or "test". shards: clip → file of a `ShardWriter`; a clip without one is copied from the LMDB
    that is there. The new file takes the old one's place when it is complete and has been read back (`_verify`). An
    LMDB that holds these clips and no others already stays as it is.

    Raises InputError when two clips claim one key or what is read back is not what was written, and OSError when the
    disk is full.
    """
    folder = Path(folder)
    path = _database(folder, size)
    clips = sorted(splits, key=lambda clip: f"{clip}-")
    if folder.exists():
        remove_half_written(folder)
    if any(clip in shards for clip in clips) or not _holds_exactly(path, clips):
        with atomic(path) as temporary:
            with _Writer(temporary) as writer:
                for clip in clips:
                    writer.put(_shard_items(shards[clip]) if clip in shards else _clip_items(_transaction(path), clip))
                writer.put([(b"length", f"{len(clips):07d}".encode())])
            _verify(temporary, path, clips, set(shards), writer.checksum)
    for split in SPLITS:
        names = [clip for clip in clips if splits[clip] == split]
        with atomic(folder / f"{split}_list.txt") as temporary:
            temporary.write_text("".join(f"{name}\n" for name in names))


_FIRST_MAP = 64 << 20
"""Bytes that a new LMDB may hold before it is told to hold twice as many."""


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
                with self._environment.begin(write=True) as transaction:
                    for key, value in records:
                        if not transaction.put(key, value, overwrite=False):
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
    transaction = _transaction(path)
    number = transaction.get(b"length")
    return (
        number is not None
        and int(bytes(number)) == len(clips)
        and all(transaction.get(f"{clip}-length".encode()) is not None for clip in clips)
    )


def _verify(path: Path, name: Path, clips: Sequence[str], new: Set[str], checksum: int) -> None:
    """Read an LMDB back from the disk: it holds what was put into it and nothing else, every clip has all its frames
    and arrays as long as it says, and the frames of the new clips are pictures that can be decoded.

    name: to call the file by. Raises InputError at the first thing that is not as it was written.
    """
    environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
    try:
        with environment.begin(buffers=True) as transaction:
            keys, read = 0, 0
            for clip in clips:
                items = dict(_clip_items(transaction, clip))
                length = int(items[f"{clip}-length".encode()])
                fault = _fault(clip, length, items, clip in new)
                if fault:
                    raise InputError(f"{name}: {clip}: {fault} when read back; check the disk, and pack again")
                for key in sorted(items):
                    read = zlib.crc32(items[key], zlib.crc32(key, read))
                keys += len(items)
            total = bytes(_get(transaction, "length"))
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
    pictures = (frame_key(clip, frame, aligned) for frame in range(length) for aligned in (False, True))
    for key in pictures if decode else ():
        if cv2.imdecode(np.frombuffer(items[key.encode()], np.uint8), cv2.IMREAD_COLOR_RGB) is None:
            return f"{key} is no picture"
    return None


def _clip_items(transaction: lmdb.Transaction, clip: str) -> Iterator[tuple[bytes, bytes]]:
    """Everything an LMDB holds of one clip."""
    for key in [*_clip_keys(clip, int(bytes(_get(transaction, f"{clip}-length")))), f"{clip}-source"]:
        yield key.encode(), bytes(_get(transaction, key))
    for key in (f"{clip}-sound", f"{clip}-person"):
        value = transaction.get(key.encode())
        if value is not None:
            yield key.encode(), bytes(value)


def _clip_keys(clip: str, length: int) -> Iterator[str]:
    for frame in range(length):
        yield frame_key(clip, frame)
        yield frame_key(clip, frame, aligned=True)
    yield f"{clip}-coeff_3dmm"
    yield f"{clip}-keypoint"
    yield f"{clip}-length"


def _get(transaction: lmdb.Transaction, key: str) -> bytes | memoryview:
    value = transaction.get(key.encode())
    if value is None:
        raise InputError(f"{key}: this key is not in the LMDB; pack the set again")
    return value


# --- reading


@dataclass(frozen=True)
class _Opened:
    identity: tuple[int, int, int]
    environment: lmdb.Environment
    transaction: lmdb.Transaction


_opened: dict[Path, _Opened] = {}


def _transaction(path: Path) -> lmdb.Transaction:
    """The one read transaction of this process on a file.

    LMDB forbids opening a file twice in a process, and use of what was opened before a fork: the child closes its copy.
    The buffers die when the file has been replaced and is opened again: copy what is to be kept.
    """
    status = path.stat()
    identity = (os.getpid(), status.st_ino, status.st_mtime_ns)
    opened = _opened.get(path)
    if opened is None or opened.identity != identity:
        if opened is not None:
            opened.transaction.abort()
            opened.environment.close()
        environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=False)
        opened = _opened[path] = _Opened(identity, environment, environment.begin(buffers=True))
    return opened.transaction


Frames = slice | np.ndarray
"""Which frames of a clip: a slice, or their numbers."""


class ClipStore:
    """Reads a set's LMDB. It may be pickled and forked: the file is opened in each process at the first read."""

    def __init__(self, folder: str | Path, size: int) -> None:
        """folder: `data/<set>/lmdb`; size: that of its frames in pixels. InputError when they aren't there."""
        self.folder, self.size = Path(folder), size
        self._path = _database(folder, size)
        if not self._path.exists():
            raise InputError(f"{self._path}: not there; run the stage pack, or use the size it packed")
        self._clips = {split: tuple(_read_list(self.folder, split)) for split in SPLITS}

    def clips(self, split: str) -> tuple[str, ...]:
        """The names of the clips of "train" or "test"."""
        return self._clips[split]

    def length(self, clip: str) -> int:
        """Frames of a clip."""
        return int(bytes(self._value(f"{clip}-length")))

    def person(self, clip: str) -> str:
        """Who is seen in a clip. In the LMDBs of others, which don't say, the clip's name up to a "#" or a last "_"
        with a number, as PIRenderer's are named."""
        told = _transaction(self._path).get(f"{clip}-person".encode())
        if told is not None:
            return bytes(told).decode()
        person = clip.partition("#")[0]
        name, underscore, number = person.rpartition("_")
        return name if underscore and number.isdigit() else person

    def frame(self, clip: str, frame: int) -> np.ndarray:
        """uint8 RGB (size, size, 3), in the clip's own crop."""
        return decode_image(self._value(frame_key(clip, frame)))

    def aligned(self, clip: str, frame: int) -> np.ndarray:
        """uint8 RGB, aligned as FFHQ's pictures are."""
        return decode_image(self._value(frame_key(clip, frame, aligned=True)))

    def coefficients(self, clip: str, frames: Frames = slice(None)) -> np.ndarray:
        """float32 (T, 260), packed; of these frames only."""
        values = np.frombuffer(self._value(f"{clip}-coeff_3dmm"), np.float32)
        return values.reshape(-1, PACKED_COEFFICIENTS)[frames].copy()

    def landmarks(self, clip: str, frames: Frames = slice(None)) -> np.ndarray:
        """float32 (T, 68, 2), in pixels of the frame scaled to 256; of these frames only."""
        values = np.frombuffer(self._value(f"{clip}-keypoint"), np.float32)
        return values.reshape(-1, LANDMARKS, 2)[frames].copy()

    def sound(self, clip: str) -> np.ndarray:
        """The voice of a clip with audio, float32 (N,) at 16 kHz. Raises InputError for a clip without."""
        return np.frombuffer(self._value(f"{clip}-sound"), np.float32).copy()

    def has_audio(self, clip: str) -> bool:
        """Whether a clip has audio."""
        return _transaction(self._path).get(f"{clip}-sound".encode()) is not None

    def _value(self, key: str) -> bytes | memoryview:
        return _get(_transaction(self._path), key)


def scale_landmarks(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Landmarks in pixels of frames of any size → in pixels of the frame scaled to 256, as the LMDB keeps them."""
    return landmarks * np.float32(FRAME_SIZE / size)


def _read_list(folder: Path, split: str) -> list[str]:
    path = folder / f"{split}_list.txt"
    if not path.exists():
        raise InputError(f"{path}: not there; run the stage pack")
    return path.read_text().splitlines()
