"""Move a portrait by a video: data/infer/video.mp4."""

from pathlib import Path

from styleheat.pipeline import Stage, main

OUTPUT = Path("data/infer/video.mp4")


def body(stage: Stage) -> None:
    from styleheat.inference import adjust, animate, drive, edit
    from styleheat.inference.reader import face_reader

    infer, settings = stage.params.infer, stage.params.infer_video
    device = stage.device()
    reader = face_reader(infer, device)
    face = animate.open_portrait(settings.portrait, infer, reader, device)
    motion = drive.from_video(settings.driver, reader, face.descriptor)
    motion = adjust.adjust(motion, face.descriptor, infer.drive)
    motion = edit.sweep(motion, face.descriptor, infer.edit.sweep)
    model = animate.load_styleheat(infer.models, device)
    shown = drive.pictures(settings.driver, infer.drive) if infer.result == "beside" else None
    animate.write_film(OUTPUT, model, face, motion, infer.result, shown)
    stage.write_metrics(animate.inspect(OUTPUT, reader.landmarker))
    stage.tracker.log_artifact(OUTPUT)


if __name__ == "__main__":
    main(body)
