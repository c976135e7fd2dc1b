"""Pack a set's frames, landmarks, coefficients and audio into LMDBs: `data/<set>/lmdb`, laid out as PIRenderer's.

Run as `python -m stages.pack --set vox`. Clips that an LMDB holds already, from the same files, are copied as they are.
Until the LMDBs are complete, packed clips wait in the scratch folder, where a killed run finds them again.

Where `leaks` asks for it, train clips of people whom a test split shows are lost here, found by their faces.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from styleheat import files
from styleheat.clips import index, store, writer
from styleheat.clips.leaks import Known, find_leaks
from styleheat.clips.packing import bring_up_to_date
from styleheat.clips.workers import Entry, Outcome, Task
from styleheat.code import code_of
from styleheat.errors import InputError
from styleheat.face.align import ffhq_alignment
from styleheat.face.likeness import embed_clip
from styleheat.files import fingerprint
from styleheat.media.video import probe, read_frames
from styleheat.media.voice import read_voice
from styleheat.morphable.coefficients import pack_coefficients, read_landmarks, read_mat
from styleheat.morphable.fitting import fill_in
from styleheat.params import NO_FILE, Pack
from styleheat.pipeline import SCRATCH, Stage, main, root

LEAKED = "a person of a test split"
"""Reason of a train clip that is lost; its detail names the test clip."""


def body(stage: Stage) -> None:
    assert stage.set is not None
    folder = Path("data") / stage.set / "lmdb"
    folder.mkdir(parents=True, exist_ok=True)
    with index.sole_owner(folder), index.disk_full_said_clearly(folder):
        pack(stage, folder)


def pack(stage: Stage, folder: Path) -> None:
    """Bring the LMDBs and their index up to date."""
    assert stage.set is not None
    runtime = stage.params.runtime
    settings = stage.params.sets[stage.set].pack
    videos, points, coefficients = (
        index.outputs(folder.with_name(name), suffix)
        for name, suffix in (("clips", ".mp4"), ("landmarks", ".txt"), ("coefficients", ".mat"))
    )
    waiting = root() / SCRATCH / stage.title
    code, tasks = code_of("stages.pack"), {}
    for clip in sorted(videos.keys() & points.keys() & coefficients.keys()):
        inputs = [made[clip] for made in (videos, points, coefficients)]
        person = videos[clip].facts["person"]
        source = fingerprint(code, [made.content for made in inputs], person, settings.size, settings.align_size)
        tasks[clip] = Task(source, (*(made.path for made in inputs), waiting, settings, person, source))

    limit, shown = settings.leaks.likeness, {clip: (videos[clip], points[clip]) for clip in tasks}
    splits = {clip: videos[clip].path.parent.name for clip in tasks}
    account = bring_up_to_date(
        folder,
        waiting,
        tasks,
        pack_clip,
        splits,
        runtime,
        size=settings.size,
        shards=settings.shards,
        desc=stage.title,
        lost={} if limit is None else leaks(stage, shown, tasks, limit),
    )
    lmdb = store.ClipStore(folder, settings.size)
    persons = {split: len({lmdb.person(clip) for clip in lmdb.clips(split)}) for split in store.SPLITS}
    frames = sum(lmdb.length(clip) for split in store.SPLITS for clip in lmdb.clips(split))
    stage.write_metrics({**account.metrics(), "frames": frames, "persons": persons})


def pack_clip(
    clip: str, video: Path, points: Path, coefficients: Path, folder: Path, settings: Pack, person: str, source: str
) -> Outcome:
    """Write all that an LMDB will hold of one clip to a file in a folder."""
    info = probe(video)
    landmarks = fill_in(read_landmarks(points))
    packed = pack_coefficients(*read_mat(coefficients))
    audio = read_voice(video) if info.has_audio else None
    path = folder / f"{clip}.zip"
    with files.atomic(path) as temporary, writer.ClipWriter(temporary, clip) as packing:
        length = 0
        for frame in read_frames(video):
            if length < len(landmarks):
                alignment = ffhq_alignment(landmarks[length], info.width, info.height, settings.align_size)
                packing.add_frame(_scaled(frame, settings.size), alignment.apply_fast(frame))
            length += 1
        if not length == len(landmarks) == len(packed):
            raise InputError(
                f"{video}: its frames, landmarks and coefficients differ in number; "
                f"{length}, {len(landmarks)} and {len(packed)} should be equal"
            )
        packing.finish(packed, store.scale_landmarks(landmarks, info.width), audio, person, source)
    return Outcome(files=[path], facts={"frames": length, "audio": audio is not None})


# --- people who are trained on and tested on


Shown = tuple[index.Output, index.Output]
"""Video and landmarks of a clip."""


def leaks(stage: Stage, shown: Mapping[str, Shown], tasks: Mapping[str, Task], likeness: float) -> dict[str, Entry]:
    """The clips of a set that are lost here: train clips of people whom a test split shows, that of this set or of the
    other one, and clips whose face can't be compared.

    shown: the set's clips. tasks: of the same clips. likeness: from which two people are one.
    """
    assert stage.set is not None
    runtime = stage.params.runtime
    other = Path(stage.params.sets[stage.set].pack.leaks.other_set)
    theirs = {} if other == Path(NO_FILE) else _test_clips(other)
    folder = root() / SCRATCH / f"{stage.title}-faces"
    code, embeddings = code_of("styleheat.face.likeness"), {}
    clips = {f"own/{clip}": one for clip, one in shown.items()} | {f"other/{clip}": one for clip, one in theirs.items()}
    for key, (video, points) in clips.items():
        facts = fingerprint(code, video.content, points.content)
        embeddings[key] = Task(facts, (video.path, points.path, folder / f"{key}.npy"))
    index.process(
        folder,
        embeddings,
        embed,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=f"{stage.title}, faces",
    )
    entries = index.read(folder)
    lost = {
        clip: replace(entries[f"own/{clip}"], fingerprint=task.fingerprint)
        for clip, task in tasks.items()
        if not entries[f"own/{clip}"].ok
    }
    known: dict[str, list[Known]] = {split: [] for split in store.SPLITS}
    for key, (video, _) in clips.items():
        if entries[key].ok:
            where, _, clip = key.partition("/")
            split = video.path.parent.name
            face = np.load(folder / f"{key}.npy")
            name = clip if split == "train" else str(video.path)
            known[split].append(Known(name, f"{where}/{video.facts['person']}", face))
    for clip, leak in find_leaks(known["train"], known["test"], likeness).items():
        detail = f"{leak.clip} shows the same person (likeness {leak.likeness:.3f})"
        lost[clip] = Entry(tasks[clip].fingerprint, reason=LEAKED, detail=detail)
    return lost


def _test_clips(landmarks: Path) -> dict[str, Shown]:
    """The test clips of a set, by the folder of its landmarks."""
    points = index.outputs(landmarks, ".txt")
    videos = index.outputs(landmarks.with_name("clips"), ".mp4")
    both = sorted(videos.keys() & points.keys())
    return {clip: (videos[clip], points[clip]) for clip in both if videos[clip].path.parent.name == "test"}


def embed(name: str, video: Path, points: Path, path: Path) -> Outcome:
    """Write who is seen in a clip."""
    face = embed_clip(read_frames(video), read_landmarks(points))
    with files.atomic(path) as temporary:
        np.save(temporary, face)
    return Outcome([path])


def _scaled(frame: np.ndarray, size: int) -> np.ndarray:
    return frame if frame.shape[0] == size else cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main(body, sets=True)
