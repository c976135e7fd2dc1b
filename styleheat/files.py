"""Files that are complete or absent, and fingerprints of their content."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""OSError numbers for a full disk or an exhausted quota."""

MAX_NAME_BYTES = 200
"""Bytes of a file's name without suffixes, at most, where we choose it."""


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends, remove it when the block raises.

    The temporary name keeps the suffix (writers choose formats by it) and never writes through a hard link, which
    would change the file inside DVC's cache too. A file or a folder may be written under the temporary name. It
    reaches the disk before it is renamed, and its new name before this returns: a power cut leaves the old or the new.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{short_name(path.stem)}.{os.getpid()}.tmp{path.suffix}")
    _remove(temporary)
    try:
        yield temporary
        _sync(temporary)
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
        _sync_one(path.parent)
    finally:
        _remove(temporary)


def short_name(name: str) -> str:
    """Shorten a name so that, with suffixes, it fits into the 255 bytes that file systems allow.

    A hash replaces the end of a long name and keeps it unique.
    """
    if len(name.encode(errors="surrogateescape")) <= MAX_NAME_BYTES:
        return name
    mark = "~" + hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]
    kept = name.encode(errors="surrogateescape")[: MAX_NAME_BYTES - len(mark)]
    return kept.decode(errors="ignore") + mark


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON with sorted keys, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Of a file's bytes, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(path: str | Path) -> str:
    """The sha256 of a file's bytes, or of a folder's relative names and bytes in sorted order (64 hex digits)."""
    path = Path(path)
    total = hashlib.sha256()
    for item in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{item.relative_to(path) if path.is_dir() else ''}\0{sha256(item)}\n".encode())
    return total.hexdigest()


def fingerprint(*facts: Any) -> str:
    """16 hex digits that stand for JSON-able facts; equal facts give equal fingerprints on every machine."""
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sync(path: Path) -> None:
    """Everything of a file or folder to the disk."""
    for item in [*path.rglob("*"), path] if path.is_dir() else [path]:
        _sync_one(item)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
