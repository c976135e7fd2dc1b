"""Inversion and the complete model at full size give the reference's numbers."""

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from styleheat.inference.engine import Engine
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inversion
from styleheat.networks.styleheat import StyleHEAT

from .conftest import Golden, centre, pool

FULL = NETWORKS["full"]
CHAIN = 5e-4
"""Tolerance of several networks in a row."""


@pytest.fixture(scope="module", autouse=True)
def _without_gradient() -> Iterator[None]:
    with torch.no_grad():
        yield
    gc.collect()  # gigabytes of weights


def separate_files(fixture: Golden) -> dict[str, Tensor]:
    """The prior's tensors from its three files, named as in the complete model."""
    state = {"generator.e4e_encoder.latent_avg": fixture.weights("Encoder_e4e.pth", "latent_avg")[""]}
    for part, manifest, prefix in (
        ("e4e_encoder.encoder", "Encoder_e4e.pth", "encoder/"),
        ("hfgi_aligner", "hfgi.pth", "aligner/"),
        ("hfgi_encoder", "hfgi.pth", "encoder/"),
        ("stylegan", "StyleGAN_e4e.pth", ""),
    ):
        state |= {f"generator.{part}.{name}": w for name, w in fixture.weights(manifest, prefix).items()}
    return state


def model_of(state: dict[str, Tensor]) -> StyleHEAT:
    with torch.device("meta"):
        model = StyleHEAT(FULL)
    model.load_state_dict(state, assign=True)
    return model.eval()


@pytest.fixture(scope="module")
def partial(golden) -> StyleHEAT:
    """Prior from its own files, warper and calibrator from the complete model's file."""
    fixture = golden("styleheat_forward_partial")
    assert fixture.seed == golden("inversion").seed
    state = separate_files(fixture)
    for part in ("video_warper.", "calibrator."):
        weights = fixture.weights("StyleHEAT_visual.pt", f"net_G_ema/{part}")
        state |= {part + name: w for name, w in weights.items()}
    return model_of(state)


class TestInversion:
    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("inversion")

    def test_e4e(self, fixture: Golden, partial: StyleHEAT) -> None:
        image = fixture.image("inv.image", 1, 3, 256, 256)
        encoder = partial.generator.e4e_encoder
        fixture.close("e4e.w", encoder(image), CHAIN)
        fixture.close("e4e.codes_no_avg", encoder.encoder(image), CHAIN)

    def test_hfgi(self, fixture: Golden, partial: StyleHEAT) -> None:
        image, residual = fixture.image("inv.image", 1, 3, 256, 256), fixture.image("inv.res", 1, 3, 256, 256)
        aligned = partial.generator.hfgi_aligner(torch.cat([residual, image], dim=1))
        scale, shift = partial.generator.hfgi_encoder(fixture.image("inv.res2", 1, 3, 256, 256))
        fixture.close("aligner.out", pool(aligned, 4), CHAIN)
        fixture.close("hfgi_encoder.scale", pool(scale, 8)[:, ::4], CHAIN)
        fixture.close("hfgi_encoder.shift", pool(shift, 8)[:, ::4], CHAIN)

    @pytest.mark.parametrize(
        ("key", "name", "size"),
        [("inverse256", "inv.image", 256), pytest.param("inverse1024", "inv.image1024", 1024, marks=pytest.mark.slow)],
    )
    def test_complete(self, fixture: Golden, partial: StyleHEAT, key: str, name: str, size: int) -> None:
        codes, coarse, residual = partial.generator.encode(fixture.image(name, 1, 3, size, size))
        made = partial.generator.decode(codes, coarse, residual).inversion
        if key == "inverse256":
            fixture.close("inverse256.encode.ix", pool(partial.generator._seen(coarse), 4), CHAIN)
            fixture.close("inverse256.encode.res", pool(residual, 4), CHAIN)
        fixture.close(f"{key}.ix", pool(made.image, 4), CHAIN)
        fixture.close(f"{key}.wx", made.codes, CHAIN)
        fixture.close(f"{key}.fx", pool(made.feature, 8)[:, ::2], CHAIN)
        for index, one in enumerate(made.condition):
            fixture.close(f"{key}.inversion_condition{index}", pool(one, 8)[:, ::4], CHAIN)


def drive(fixture: Golden, model: StyleHEAT) -> tuple[Inversion, Tensor]:
    """Compare the inversion and the frames of 1024 pixels; hand on what else may be compared."""
    image, window = fixture.image("sh.image", 1, 3, 256, 256), fixture.window("sh.driving", 2)
    inversion = model.generator.invert(image)
    fixture.close("ix", pool(inversion.image, 4), CHAIN)
    fixture.close("wx", inversion.codes, CHAIN)
    fixture.close("fx", pool(inversion.feature, 8)[:, ::4], CHAIN)
    frame = model(image, window, inversion.expand(2), size=1024, warped_image=True)
    fixture.close("s1024.fake_image", pool(frame.image, 8), CHAIN)
    fixture.close("s1024.fake_image_crop64", centre(frame.image), CHAIN)
    fixture.close("s1024.video_warp_image", pool(frame.warped_image, 8), CHAIN)
    fixture.close("fx_warp", pool(frame.feature, 4)[:, ::8], CHAIN)
    return inversion, window


def test_prior_in_files_of_its_own(golden, partial: StyleHEAT) -> None:
    drive(golden("styleheat_forward_partial"), partial)


def test_engine(golden, partial: StyleHEAT) -> None:
    """The fast path too gives the reference's numbers, and our own plain composition's pixel by pixel."""
    fixture = golden("styleheat_forward_partial")
    image, window = fixture.image("sh.image", 1, 3, 256, 256), fixture.window("sh.driving", 2)
    inversion = partial.generator.invert(image)
    made = Engine(partial, inversion, torch.float32).paint(window)[0]
    fixture.close("s1024.fake_image", pool(made, 8), CHAIN)
    fixture.close("s1024.fake_image_crop64", centre(made), CHAIN)
    plain = partial(image, window[:1], inversion).image
    assert (made[:1] - plain).abs().max() <= 1e-3


@pytest.mark.slow
def test_everything_in_one_file(golden) -> None:
    fixture = golden("styleheat_forward_full")
    loss = "generator.iteration_loss."
    state = fixture.weights("StyleHEAT_visual.pt", "net_G_ema/")
    state = {name: w for name, w in state.items() if not name.startswith(loss)}
    state["generator.e4e_encoder.latent_avg"] = fixture.weights("Encoder_e4e.pth", "latent_avg")[""]
    model = model_of(state)

    inversion, window = drive(fixture, model)
    image = fixture.image("sh.image", 1, 3, 256, 256)
    frame = model(image, window, inversion.expand(2), size=512, warped_image=True)
    fixture.close("s512.fake_image", pool(frame.image, 8), CHAIN)
    fixture.close("s512.video_warp_image", pool(frame.warped_image, 8), CHAIN)
    fixture.close("noinv.fake_image", pool(model(image, window[:1], size=512).image, 8), CHAIN)
    optimised = Inversion(inversion.image, inversion.codes, inversion.feature, condition=None)
    frame = model(image, window[:1], optimised, size=1024, warped_image=True)
    fixture.close("optinv.fake_image", pool(frame.image, 8), CHAIN)
    fixture.close("optinv.video_warp_image", pool(frame.warped_image, 8), CHAIN)
