"""Cut square clips of one face out of videos: `data/<set>/videos` to `data/<set>/clips/{train,test}/<clip>.mp4`.

Run as `python -m stages.crop --set vox`. Clips have 25 frames a second and the audio of their range. A video that
gives no clip is recorded in the index with its reason.

A video is one task, a long one (more than `face.follow.SPAN` seconds) several: one for each span that is looked
through, then one for each clip that is written, then one that takes all of it to its place. The bytes are the same.
The parts wait in the scratch folder, where a killed run finds those that are done.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from styleheat import files
from styleheat.clips import index
from styleheat.clips.workers import Entry, Outcome, Task
from styleheat.code import code_of
from styleheat.errors import InputError
from styleheat.face import crop as cutting
from styleheat.face import follow
from styleheat.face.landmarks import mediapipe
from styleheat.face.segments import Source, open_source
from styleheat.files import fingerprint
from styleheat.params import Crop
from styleheat.pipeline import SCRATCH, Stage, main, root

IN_PARTS = "cropped in parts"
"""Reason of a long video whose parts are not done yet."""

UNREADABLE = "unreadable"
"""Fact of a part that can't be read from the video: the error."""

Process = Callable[..., index.Account]
"""`index.process` but for the folder, the tasks and the function."""


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "clips"
    settings = getattr(stage.params.sets, stage.set).crop
    videos = index.outputs(folder.with_name("videos"), ".mp4")
    sidecars = index.outputs(folder.with_name("videos"), ".json")
    tasks = {}
    for name, video in videos.items():
        split = video.path.parent.name
        contents = [video.content, sidecars[name].content if name in sidecars else None]
        facts = fingerprint(code_of("stages.crop"), split, contents, settings.model_dump())
        tasks[name] = Task(facts, (video.path, folder / split, settings), {"person": video.facts["person"]})
    process = partial(
        index.process, workers=runtime.workers, backend=runtime.backend, timeout_s=runtime.timeout_s, desc=stage.title
    )
    account = process(folder, tasks, crop)
    entries = index.read(folder)
    parts = root() / SCRATCH / stage.title
    long = {name: tasks[name] for name, entry in entries.items() if entry.reason == IN_PARTS}
    if long:
        made = make_parts(parts, long, partial(process, desc=f"{stage.title}, long videos"))
        account = process(folder, tasks | made, crop, only=made.keys())
        entries = index.read(folder)
    account.require_some(stage.title)
    if not any(entries[name].transient for name in long):  # else the next run goes on with its parts
        shutil.rmtree(parts, ignore_errors=True)
    found = [entry for entry in entries.values() if entry.ok]
    done = {
        "files": sum(len(entry.files) for entry in found),
        "frames": sum(frames for entry in found for frames, _ in entry.facts["clips"].values()),
        "videos_with_audio": sum(entry.facts["audio"] for entry in found),
    }
    stage.write_metrics({**account.metrics(), **done})


@dataclass(frozen=True)
class Parts:
    """What has been made of a long video: what to cut from it, and each clip's file and entry. lost: a part failed for
    now, and the video with it."""

    plan: cutting.Plan | None = None
    clips: tuple[tuple[Path, Entry], ...] = ()
    lost: Entry | None = None


def crop(name: str, video: Path, folder: Path, settings: Crop, parts: Parts | None = None) -> Outcome:
    """Cut one video; if it is long, take its parts to their places."""
    try:
        source = open_source(video)
    except InputError as error:
        return _outcome(cutting.unreadable(video, error))
    if source.seconds <= follow.SPAN:
        return _outcome(cutting.crop_video(video, folder, **settings.model_dump(), finder=mediapipe()))
    if parts is None:
        return Outcome(reason=IN_PARTS, transient=True)
    if parts.lost is not None:
        return Outcome(reason=parts.lost.reason, detail=parts.lost.detail, transient=True)
    assert parts.plan is not None
    waiting = iter(parts.clips)

    def take(_: cutting.Clip, path: Path) -> int:
        made, entry = next(waiting)
        if UNREADABLE in entry.facts:
            raise InputError(entry.facts[UNREADABLE].replace(str(made), str(path)))
        with files.atomic(path) as temporary:
            shutil.move(made, temporary)
        return entry.facts["frames"]

    return _outcome(cutting.finish(source, parts.plan, folder, take))


def _outcome(cropped: cutting.Cropped) -> Outcome:
    return Outcome(cropped.files, cropped.reason, cropped.detail, facts=cropped.facts)


