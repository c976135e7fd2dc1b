"""Train the video warper, which moves a picture by a window of coefficients, on vox -> models/warper."""

from pathlib import Path

from styleheat.pipeline import Stage, main


def train_warper(stage: Stage) -> None:
    from styleheat.clips.pairs import FramePairs
    from styleheat.clips.store import ClipStore
    from styleheat.networks.warper import VideoWarper
    from styleheat.training import run
    from styleheat.training.warper import WarperRecipe

    params, settings = stage.params, stage.params.train_warper
    config = run.architecture(params)
    store = ClipStore("data/vox/lmdb", params.sets.vox.pack.size)
    mirror = params.sets.vox.coefficients.backend == "fit"

    def build() -> WarperRecipe:
        warper = VideoWarper(config)
        if not run.begin(warper, settings.init, part="video_warper"):
            warper.mapping_net.standardise(*pairs("train").descriptor_statistics())
        return WarperRecipe(config, settings, warper, run.heldout(pairs("test")))

    def pairs(split: str) -> FramePairs:
        return FramePairs(store, split, config.input_size, seed=params.seed, mirror=mirror and split == "train")

    run.run(stage, settings, build, pairs("train"), [store], starts=[settings.init], out=Path("models/warper"))


if __name__ == "__main__":
    main(train_warper)
