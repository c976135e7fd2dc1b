"""Train the video warper, which moves an image by a window of coefficients, on vox -> models/warper."""

from pathlib import Path

from styleheat.pipeline import Stage, main


def train_warper(stage: Stage) -> None:
    from styleheat.clips.pairs import FramePairs
    from styleheat.clips.store import ClipStore
    from styleheat.networks.warper import VideoWarper
    from styleheat.training import run
    from styleheat.training.warper import WarperRecipe, reads

    params, settings = stage.params, stage.params.train_warper
    config = run.architecture(params)
    run.check_geometry(config, "vox", params.sets.vox.coefficients.backend)
    store = ClipStore("data/vox/lmdb", params.sets.vox.pack.size)
    mirror = params.sets.vox.coefficients.backend == "fit"
    items = reads(config)
    training = FramePairs(store, "train", config.input_size, seed=params.seed, reads=items, mirror=mirror)

    def build() -> WarperRecipe:
        warper = VideoWarper(config)
        if not run.load_init(warper, settings.init, part="video_warper"):
            warper.standardise(*training.descriptor_statistics())
        items = reads(config, validation=True)
        pairs = FramePairs(store, "test", config.input_size, seed=params.seed, reads=items)
        return WarperRecipe(config, settings, warper, run.heldout(pairs, settings.validate_samples), params.seed)

    run.run(stage, settings, build, training, [store], starts=[settings.init], out=Path("models/warper"))


if __name__ == "__main__":
    main(train_warper, processes=True)
