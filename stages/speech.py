"""Make speech without images for `train_audio`: `data/speech/lmdb`.

Run as `python -m stages.speech`. Synthetic people talk, and are not drawn: their landmarks are computed, to which the
coefficients are fitted, as to landmarks that are found in images. An hour takes minutes instead of hours.
"""

from pathlib import Path

from styleheat.clips import index, store, writer
from styleheat.clips.packing import bring_up_to_date
from styleheat.clips.workers import Outcome, Task
from styleheat.code import code_of
from styleheat.constants import FPS
from styleheat.files import atomic, fingerprint
from styleheat.media.voice import levelled
from styleheat.morphable.coefficients import FRAME_SIZE, pack_coefficients
from styleheat.morphable.fitting import fit
from styleheat.pipeline import SCRATCH, Stage, main, root
from styleheat.sources.synthetic.clip import SPOKEN, person, spoken


def body(stage: Stage) -> None:
    settings, runtime = stage.params.speech, stage.params.runtime
    folder, waiting = Path("data/speech/lmdb"), root() / SCRATCH / stage.title
    folder.mkdir(parents=True, exist_ok=True)
    code, tasks = code_of("stages.speech"), {}
    for k in range(settings.people):
        source = fingerprint(code, k, settings.seconds)
        tasks[f"{SPOKEN}-train-{k:05d}"] = Task(source, (k, settings.seconds, waiting, source))
    with index.sole_owner(folder), index.disk_full_said_clearly(folder):
        if not tasks:
            writer.write_lmdb(folder, FRAME_SIZE, {}, {})
            index.write(folder, {})
            stage.write_metrics({"clips": 0, "hours": 0.0})
            return
        account = bring_up_to_date(
            folder,
            waiting,
            tasks,
            make_clip,
            dict.fromkeys(tasks, "train"),
            runtime,
            size=FRAME_SIZE,
            shards=1,
            desc=stage.title,
        )
    lmdb = store.ClipStore(folder, FRAME_SIZE)
    frames = sum(lmdb.length(clip) for clip in lmdb.clips("train"))
    stage.write_metrics({**account.metrics(), "hours": round(frames / FPS / 3600, 4)})


def make_clip(clip: str, k: int, seconds: float, folder: Path, source: str) -> Outcome:
    """Write all that the LMDB will hold of one person's clip to a file in a folder."""
    someone = person(SPOKEN, "train", k)
    samples, landmarks = spoken(someone, 0, seconds, FRAME_SIZE)
    coefficients, transform_params, error = fit(landmarks, FRAME_SIZE)
    path = folder / f"{clip}.zip"
    with atomic(path) as temporary, writer.ClipWriter(temporary, clip) as packing:
        packed = pack_coefficients(coefficients, transform_params)
        packing.finish(packed, landmarks, levelled(samples), someone.name, source)
    return Outcome(files=[path], facts={"frames": len(landmarks), "error": round(float(error.mean()), 6)})


if __name__ == "__main__":
    main(body)
