"""Train the audio driver, audio to expression and head pose, on speech if it has any, else on hdtf -> models/audio."""

from pathlib import Path

from styleheat.pipeline import Stage, main


def train_audio(stage: Stage) -> None:
    from styleheat.clips.pairs import SpeechClips, sounding
    from styleheat.clips.store import ClipStore
    from styleheat.morphable.coefficients import FRAME_SIZE
    from styleheat.networks.audio2motion import Audio2Motion
    from styleheat.training import run
    from styleheat.training.audio import FRAMES, AudioRecipe
    from styleheat.training.landmark_basis import landmark_basis

    params, settings = stage.params, stage.params.train_audio
    coefficients = params.sets.hdtf.coefficients
    store, spoken = ClipStore("data/hdtf/lmdb", params.sets.hdtf.pack.size), ClipStore("data/speech/lmdb", FRAME_SIZE)
    learnt = spoken if spoken.clips("train") else store  # exact landmarks instead of detected ones

    def clips(of: ClipStore, split: str) -> SpeechClips:
        return SpeechClips(of, split, FRAMES, seed=params.seed, augment=settings.augment and split == "train")

    def build() -> AudioRecipe:
        model = Audio2Motion(run.architecture(params))
        run.load_init(model, settings.init, part="audio2motion")
        basis = landmark_basis(coefficients.backend, coefficients.weights, store)
        return AudioRecipe(settings, model, basis, run.heldout(clips(store, "test"), settings.validate_samples))

    if not sounding(store, "train"):
        # Videos without audio teach no speech, and are no reason to stop a pipeline that can do without.
        model = Audio2Motion(run.architecture(params))
        reason = "no clip of data/hdtf/lmdb has audio"
        run.keep_init(stage, settings, model, "audio2motion", reason, out=Path("models/audio"))
        return
    starts = [settings.init, coefficients.weights]
    run.run(stage, settings, build, clips(learnt, "train"), [store, learnt], starts=starts, out=Path("models/audio"))


if __name__ == "__main__":
    main(train_audio, processes=True)
