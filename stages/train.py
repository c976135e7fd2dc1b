"""Train StyleHEAT, the warper with the calibrator through the prior, on hdtf -> models/styleheat."""

from pathlib import Path

from styleheat.pipeline import Stage, main


def train(stage: Stage) -> None:
    from styleheat.clips.pairs import FramePairs
    from styleheat.clips.store import ClipStore
    from styleheat.networks.stylegan2 import Discriminator
    from styleheat.networks.styleheat import StyleHEAT
    from styleheat.training import run
    from styleheat.training.styleheat import StyleHEATRecipe

    params, settings = stage.params, stage.params.train
    config, size = run.architecture(params), params.sets.hdtf.pack.size
    store = ClipStore("data/hdtf/lmdb", size)
    mirror = params.sets.hdtf.coefficients.backend == "fit"
    starts = [settings.init, "models/prior", "models/warper"]

    def pairs(split: str) -> FramePairs:
        return FramePairs(store, split, size, seed=params.seed, mirror=mirror and split == "train")

    def build() -> StyleHEATRecipe:
        model, critic = StyleHEAT(config), Discriminator(config)
        run.begin(model.calibrator, settings.init, part="calibrator")
        run.begin(model.generator, "models/prior", part="generator")
        run.begin(model.video_warper, "models/warper", part="video_warper")
        return StyleHEATRecipe(config, settings, model, critic, run.heldout(pairs("test")))

    run.run(stage, settings, build, pairs("train"), [store], starts=starts, out=Path("models/styleheat"))


if __name__ == "__main__":
    main(train)
