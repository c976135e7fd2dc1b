"""Released weights, fetched, verified and converted: weights.source -> models/official."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from styleheat import fetch, files
from styleheat.errors import InputError
from styleheat.pipeline import Stage, main

if TYPE_CHECKING:
    from styleheat.releases.files import Released

FOLDER = Path("models/official")

FETCHED = Path("data/sources/official")
"""Where fetched files stay, for other runs to find; unlike `FOLDER`, DVC never empties it."""

RECORD = FETCHED / "sha256.json"
"""The sha256 of each released file when it was first converted, wherever it came from."""

ARCHIVE_LIMIT = 20 * 10**9
"""Bytes that an archive of all released files may hold; the files take 4 GB."""


def body(stage: Stage) -> None:
    """Leave a folder without weights for source `none`, else one model folder for each of `weights.models`: one that
    `stages.publish` made, where the source has such, or one converted from released files.

    Raises InputError, one line, for what can't be fetched, is not the file it should be, or has changed since its
    first use.
    """
    source, models = stage.params.weights.source, stage.params.weights.models
    if source == "none":
        with files.atomic(FOLDER) as made:
            made.mkdir()
            (made / "README.md").write_text("No released weights: `weights.source` in params.yaml is `none`.\n")
        return
    from styleheat import publication, releases  # after the common case, which needs no torch

    source = publication.address_of(source)
    ours = FETCHED / f"published-{files.fingerprint(source)}"
    if publication.fetch(source, ours, models, fetch.download):
        with files.atomic(FOLDER) as made:
            for name in models:
                shutil.copytree(ours / name, made / name)
        return
    folder = opened(source)
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    used: dict[str, str] = {}
    for file in dict.fromkeys(file for name in models for file in releases.released_files(name, folder)):
        path = folder / file.name
        if not path.is_file() and source == "release" and file.archive:
            archive = FETCHED / file.archive
            fetched(file.addresses, archive)
            fetch.unpack(archive, path.parent, ARCHIVE_LIMIT)
        elif not path.is_file() and (is_address(source) or (source == "release" and not file.gated)):
            fetched(file.addresses if source == "release" else (f"{source.rstrip('/')}/{file.name}",), path)
        if path.is_file():  # a missing file gives a better error when it is read
            check_published(file, path, refuse=source == "release")
            used[file.name] = verified(path, record.get(file.name))
    with files.atomic(FOLDER) as made:
        for name in models:
            sources = [folder / file.name for file in releases.released_files(name, folder)]
            fetch.require_space(FOLDER.parent, sum(p.stat().st_size for p in sources if p.is_file()), f"model {name}")
            facts = {"sha256": {p.name: used.get(str(p.relative_to(folder))) for p in sources}}
            try:
                releases.convert_released(name, folder, made / name, facts)
            except InputError as error:
                if folder != FETCHED:
                    raise
                raise InputError(f"{error}; remove it, and it is fetched again") from None
    files.write_json(RECORD, {**record, **used})


def opened(source: str) -> Path:
    """The folder that has, or is to have, the released files; an archive is fetched and unpacked beside the record."""
    if fetch.is_archive(source):
        archive = Path(source)
        if is_address(source):
            archive = FETCHED / PurePosixPath(source).name
            if not archive.is_file():
                fetch.download(source, archive)
        if not archive.is_file():
            raise InputError(f"params.yaml: weights.source: {source}: no such archive")
        # Named after the content: another archive of the same name is unpacked anew.
        folder = FETCHED / f"unpacked-{files.sha256(archive)[:16]}"
        if not folder.is_dir():
            fetch.unpack(archive, folder, ARCHIVE_LIMIT)
        return folder
    if source == "release" or is_address(source):
        return FETCHED
    if not Path(source).is_dir():
        raise InputError(
            f"params.yaml: weights.source: {source}: no such folder; none, release, a folder, an address "
            f"(https://…) or an archive ({', '.join(fetch.ARCHIVES)}) would do"
        )
    return Path(source)


def fetched(addresses: Sequence[str], path: Path) -> None:
    """Fetch a file from the first address that has it. Raises InputError as `fetch.download`, of the first."""
    faults = []
    for address in addresses:
        try:
            return fetch.download(address, path)
        except InputError as fault:
            faults.append(fault)
    raise faults[0]


def check_published(file: "Released", path: Path, refuse: bool) -> None:
    """Hold a released file to what was published of it: its size, then its sha256.

    refuse: raise InputError where it is certainly another one, which a user's own may be; else one line says so.
    """
    known = file.published
    if known is None:
        return
    size = path.stat().st_size
    fault = None
    if size != known.size:
        fault = f"{size} bytes, not {known.size}"
    elif (found := files.sha256(path)) != known.sha256:
        fault = f"sha256 {found}, not {known.sha256}"
    if fault and refuse and known.certain:
        raise InputError(f"{path}: not the released file: {fault}; remove it, and it is fetched again")
    if fault:
        print(f"{path}: another file than the one that is known: {fault}; going on with it", file=sys.stderr)


def verified(path: Path, recorded: str | None) -> str:
    """The sha256 of a released file. Raises InputError when another was recorded at its first use."""
    found = files.sha256(path)
    if recorded not in (None, found):
        raise InputError(
            f"{path}: not the file of its first use: sha256 {found}, but {recorded} in {RECORD}; put that file back, "
            "or remove this one to fetch it again, or if it is the right one remove its entry from the record"
        )
    return found


def is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


if __name__ == "__main__":
    main(body)
