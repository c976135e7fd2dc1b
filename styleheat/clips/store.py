"""The LMDBs that training reads: frames, aligned frames, coefficients and landmarks of every clip of a set.

Keys and values are those of PIRenderer's and StyleHEAT's data sets, which read ours, as we read theirs:

| key | value |
|---|---|
| `<clip>-<frame:07d>` | JPEG of the frame in the clip's own crop |
| `<clip>-align-<frame:07d>` | JPEG of the frame aligned as FFHQ's images are |
| `<clip>-coeff_3dmm` | float32 (T, 260), packed coefficients |
| `<clip>-keypoint` | float32 (T, 68, 2), landmarks in pixels of the frame scaled to 256 |
| `<clip>-length` | T, seven ASCII digits |
| `<clip>-audio` | float32 (N,) at 16 kHz, the voice in the clip's audio (`media.voice`); absent without audio (ours) |
| `<clip>-person` | who is seen, UTF-8 (ours) |
| `<clip>-source` | fingerprint of what the clip was packed from (ours) |
| `length` | number of the file's clips, seven ASCII digits |

A set's folder holds `train_list.txt` and `test_list.txt`, one clip a line, and a folder named by the size of its
frames, with one file, `data.mdb`, as the references have it, or several shards, `data-007-of-256.mdb`: a clip's shard
follows from its name alone. `clips.writer` makes them.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import lmdb
import numpy as np

from styleheat.constants import LANDMARKS, PACKED_COEFFICIENTS
from styleheat.errors import InputError
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


def shard_of(clip: str, shards: int) -> int:
    """Which of so many shards holds a clip."""
    return int(hashlib.sha256(clip.encode()).hexdigest()[:8], 16) % shards


def shard_paths(folder: str | Path, size: int, shards: int) -> list[Path]:
    """The files of a set packed in so many shards."""
    names = [DATABASE] if shards == 1 else [f"data-{number:03d}-of-{shards:03d}.mdb" for number in range(shards)]
    return [Path(folder).resolve() / str(size) / name for name in names]


def divisions(folder: str | Path, size: int) -> list[list[Path]]:
    """What lies in a set's folder: the files of each number of shards, all that belong together, whether there or not;
    those that are complete first. More than one division is what a killed run leaves."""
    found = sorted(Path(folder, str(size)).glob("data*.mdb"))
    counts = {int(match[1] or 1) for path in found if (match := _SHARD.fullmatch(path.name))}
    files = [shard_paths(folder, size, count) for count in sorted(counts)]
    return sorted(files, key=lambda paths: not all(path.exists() for path in paths))


_SHARD = re.compile(r"data(?:-\d{3}-of-(\d{3}))?\.mdb")


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


def get(opened: lmdb.Transaction, key: str) -> bytes | memoryview:
    """The value of a key. Raises InputError where there is none."""
    value = opened.get(key.encode())
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


def transaction(path: Path) -> lmdb.Transaction:
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
    """Reads a set's LMDBs. It may be pickled and forked: a file is opened in each process at the first read."""

    def __init__(self, folder: str | Path, size: int) -> None:
        """folder: `data/<set>/lmdb`; size: that of its frames in pixels. InputError when they aren't there."""
        self.folder, self.size = Path(folder), size
        self._paths = next(iter(divisions(folder, size)), shard_paths(folder, size, 1))
        missing = [path for path in self._paths if not path.exists()]
        if missing:
            raise InputError(f"{missing[0]}: not there; run the stage pack, or use the size it packed")
        self._clips = {split: tuple(_read_list(self.folder, split)) for split in SPLITS}

    def clips(self, split: str) -> tuple[str, ...]:
        """The names of the clips of "train" or "test"."""
        return self._clips[split]

    def length(self, clip: str) -> int:
        """Frames of a clip."""
        return int(bytes(self._value(clip, "length")))

    def person(self, clip: str) -> str:
        """Who is seen in a clip. In the LMDBs of others, which don't say, the clip's name up to a "#" or a last "_"
        with a number, as PIRenderer's are named."""
        named = self._transaction(clip).get(f"{clip}-person".encode())
        if named is not None:
            return bytes(named).decode()
        person = clip.partition("#")[0]
        name, underscore, number = person.rpartition("_")
        return name if underscore and number.isdigit() else person

    def frame(self, clip: str, frame: int) -> np.ndarray:
        """uint8 RGB (size, size, 3), in the clip's own crop."""
        return decode_image(get(self._transaction(clip), frame_key(clip, frame)))

    def aligned(self, clip: str, frame: int) -> np.ndarray:
        """(A,A,3) uint8 RGB, aligned as FFHQ's images are."""
        return decode_image(get(self._transaction(clip), frame_key(clip, frame, aligned=True)))

    def coefficients(self, clip: str, frames: Frames = slice(None)) -> np.ndarray:
        """float32 (T, 260), packed; of these frames only."""
        values = np.frombuffer(self._value(clip, "coeff_3dmm"), np.float32)
        return values.reshape(-1, PACKED_COEFFICIENTS)[frames].copy()

    def landmarks(self, clip: str, frames: Frames = slice(None)) -> np.ndarray:
        """float32 (T, 68, 2), in pixels of the frame scaled to 256; of these frames only."""
        values = np.frombuffer(self._value(clip, "keypoint"), np.float32)
        return values.reshape(-1, LANDMARKS, 2)[frames].copy()

    def audio(self, clip: str) -> np.ndarray:
        """The voice of a clip with audio, float32 (N,) at 16 kHz. Raises InputError for a clip without."""
        return np.frombuffer(self._value(clip, "audio"), np.float32).copy()

    def has_audio(self, clip: str) -> bool:
        """Whether a clip has audio."""
        return self._transaction(clip).get(f"{clip}-audio".encode()) is not None

    def _transaction(self, clip: str) -> lmdb.Transaction:
        return transaction(self._paths[shard_of(clip, len(self._paths))])

    def _value(self, clip: str, what: str) -> bytes | memoryview:
        return get(self._transaction(clip), f"{clip}-{what}")


def scale_landmarks(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Landmarks (T,68,2) in pixels of frames of a size → in pixels of the frame scaled to 256, as the LMDB keeps
    them."""
    return landmarks * np.float32(FRAME_SIZE / size)


def _read_list(folder: Path, split: str) -> list[str]:
    path = folder / f"{split}_list.txt"
    if not path.exists():
        raise InputError(f"{path}: not there; run the stage pack")
    return path.read_text().splitlines()
