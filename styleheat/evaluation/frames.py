"""Frames that are scored: sequences that are read one at a time, so that memory does not grow with a video's length."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np

from styleheat.clips.store import ClipStore


class Frames(Protocol):
    """Frames (S,S,3) uint8 by number; an array (T,S,S,3) is one."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> np.ndarray: ...
    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class StoredFrames:
    """The first frames of a clip of an LMDB."""

    store: ClipStore
    clip: str
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> np.ndarray:
        if not 0 <= number < self.length:
            raise IndexError(number)
        return self.store.frame(self.clip, number)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(self.length))


@dataclass(frozen=True)
class RepeatedFrame:
    """One frame, many times."""

    frame: np.ndarray
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> np.ndarray:
        if not 0 <= number < self.length:
            raise IndexError(number)
        return self.frame

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.frame for _ in range(self.length))


class FrameFile:
    """Frames of one size in a temporary file, uncompressed: written in their order, read in any. Use as a context
    manager, which removes the file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="styleheat-frames-")  # noqa: SIM115  closed by __exit__
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def append(self, frame: np.ndarray) -> None:
        """frame: (S,S,3) uint8, of the size of the others."""
        self._shape = self._shape or frame.shape
        assert frame.dtype == np.uint8 and frame.shape == self._shape, (frame.dtype, frame.shape)
        self._file.seek(self._count * frame.nbytes)
        self._file.write(np.ascontiguousarray(frame).data)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> np.ndarray:
        if not 0 <= number < self._count:
            raise IndexError(number)
        size = int(np.prod(self._shape))
        self._file.seek(number * size)
        return np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(self._count))

    def __enter__(self) -> "FrameFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
