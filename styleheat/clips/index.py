"""The index of a folder's clips and their outcomes: incremental, parallel work that can be killed and resumed.

A per-clip stage owns one output folder; what lies in it and belongs to no clip is removed. `process` runs its function
on every clip whose inputs or parameters changed, in parallel, and keeps `index.json` in that folder: for each clip the
fingerprint of what it was made from, and either its files (with the hash of their content) and some facts, or the
reason why there are none. A clip that fails is a record, never an exception. The index holds no times, paths or process
ids: equal inputs give equal bytes.

While `process` runs, each outcome is appended to a journal and synced to disk before the next is taken, so that a
process killed at any point loses the clips in hand and nothing else.
"""

import contextlib
import errno
import fcntl
import gc
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from styleheat.clips.workers import UNEXPECTED, Entry, Runner, Task, Work
from styleheat.errors import InputError
from styleheat.files import DISK_FULL, atomic

INDEX = "index.json"
JOURNAL = ".journal.jsonl"

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Error numbers of `flock` on file systems that lack it."""

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\..+)?")  # the names `files.atomic` writes under


@dataclass(frozen=True)
class Output:
    """One file that an earlier stage made: what a later stage takes as its input, without reading it to hash it."""

    path: Path
    content: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Account:
    """The outcomes of a set. asked = ok + the sum of lost; kept of them needed no work in this run."""

    asked: int
    ok: int
    kept: int
    lost: Mapping[str, int]

    def metrics(self) -> dict[str, Any]:
        """What depends on the data alone (`kept` depends on what was there before)."""
        return {"clips": self.asked, "ok": self.ok, "lost": self.asked - self.ok, "lost_by_reason": dict(self.lost)}

    def require_some(self, what: str) -> None:
        """Raise InputError when no clip is left to go on with. `what` names the set for the message."""
        if self.ok == 0:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in self.lost.items()) or "there were none"
            raise InputError(f"{what}: none of {self.asked} clips can be used: {reasons}")


@contextlib.contextmanager
def cycles_left_alone() -> Iterator[None]:
    """Keep Python's collector of reference cycles from walking through a growing heap of entries, which have none.

    It would double the time that a hundred thousand clips take.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cycles_left_alone()
