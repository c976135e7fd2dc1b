"""Let a portrait take on the expression and pose of a picture: data/infer/image.mp4."""

from pathlib import Path

from styleheat.pipeline import Stage, main

OUTPUT = Path("data/infer/image.mp4")


def body(stage: Stage) -> None:
    from styleheat.inference import adjust, animate, drive, edit
    from styleheat.inference.reader import face_reader

    infer, settings = stage.params.infer, stage.params.infer_image
    device = stage.device()
    reader = face_reader(infer, device)
    face = animate.open_portrait(settings.portrait, infer, reader, device)
    motion = drive.from_image(settings.driver, reader, face.descriptor, settings.seconds)
    motion = adjust.adjust(motion, face.descriptor, infer.drive)
    motion = edit.sweep(motion, face.descriptor, infer.edit.sweep)
    model = animate.load_styleheat(infer.models, device)
    animate.write_film(OUTPUT, model, face, motion, infer.result)
    stage.write_metrics(animate.inspect(OUTPUT, reader.landmarker))
    stage.tracker.log_artifact(OUTPUT)


if __name__ == "__main__":
    main(body)
