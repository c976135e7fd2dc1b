"""Make or fetch the videos of one set: `data/<set>/videos/{train,test}/<id>.mp4`, some with a sidecar `<id>.json`.

Run as `python -m stages.download --set vox`. Videos that are there already, and those that are gone for good, cost
nothing; what failed for now (the network, a bot check) is tried again.
"""

from pathlib import Path

from styleheat import sources
from styleheat.clips import index
from styleheat.clips.workers import Outcome, Task
from styleheat.files import fingerprint
from styleheat.pipeline import SCRATCH, Stage, main, root
from styleheat.sources.item import LowResolution

VERSION = 1
"""To be raised when the same item would be stored otherwise. Other code alone is no reason to fetch videos again."""


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "videos"
    source = getattr(stage.params.sets, stage.set).source
    notes = root() / SCRATCH / stage.title / "seen.json"
    items = sources.items(source, stage.set, stage.params.youtube, notes)
    tasks = {}
    for item in items:
        facts = {"person": item.person, "split": item.split, "clips": item.clips}
        tasks[item.id] = Task(fingerprint(VERSION, item.split, item.key), (item, folder), facts)
    account = index.process(
        folder,
        tasks,
        fetch,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=stage.title,
        retry_lost=stage.params.youtube.retry_lost,
    )
    entries = index.read(folder).values()
    unasked = sum(entry.reason == "not asked for" for entry in entries)
    if unasked:
        print(
            f"{stage.title}: YouTube refuses requests from here, so {unasked} videos were not asked for; go on some "
            "hours later, or with youtube.cookies or youtube.proxy"
        )
    account.require_some(stage.title)
    lesser = sum(entry.ok and entry.transient for entry in entries)
    if lesser:
        print(f"{lesser} videos came in smaller images than their list has; they are asked for again with the others")
    later = sum(entry.transient for entry in entries) - lesser
    if later:
        print(f"{later} videos failed for now; try them again by `dvc repro --force --single-item {stage.title}`")
    stage.write_metrics(account.metrics())


def fetch(clip: str, item: sources.Item, folder: Path) -> Outcome:
    """Fetch one item into its split's folder."""
    try:
        files = item.fetch(folder / item.split / f"{clip}.mp4")
    except sources.Unavailable as lost:
        return Outcome(reason=lost.reason, detail=lost.detail, transient=lost.transient)
    if isinstance(files, LowResolution):
        return Outcome(files=files, facts={"lines": files.lines}, transient=True)
    return Outcome(files=files)


if __name__ == "__main__":
    main(body, sets=True)
