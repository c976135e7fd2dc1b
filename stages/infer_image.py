"""Let a portrait take on the expression and pose of an image: data/infer/image.mp4."""

from pathlib import Path

from styleheat.pipeline import Stage, main

OUTPUT = Path("data/infer/image.mp4")


def body(stage: Stage) -> None:
    from styleheat.inference.animator import Animator

    settings = stage.params.infer_image
    animator = Animator(stage.params, stage.device())
    animator.write(OUTPUT, animator.portrait(settings.portrait), animator.image(settings.driver))
    stage.write_metrics(animator.inspect(OUTPUT))
    stage.tracker.log_artifact(OUTPUT)


if __name__ == "__main__":
    main(body)