# --- long videos


def make_parts(folder: Path, long: Mapping[str, Task], process: Process) -> dict[str, Task]:
    """Look through long videos and write their clips, in a folder; returns their tasks, which now take these parts."""
    videos = [LongVideo(name, task, folder) for name, task in long.items()]
    looks = {key: task for video in videos for key, task in video.looks()}
    process(folder / "looks", looks, look)
    looked = index.read(folder / "looks")
    clips = {key: task for video in videos for key, task in video.clips(looked)}
    process(folder / "clips", clips, write)
    written = index.read(folder / "clips")
    return {video.name: replace(video.task, args=(*video.task.args, video.parts(written))) for video in videos}


class LongVideo:
    """The parts of a long video: first its looks, then its clips."""

    def __init__(self, name: str, task: Task, folder: Path) -> None:
        video, _, settings = task.args
        self.name, self.task, self._settings, self._folder = name, task, settings, folder
        self._source = open_source(video)
        self._looks: list[list[str]] = []  # keys of each segment's spans
        self._parts = Parts()

    def looks(self) -> Iterator[tuple[str, Task]]:
        for number in range(len(self._source.segments)):
            self._looks.append([])
            for span in cutting.spans_of(self._source, number, self._settings.method):
                key = f"{self.name}-{number:05d}-{span.first:07d}"
                self._looks[-1].append(key)
                args = (self._source, span, _look_file(self._folder, key), self._settings)
                yield key, Task(fingerprint(self.task.fingerprint, key), args)

    def clips(self, looked: Mapping[str, Entry]) -> Iterator[tuple[str, Task]]:
        """looked: what became of the looks."""
        lost = _lost(looked[key] for keys in self._looks for key in keys)
        if lost is not None:
            self._parts = Parts(lost=lost)
            return

        def seen(segment: int) -> Iterator[follow.Seen]:
            for key in self._looks[segment]:
                if UNREADABLE in looked[key].facts:
                    raise InputError(looked[key].facts[UNREADABLE])
                yield from follow.from_rows(np.load(_look_file(self._folder, key)))

        wanted = self._settings
        plan = cutting.plan(self._source, seen, wanted.method, wanted.min_size, wanted.min_frames, wanted.max_frames)
        self._parts = Parts(plan)
        for number, clip in enumerate(plan.clips):
            key, cut = self._clip(number), clip.cut
            facts = fingerprint(self.task.fingerprint, cut.first, cut.stop, cut.box.tolist())
            yield key, Task(facts, (self._source, cut, _clip_file(self._folder, key), wanted))

    def parts(self, written: Mapping[str, Entry]) -> Parts:
        """written: what became of the clips."""
        if self._parts.plan is None:
            return self._parts
        keys = [self._clip(number) for number in range(len(self._parts.plan.clips))]
        lost = _lost(written[key] for key in keys)
        if lost is not None:
            return Parts(lost=lost)
        return replace(self._parts, clips=tuple((_clip_file(self._folder, key), written[key]) for key in keys))

    def _clip(self, number: int) -> str:
        return f"{self.name}-{number:05d}"


def look(key: str, source: Source, span: follow.Span, path: Path, settings: Crop) -> Outcome:
    """Look through one span, and write what is seen."""
    try:
        seen = follow.look(source.path, source.info, span, settings.method == "ffhq", mediapipe())
        rows = follow.to_rows(seen)
    except InputError as error:
        return Outcome(facts={UNREADABLE: str(error)})
    with files.atomic(path) as temporary:
        np.save(temporary, rows)
    return Outcome([path])


def write(key: str, source: Source, cut: cutting.Cut, path: Path, settings: Crop) -> Outcome:
    """Write one clip."""
    try:
        frames = cutting.write_clip(source, cut, path, settings.size, settings.codec)
    except InputError as error:
        return Outcome(facts={UNREADABLE: str(error)})
    return Outcome([path], facts={"frames": frames})


def _lost(entries: Iterable[Entry]) -> Entry | None:
    return next((entry for entry in entries if not entry.ok), None)


def _look_file(folder: Path, key: str) -> Path:
    return folder / "looks" / f"{files.short_name(key)}.npy"


def _clip_file(folder: Path, key: str) -> Path:
    return folder / "clips" / f"{files.short_name(key)}.mp4"


if __name__ == "__main__":
    main(body, sets=True)
