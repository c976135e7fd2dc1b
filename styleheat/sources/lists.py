"""The annotation lists of public data sets: text files of videos, time ranges and crop windows."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from styleheat.errors import InputError
from styleheat.files import atomic

TIMEOUT_S = 60.0


def obtain(path: Path, url: str, sha256: str) -> Path:
    """`path`, fetched from `url` if it doesn't exist. An existing file is the user's, and is used as it is.

    Raises `InputError` when it can't be fetched, or its SHA-256 is not `sha256` (hex).
    """
    if path.exists():
        return path
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise InputError(
            f"{path}: not there, and can't be fetched from {url} ({error}); put it there by hand"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: {url} holds another file than expected; check it, and put it there by hand")
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return path


def read_text(path: Path) -> str:
    """A list's text without its byte-order mark. Raises `InputError` when it is not UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error
