"""Make a portrait speak: data/infer/audio.mp4, and beside it audio.wav, the audio that the networks take."""

from pathlib import Path

from styleheat.pipeline import Stage, main

OUTPUT = Path("data/infer/audio.mp4")
VOICE = OUTPUT.with_suffix(".wav")


def body(stage: Stage) -> None:
    from styleheat.inference.animator import Animator
    from styleheat.inference.speech import is_text
    from styleheat.media.audio import write_wav
    from styleheat.media.voice import read_voice

    settings = stage.params.infer_audio
    animator = Animator(stage.params, stage.device())
    spoken = is_text(settings.driver)
    if spoken:
        animator.read_aloud(settings.driver, VOICE)
    animator.write(OUTPUT, animator.portrait(settings.portrait), animator.audio(VOICE if spoken else settings.driver))
    if not spoken:
        write_wav(VOICE, read_voice(settings.driver))
    stage.write_metrics(animator.inspect(OUTPUT))
    stage.tracker.log_artifact(OUTPUT)


if __name__ == "__main__":
    main(body)
