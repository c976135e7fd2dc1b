"""Updates the LMDBs of a folder: workers pack what has changed; the rest is copied."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from styleheat.clips import index, writer
from styleheat.clips.workers import Outcome, Task
from styleheat.params import Runtime


def bring_up_to_date(
    folder: Path,
    waiting: Path,
    tasks: Mapping[str, Task],
    work: Callable[..., Outcome],
    splits: Mapping[str, str],
    runtime: Runtime,
    *,
    size: int,
    shards: int,
    desc: str,
    lost: Mapping[str, index.Entry] | None = None,
) -> index.Account:
    """Leave LMDBs of exactly the clips that `tasks` make, and the index, in a folder.

    waiting: folder of the clips that are packed and not in an LMDB yet, where a killed run finds them again. work:
    leaves the file of a `ClipWriter` there, whose source is the task's fingerprint. splits: clip → "train" or "test".
    size: pixels of the frames; LMDBs of other sizes are removed. lost: clips among them that are not to be packed.

    Raises InputError when no clip is left.
    """
    packed = writer.packed_sources(folder, size)
    wanted = {clip: task for clip, task in tasks.items() if clip not in (lost or {})}
    new = {clip: task for clip, task in wanted.items() if packed.get(clip) != task.fingerprint}
    index.process(
        waiting,
        new,
        work,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=desc,
    )
    worked = index.read(waiting)
    done = {clip: splits[clip] for clip in wanted if clip not in new or worked[clip].ok}
    lost = {clip: entry for clip, entry in worked.items() if not entry.ok} | dict(lost or {})
    reasons = Counter(str(entry.reason) for entry in lost.values())
    account = index.Account(len(tasks), len(done), len(wanted) - len(new), dict(sorted(reasons.items())))
    account.require_some(desc)
    made = {clip: packed_clip.path for clip, packed_clip in index.outputs(waiting, ".zip").items()}
    writer.write_lmdb(folder, size, done, made, shards, runtime.workers)
    index.write(folder, {clip: index.Entry(task.fingerprint) for clip, task in tasks.items()} | lost)
    for path in made.values():
        path.unlink()
    for other in folder.iterdir():
        if other.is_dir() and other.name != str(size):
            shutil.rmtree(other)
    return account
