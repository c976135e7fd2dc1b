"""Train StyleHEAT, the warper with the calibrator through the prior, on hdtf -> models/styleheat."""

from pathlib import Path

from styleheat.pipeline import Stage, main


def train(stage: Stage) -> None:
    from styleheat.clips.pairs import FramePairs
    from styleheat.clips.store import ClipStore
    from styleheat.networks.styleheat import StyleHEAT
    from styleheat.training import run
    from styleheat.training.styleheat import StyleHEATRecipe, reads

    params, settings = stage.params, stage.params.train
    config, size = run.architecture(params), params.sets.hdtf.pack.size
    run.check_geometry(config, "hdtf", params.sets.hdtf.coefficients.backend)
    store = ClipStore("data/hdtf/lmdb", size)
    mirror = params.sets.hdtf.coefficients.backend == "fit"
    starts = [settings.init, "models/prior", "models/warper", settings.discriminator]

    def pairs(split: str) -> FramePairs:
        mirrors = mirror and split == "train"
        return FramePairs(store, split, size, seed=params.seed, reads=reads(config, settings), mirror=mirrors)

    def build() -> StyleHEATRecipe:
        model, discriminator = StyleHEAT(config), run.discriminator(config, settings.discriminator)
        run.load_init(model.calibrator, settings.init, part="calibrator")
        run.load_init(model.generator, "models/prior", part="generator")
        run.load_init(model.video_warper, "models/warper", part="video_warper")
        heldout = run.heldout(pairs("test"), settings.validate_samples)
        return StyleHEATRecipe(config, settings, model, discriminator, heldout)

    run.run(stage, settings, build, pairs("train"), [store], starts=starts, out=Path("models/styleheat"))


if __name__ == "__main__":
    main(train, processes=True)
