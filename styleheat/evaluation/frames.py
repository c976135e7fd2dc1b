"""Frames that are scored: sequences that are read one at a time, so that memory does not grow with a video's length."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

Frames = Sequence[np.ndarray] | np.ndarray
"""Frames (S,S,3) uint8 by number, read more than once."""


@dataclass(frozen=True)
class LazyFrames(Sequence[np.ndarray]):
    """Frames that are read when they are asked for. read: the frame of a number from 0 to length - 1."""

    length: int
    read: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < self.length:
            raise IndexError(number)
        return self.read(number)


class FrameFile(Sequence[np.ndarray]):
    """Frames of one size in a temporary file, uncompressed: written in their order, read in any. Use as a context
    manager, which removes the file."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where it lies; None: where temporary files do, which may be memory."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
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

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < self._count:
            raise IndexError(number)
        size = int(np.prod(self._shape))
        self._file.seek(number * size)
        return np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)

    def __enter__(self) -> "FrameFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
