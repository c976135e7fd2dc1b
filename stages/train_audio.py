"""Train the audio driver, speech to expression and head pose, on hdtf -> models/audio."""

from pathlib import Path

from styleheat.pipeline import Stage, main


def train_audio(stage: Stage) -> None:
    from styleheat.clips.pairs import SpeechClips, sounding
    from styleheat.clips.store import ClipStore
    from styleheat.networks.audio2motion import Audio2Motion
    from styleheat.training import run
    from styleheat.training.audio import FRAMES, AudioRecipe

    params, settings = stage.params, stage.params.train_audio
    store = ClipStore("data/hdtf/lmdb", params.sets.hdtf.pack.size)

    def speech(split: str) -> SpeechClips:
        return SpeechClips(store, split, FRAMES, seed=params.seed)

    def build() -> AudioRecipe:
        model = Audio2Motion(run.architecture(params))
        run.begin(model, settings.init, part="audio2motion")
        return AudioRecipe(settings, model, run.heldout(speech("test")))

    if not sounding(store, "train"):
        # Films without sound teach no speech, and are no reason to stop a pipeline that can do without.
        model = Audio2Motion(run.architecture(params))
        run.keep(
            stage, settings, model, "audio2motion", "no clip of data/hdtf/lmdb has sound", out=Path("models/audio")
        )
        return
    run.run(stage, settings, build, speech("train"), [store], starts=[settings.init], out=Path("models/audio"))


if __name__ == "__main__":
    main(train_audio)
