"""Score the models on people they were not trained on: metrics/evaluate.json, metrics/evaluate/, data/evaluate/."""

from functools import partial
from pathlib import Path

from styleheat import files
from styleheat.pipeline import Stage, main

STRIP = Path("metrics/evaluate/strip.jpg")
FILMS = Path("data/evaluate")


def body(stage: Stage) -> None:
    from styleheat import checkpoints, sources
    from styleheat.clips.store import ClipStore
    from styleheat.evaluation import protocols, report
    from styleheat.inference import animate
    from styleheat.inference.reader import face_reader

    infer, settings = stage.params.infer, stage.params.evaluate
    device = stage.device()
    reader = face_reader(infer, device)
    model = animate.load_styleheat(infer.models, device)
    audio_model = animate.load_audio2motion(infer.audio_models, device)
    store = ClipStore("data/hdtf/lmdb", stage.params.sets.hdtf.pack.size)
    aligned = checkpoints.aligned_source(infer.models)
    voice_of = partial(sources.voice_of, stage.params.sets.hdtf.source)
    clips = protocols.read_clips(store, settings.clips, settings.seconds, aligned, voice_of)
    examiner = protocols.Examiner(model, audio_model, reader, stage.params.seed)
    trials = examiner.run(clips)

    scores = {protocol: report.summary(members) for protocol, members in trials.items()}
    stage.write_metrics({protocol: {"clips": 0, "missing": why} for protocol, why in protocols.NEEDS.items()} | scores)
    report.write_strip(STRIP, trials)
    stage.tracker.log_image("evaluate", STRIP)
    with files.atomic(FILMS) as folder:
        for protocol, members in trials.items():
            report.write_films(folder, protocol, members)
    stage.tracker.log_artifact(FILMS)


if __name__ == "__main__":
    main(body)
