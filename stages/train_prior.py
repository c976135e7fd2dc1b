"""Train the prior, StyleGAN2 with its inversion, on the frames of all sets -> models/prior."""

from pathlib import Path

from styleheat.pipeline import Stage, main

SETS = ("vox", "hdtf")


def train_prior(stage: Stage) -> None:
    from styleheat.clips.pairs import FramePairs, Mixture
    from styleheat.clips.store import ClipStore
    from styleheat.networks.inversion import Inverter
    from styleheat.training import run
    from styleheat.training.prior import READS, PriorRecipe

    params, settings = stage.params, stage.params.train_prior
    config = run.architecture(params)
    stores = [ClipStore(f"data/{name}/lmdb", params.sets[name].pack.size) for name in SETS]
    starts = [settings.init, settings.discriminator]

    def frames(split: str) -> Mixture:
        return Mixture([FramePairs(store, split, config.image_size, seed=params.seed, reads=READS) for store in stores])

    def build() -> PriorRecipe:
        prior, discriminator = Inverter(config), run.discriminator(config, settings.discriminator)
        run.load_init(prior, settings.init, part="generator")
        heldout = run.heldout(frames("test"), settings.validate_samples)
        return PriorRecipe(config, settings, prior, discriminator, heldout)

    run.run(stage, settings, build, frames("train"), stores, starts=starts, out=Path("models/prior"))


if __name__ == "__main__":
    main(train_prior, processes=True)
