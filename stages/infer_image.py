"""Let a portrait take on the expression and pose of a picture: data/infer/image.mp4."""

from pathlib import Path

from styleheat.pipeline import Stage, main

OUTPUT = Path("data/infer/image.mp4")


def body(stage: Stage) -> None:
    from styleheat.inference.studio import Studio

    settings = stage.params.infer_image
    studio = Studio(stage.params, stage.device())
    studio.film(OUTPUT, studio.portrait(settings.portrait), studio.image(settings.driver))
    stage.write_metrics(studio.inspect(OUTPUT))
    stage.tracker.log_artifact(OUTPUT)


if __name__ == "__main__":
    main(body)