def read(folder: str | Path) -> dict[str, Entry]:
    """The index of `folder`, clips sorted by name; empty where there is none. InputError when it is not an index."""
    path = Path(folder) / INDEX
    if not path.exists():
        return {}
    try:
        return {clip: Entry(**entry) for clip, entry in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not an index of clips ({error}); remove the folder to make it anew") from error


@cycles_left_alone()
def outputs(folder: str | Path, suffix: str) -> dict[str, Output]:
    """The files with `suffix` (".mp4") that the index of `folder` lists, by clip name (the file's stem), sorted.

    Raises InputError when the folder has no index: the stage that fills it has not run.
    """
    folder = Path(folder)
    if not (folder / INDEX).exists():
        raise InputError(f"{folder / INDEX}: not there; run the stage that makes {folder} first")
    found = {
        name.rpartition("/")[2].removesuffix(suffix): Output(Path(f"{folder}/{name}"), content, entry.facts)
        for entry in read(folder).values()
        for name, content in entry.files.items()
        if name.endswith(suffix)
    }
    return dict(sorted(found.items()))


def process(
    folder: str | Path,
    tasks: Mapping[str, Task],
    work: Work,
    *,
    workers: int = 1,
    backend: str = "loky",
    timeout_s: float = 600.0,
    desc: str = "",
    retry_lost: bool = False,
    only: Set[str] | None = None,
) -> Account:
    """Bring `folder` up to date with `tasks`, and return the outcome of every clip.

    A clip is left alone when its fingerprint is the recorded one and its files exist, or when it failed for a reason
    that would only repeat. One that is well for now is tried again, and stays as it is if that fails. Files of clips no
    longer asked for, or made from other inputs, are removed.

    workers: processes; 1 works in this process. backend: of joblib: "loky", "dask", "ray", "threading".
    timeout_s: what one clip may take without progress (`styleheat.clock`); a clip that hangs in native code costs its
        worker process, not the run.
    desc: for the progress bar.
    retry_lost: try lost clips again whatever the reason.
    only: clips to work on, where the others, which are in the index already, stay as they are.

    Raises InputError when another process works on the folder, the disk is full, or the back end is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with sole_owner(folder), disk_full_said_clearly(folder):
        remove_half_written(folder)
        entries = read(folder)
        _replay_journal(folder, entries)
        there = {name for name, item in listing(folder) if item.is_file()}
        todo = {
            clip: task
            for clip, task in tasks.items()
            if (only is None or clip in only) and not _is_current(there, entries.get(clip), task, retry_lost)
        }
        for_now = {clip for clip, task in todo.items() if _is_well(there, entries.get(clip), task)}
        current = (tasks.keys() - todo.keys()) | for_now
        outdated = {clip: entries.pop(clip) for clip in list(entries) if clip not in current}

        run = Runner(folder, work, workers, backend, timeout_s)
        with _journal(folder) as record:
            # Forgotten before removed: a kill in between must not leave an entry that vouches for other content.
            record((clip, None) for clip in outdated)
            for entry in outdated.values():
                _remove_files(folder, entry)
            for clip, entry in _with_progress(run(todo), len(todo), desc):
                if clip not in for_now or entry.ok:
                    record([(clip, entry)])
                    entries[clip] = entry
        _remove_unlisted(folder, entries)
        _add_facts(entries, tasks)
        write(folder, entries)
        (folder / JOURNAL).unlink(missing_ok=True)

    return _account(entries, asked=len(tasks), kept=len(tasks) - len(todo))


def _account(entries: Mapping[str, Entry], asked: int, kept: int) -> Account:
    lost = Counter(entry.reason for entry in entries.values() if entry.reason is not None)
    return Account(asked, sum(entry.ok for entry in entries.values()), kept, dict(sorted(lost.items())))


def _add_facts(entries: dict[str, Entry], tasks: Mapping[str, Task]) -> None:
    """What is known of a clip without working on it, which may have changed since it was worked on."""
    for clip, task in tasks.items():
        if not task.facts.items() <= entries[clip].facts.items():
            entries[clip] = replace(entries[clip], facts={**entries[clip].facts, **task.facts})


# --- the folder


@contextlib.contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system frees when the process ends, however it ends.

    A file system without locks is reported in one line. Raises InputError when another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{folder}: another process is working on it; wait for it to end") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(f"{folder}: its file system knows no locks; let no other process work on it", file=sys.stderr)


@contextlib.contextmanager
def disk_full_said_clearly(folder: Path) -> Iterator[None]:
    """Raise InputError, which names the folder, where the block ends because the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise InputError(f"{folder}: the disk is full; free some space and run again, what is done is kept") from error


def listing(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file below a folder by its name relative to it (with "/"), and every link, which may lead nowhere.

    Asking the system for each of a hundred thousand files, by a Path of its own, would take longer than all else.
    """
    with os.scandir(folder / prefix) as found:
        for item in found:
            if item.is_dir(follow_symlinks=False):
                yield from listing(folder, f"{prefix}{item.name}/")
            else:
                yield prefix + item.name, item


def remove_half_written(folder: Path) -> None:
    """Remove what a killed run was writing below a folder; only for who owns the folder."""
    for name, item in list(listing(folder)):
        if _TEMPORARY.fullmatch(item.name):
            (folder / name).unlink(missing_ok=True)


def _remove_unlisted(folder: Path, entries: Mapping[str, Entry]) -> None:
    """What a killed run had made and not recorded, or not removed yet, or what a clip had made before it failed."""
    listed = {name for entry in entries.values() for name in entry.files} | {INDEX}
    for name, item in list(listing(folder)):
        if name not in listed and not item.name.startswith("."):
            (folder / name).unlink()


def _remove_files(folder: Path, entry: Entry) -> None:
    for name in entry.files:
        (folder / name).unlink(missing_ok=True)


def _is_current(there: Set[str], entry: Entry | None, task: Task, retry_lost: bool) -> bool:
    if entry is None or entry.fingerprint != task.fingerprint or entry.transient or (retry_lost and not entry.ok):
        return False
    return entry.files.keys() <= there


def _is_well(there: Set[str], entry: Entry | None, task: Task) -> bool:
    """Whether a clip's files exist and were made from its current inputs."""
    return entry is not None and entry.fingerprint == task.fingerprint and entry.ok and entry.files.keys() <= there


@cycles_left_alone()
def _replay_journal(folder: Path, entries: dict[str, Entry]) -> None:
    """Bring `entries` up to what a killed run had done. Its last line may be torn; that clip is done again."""
    path = folder / JOURNAL
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            clip, entry = json.loads(line)
            entries.pop(clip, None)
            if entry is not None:
                entries[clip] = Entry(**entry)


@contextlib.contextmanager
def _journal(folder: Path) -> Iterator[Callable[[Iterable[tuple[str, Entry | None]]], None]]:
    """Yield a function that appends (clip, entry, or None for a forgotten clip) and returns once it is on the disk."""
    with (folder / JOURNAL).open("a") as stream:
        stream.write("\n")  # ends the torn line of a killed run

        def record(changes: Iterable[tuple[str, Entry | None]]) -> None:
            stream.writelines(json.dumps([clip, entry and entry.to_json()]) + "\n" for clip, entry in changes)
            stream.flush()
            os.fsync(stream.fileno())

        yield record


def write(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Write the index of `folder`, atomically: one line a clip, sorted, so that two versions compare by `diff`."""
    lines = (
        f"{json.dumps(clip)}: {json.dumps(entries[clip].to_json(), sort_keys=True, allow_nan=False)}"
        for clip in sorted(entries)
    )
    with atomic(folder / INDEX) as temporary:
        temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _with_progress(results: Iterator[tuple[str, Entry]], total: int, desc: str) -> Iterator[tuple[str, Entry]]:
    """Pass results on under a progress bar; report each kind of bug once."""
    from tqdm import tqdm

    said = set()
    with tqdm(results, total=total, desc=desc, unit="clip", disable=total == 0) as bar:
        for clip, entry in bar:
            if entry.reason is not None and entry.reason.startswith(UNEXPECTED) and entry.reason not in said:
                said.add(entry.reason)
                bar.write(f"{clip}: {entry.reason}: {entry.detail}")
            yield clip, entry
