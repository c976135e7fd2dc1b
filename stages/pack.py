"""Pack a set's frames, landmarks, coefficients and sound into LMDBs: `data/<set>/lmdb`, laid out as PIRenderer's.

Run as `python -m stages.pack --set vox`. Clips that an LMDB holds already, from the same files, are copied as they are.
Until the LMDBs are complete, packed clips wait in the scratch folder, where a killed run finds them again.
"""

from pathlib import Path

import cv2
import numpy as np

from styleheat import files
from styleheat.clips import index, store, writer
from styleheat.clips.packing import bring_up_to_date
from styleheat.clips.workers import Outcome, Task
from styleheat.code import code_of
from styleheat.errors import InputError
from styleheat.face.align import ffhq_alignment
from styleheat.files import fingerprint
from styleheat.media.video import probe, read_frames
from styleheat.media.voice import read_voice
from styleheat.morphable.coefficients import pack_coefficients, read_landmarks, read_mat
from styleheat.morphable.fitting import fill_in
from styleheat.params import Pack
from styleheat.pipeline import SCRATCH, Stage, main, root


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
    sound = read_voice(video) if info.has_audio else None
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
        packing.finish(packed, store.scale_landmarks(landmarks, info.width), sound, person, source)
    return Outcome(files=[path], facts={"frames": length, "sound": sound is not None})


def _scaled(frame: np.ndarray, size: int) -> np.ndarray:
    return frame if frame.shape[0] == size else cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main(body, sets=True)
