"""Downloads that are complete or absent; archives, unpacked without leaving their folder."""

import gzip
import json
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import requests
from tqdm import tqdm

from styleheat import files
from styleheat.errors import InputError

ATTEMPTS = 5
"""Attempts in a row that bring nothing before the download is given up."""

BACK_OFF = 1.0
"""Seconds before the second attempt; each further one waits twice as long."""

TIMEOUT = (20.0, 60.0)
"""Seconds to connect, and between two pieces of an answer."""

PIECE = 1 << 20
"""Bytes read at a time."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class _Again(Exception):
    """An attempt that failed for a reason that may pass."""


def download(address: str, path: str | Path) -> None:
    """Fetch `address` to `path`, going on from what an earlier attempt left in `<path>.part`.

    The part is continued only if the server says by its ETag, date or size that the file is still the same. Raises
    InputError, one line, when there is no such file, the answer is a web page, the disk is too small, or the server
    can't be reached after `ATTEMPTS`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _attempt(address, path, part)
            break
        except (_Again, requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures == ATTEMPTS:
                raise InputError(
                    f"{address}: {_reason(error)}, {ATTEMPTS} times; try again later (what came is kept), or put the "
                    f"file at {path} yourself"
                ) from None
            time.sleep(BACK_OFF * 2 ** (failures - 1))
        except requests.RequestException as error:
            raise InputError(f"{address}: can't be fetched: {_reason(error)}") from None
    part.replace(path)
    _facts(part).unlink(missing_ok=True)


def _attempt(address: str, path: Path, part: Path) -> None:
    """One request. `<part>.json` says which version of the file the part is of: {"validator", "size"}."""
    have = _size(part)
    known = json.loads(_facts(part).read_text()) if have and _facts(part).is_file() else {}
    have = have if known else 0
    headers = {"Accept-Encoding": "identity"}  # else sizes and ranges would count compressed bytes
    if have:
        headers["Range"] = f"bytes={have}-"
        if known["validator"]:
            headers["If-Range"] = known["validator"]
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing after `have`: it is complete, or of another file
            if have != known.get("size"):
                part.unlink()
                raise _Again("the file has changed")
            return
        if answer.status_code >= 500 or answer.status_code == 429:
            raise _Again(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise InputError(
                f"{address}: the server answers {answer.status_code} {answer.reason}; check the address, or put the "
                f"file at {path} yourself"
            )
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise InputError(
                f"{address}: a web page, not a file; check the address, or fetch it in a browser and put it at {path}"
            )
        start, size = 0, int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None
        if answer.status_code == 206:
            start, size = _range(answer.headers.get("Content-Range", ""))
            if start != have or size != known["size"]:
                part.unlink()
                raise _Again("the file has changed")
        require_space(path.parent, (size or 0) - start, path.name)
        etag = answer.headers.get("ETag", "")
        validator = etag if etag.startswith('"') else answer.headers.get("Last-Modified")  # weak ETags prove nothing
        files.write_json(_facts(part), {"validator": validator, "size": size})
        with (
            part.open("ab" if start else "wb") as stream,
            tqdm(total=size, initial=start, desc=path.name, unit="B", unit_scale=True, mininterval=1.0) as bar,
        ):
            for piece in answer.iter_content(PIECE):
                bar.update(stream.write(piece))
    if size is not None and _size(part) != size:
        raise _Again(f"{_size(part)} of {size} bytes came")


def require_space(folder: Path, wanted: int, what: str) -> None:
    """Raise InputError unless the disk of `folder` has so many bytes free."""
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise InputError(
            f"{folder}: {what} takes {wanted / 1e6:,.0f} MB, but the disk has {free / 1e6:,.0f} MB; free some "
            "space and run this again"
        )


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def unpack(archive: str | Path, folder: str | Path, limit: int) -> None:
    """Unpack a zip or tar archive into a new `folder`, which appears complete or not at all.

    A single folder around all that is in the archive is left out.

    limit: bytes that the contents may take. Raises InputError when they take more, when an entry would lie outside the
    folder or is neither a file nor a folder (links, devices), or when the file is no complete archive.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with files.atomic(folder) as temporary:
            temporary.mkdir()
            total = 0
            for name, stream in _entries(archive):
                inside = PurePosixPath(name.replace("\\", "/"))
                if inside.is_absolute() or ".." in inside.parts or ":" in name:
                    raise InputError(f"{archive}: {name} would lie outside of its folder; don't trust this archive")
                target = temporary.joinpath(*inside.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    # Sizes stated in an archive may be false: count the extracted bytes.
                    while piece := stream.read(PIECE):
                        total += len(piece)
                        if total > limit:
                            raise InputError(f"{archive}: holds more than {limit / 1e9:g} GB; don't trust this archive")
                        require_space(temporary, len(piece), archive.name)
                        out.write(piece)
            top = list(temporary.iterdir())
            if len(top) == 1 and top[0].is_dir():
                inner = top[0].rename(temporary.with_name(f"{temporary.name}.inner"))
                temporary.rmdir()
                inner.rename(temporary)
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"{archive}: not a complete zip or tar archive ({_reason(error)}); fetch it again") from None


def _entries(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of an archive by their names in it. Raises InputError for what is neither file nor folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            for entry in pack.infolist():
                if (entry.external_attr >> 16) & 0o170000 == 0o120000:
                    raise InputError(f"{archive}: {entry.filename} is a link; don't trust this archive")
                if not entry.is_dir():
                    with pack.open(entry) as stream:
                        yield entry.filename, stream
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() and not member.isdir():
                raise InputError(f"{archive}: {member.name} is a link or device; don't trust this archive")
            if member.isfile():
                content = tar.extractfile(member)
                assert content is not None, "members that are files have a content"
                yield member.name, content


def _facts(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _range(header: str) -> tuple[int, int | None]:
    """First byte and total size of `bytes 5-9/10`; (-1, None) for anything else."""
    try:
        span, _, size = header.removeprefix("bytes ").partition("/")
        return int(span.partition("-")[0]), int(size)
    except ValueError:
        return -1, None


def _reason(error: Exception) -> str:
    """An error in a few words on one line."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, requests.ConnectionError):
        return "the server can't be reached, or cut the connection"
    return " ".join(str(error).split())[:200] or type(error).__name__
