"""Move a portrait by a video, or by a file of coefficients: data/infer/video.mp4."""

from pathlib import Path

from styleheat.pipeline import Stage, main

OUTPUT = Path("data/infer/video.mp4")


def body(stage: Stage) -> None:
    from styleheat.inference.studio import Studio

    settings = stage.params.infer_video
    studio = Studio(stage.params, stage.device())
    studio.film(OUTPUT, studio.portrait(settings.portrait), studio.video(settings.driver))
    stage.write_metrics(studio.inspect(OUTPUT))
    stage.tracker.log_artifact(OUTPUT)


if __name__ == "__main__":
    main(body)
