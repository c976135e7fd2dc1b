"""Train the prior, StyleGAN2 with its inversion, on the frames of all sets -> models/prior."""

from pathlib import Path

from styleheat.pipeline import Stage, main

SETS = ("vox", "hdtf")


def train_prior(stage: Stage) -> None:
    from styleheat.clips.pairs import FramePairs, Mixture
    from styleheat.clips.store import ClipStore
    from styleheat.networks.inversion import Inverter
    from styleheat.networks.stylegan2 import Discriminator
    from styleheat.training import run
    from styleheat.training.prior import PriorRecipe

    params, settings = stage.params, stage.params.train_prior
    config = run.architecture(params)
    stores = [ClipStore(f"data/{name}/lmdb", getattr(params.sets, name).pack.size) for name in SETS]

    def frames(split: str) -> Mixture:
        return Mixture([FramePairs(store, split, config.image_size, seed=params.seed) for store in stores])

    def build() -> PriorRecipe:
        prior, critic = Inverter(config), Discriminator(config)
        run.begin(prior, settings.init, part="generator")
        return PriorRecipe(config, settings, prior, critic, run.heldout(frames("test"))["source"])

    run.run(stage, settings, build, frames("train"), stores, starts=[settings.init], out=Path("models/prior"))


if __name__ == "__main__":
    main(train_prior)
