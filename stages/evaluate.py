"""Score the models on people they were not trained on: metrics/evaluate.json, metrics/evaluate/, data/evaluate/."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from styleheat.pipeline import Stage, main

if TYPE_CHECKING:
    from styleheat.clips.store import ClipStore
    from styleheat.clips.workers import Task
    from styleheat.evaluation.clip import Setup

STRIP = Path("metrics/evaluate/strip.jpg")
OUT = Path("data/evaluate")
LMDB = Path("data/hdtf/lmdb")


def body(stage: Stage) -> None:
    from styleheat import checkpoints
    from styleheat.clips import index
    from styleheat.clips.store import ClipStore
    from styleheat.evaluation import keypoints, learned, protocols, report
    from styleheat.evaluation.clip import Setup, evaluate_clip
    from styleheat.evaluation.summary import summary
    from styleheat.files import digest, fingerprint

    params, infer, settings, runtime = stage.params, stage.params.infer, stage.params.evaluate, stage.params.runtime
    size, aligned = params.sets.hdtf.pack.size, checkpoints.aligned_source(infer.models)
    setup = Setup(
        infer.model_dump_json(),
        stage.worker_device(),
        str(LMDB),
        size,
        settings.seconds,
        aligned,
        params.seed,
        settings.scores,
        keypoints.backend(infer.landmarks),
    )
    store = ClipStore(LMDB, size)
    clips = protocols.chosen_clips(store, settings.clips)
    weights = (infer.models, infer.audio_models, infer.coefficients_weights, settings.scores)
    scored = [digest(folder) for folder in weights]
    folder = stage.scratch(fingerprint(vars(setup), scored)) / "clips"
    tasks = _tasks(stage, store, clips, setup, scored, folder)
    stage.tracker.log_dataset(LMDB, "evaluation")
    account = index.process(
        folder,
        tasks,
        evaluate_clip,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=stage.title,
    )
    account.require_some(stage.title)

    evaluated = index.read(folder)
    results = report.all_results(folder, [clip for clip in clips if evaluated[clip].ok])
    numbers = summary(results, folder if learned.available(settings.scores) else None)
    stage.write_metrics({**numbers, "lost": dict(account.lost)})
    report.write_strip(STRIP, folder, results)
    stage.tracker.log_image("evaluate", STRIP)
    space = (
        f"Frames are compared as they are in the LMDB: {size}×{size} pixels, cropped by {params.sets.hdtf.crop.method}."
    )
    report.write_page(OUT, folder, results, numbers, f"{infer.models} and {infer.audio_models}. {space}")
    stage.tracker.log_artifact(OUT)
    shutil.rmtree(folder)  # all of it is in OUT and the metrics


def _tasks(
    stage: Stage, store: "ClipStore", clips: Sequence[str], setup: "Setup", scored: Sequence[str], folder: Path
) -> dict[str, "Task"]:
    """The task of each clip. scored: digests of the evaluated and evaluating weights. folder: of the results."""
    from styleheat import sources
    from styleheat.clips.workers import Task
    from styleheat.clips.writer import packed_sources
    from styleheat.code import code_of
    from styleheat.evaluation import protocols
    from styleheat.files import fingerprint

    source, seed = stage.params.sets.hdtf.source, stage.params.seed
    people = {clip: store.person(clip) for clip in clips}
    packed = packed_sources(LMDB, store.size)
    tasks = {}
    for clip, driver in protocols.drivers(people, seed).items():
        voice = sources.voice_of(source, people[clip])
        data = packed[clip], packed[driver] if driver else ""
        facts = fingerprint(code_of("styleheat.evaluation.clip"), vars(setup), scored, data, driver)
        tasks[clip] = Task(facts, (driver, voice, setup, folder))
    return tasks


if __name__ == "__main__":
    main(body)
