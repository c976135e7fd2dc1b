"""The engine paints what the plain composition paints."""

import dataclasses

import numpy as np
import pytest
import torch

from styleheat.inference import operations
from styleheat.inference.detail import DetailComposer
from styleheat.inference.engine import Engine, composed
from styleheat.networks.config import NETWORKS, NetworkConfig
from styleheat.networks.layers import resize
from styleheat.networks.styleheat import StyleHEAT

TINY = dataclasses.replace(
    NETWORKS["full"],
    image_size=64,
    input_size=64,
    feature_size=16,
    style_dim=16,
    mapping_layers=1,
    channels=(16, 16, 16, 12, 8),
    encoder_widths=(4, 8, 8, 8),
    encoder_blocks=(1, 1, 1, 1),
    squeeze=4,
    aligner_widths=(4, 4, 8, 8),
    residual_widths=(4, 8, 8),
    residual_hidden=8,
    residual_blocks=1,
    descriptor=16,
    adain_hidden=8,
    warper_base=4,
    warper_max=8,
    warper_down=4,
    calibrator_width=8,
    calibrator_heads=2,
    discriminator_size=32,
    discriminator_channels=(8, 8, 8, 8),
)
"""The full size made small: F at 16 pixels, two resolutions above it, one head of the calibrator that does not act."""

CLOSE = 1e-3
"""On [-1,1]; what is reached with moderate weights is about 1e-5."""


def untrained(config: NetworkConfig) -> StyleHEAT:
    """A model in which everything acts: fresh ones neither move nor repair."""
    torch.manual_seed(0)
    model = StyleHEAT(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.count_nonzero() == 0:
            parameter.normal_(0, 0.1)
    model.video_warper.warping_net.flow_out[-1].weight.normal_(0, 0.01)
    return model


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randn(3, 73, 27, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize("wide", [operations.WIDE, 8])
def test_equals_the_reference_path(
    released: bool, wide: int, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "WIDE", wide)  # with 8, Winograd's convolutions from 16 pixels
    model = untrained(dataclasses.replace(TINY, released=released))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    inversion = model.generator.invert(image)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    wanted = model(image, windows, inversion.expand(3)).image
    still = model.generator.stylegan.above(inversion.codes, inversion.feature, inversion.base)
    assert (wanted - still).abs().mean() > 0.1  # motion and repair do act

    engine = Engine(model, inversion, torch.float32)
    assert engine.repair.heads.winograd == (wide == 8)
    torch.testing.assert_close(engine.paint(windows)[0], wanted, rtol=0, atol=CLOSE)
    one_by_one = torch.cat([engine.paint(window[None])[0] for window in windows])
    torch.testing.assert_close(one_by_one, wanted, rtol=0, atol=CLOSE)
    without_base = Engine(model, dataclasses.replace(inversion, base=None, condition=None), torch.float32)
    torch.testing.assert_close(without_base.paint(windows)[0], wanted, rtol=0, atol=CLOSE)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_is_near(precision: torch.dtype, windows: torch.Tensor) -> None:
    """What GPUs compute, and CPUs with AMX."""
    model = untrained(TINY)
    inversion = model.generator.invert(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1)
    made = Engine(model, inversion, precision).paint(windows)[0]
    assert made.dtype == torch.float32
    exact = Engine(model, inversion, torch.float32).paint(windows)[0]
    torch.testing.assert_close(made, exact, rtol=0, atol=5e-2)


@pytest.mark.parametrize("amx", [False, True])
def test_a_cpu_computes_in_what_it_is_fast_in(amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx})
    fast_precision = operations.fast_precision.__wrapped__  # not from the cache
    assert fast_precision(torch.device("cpu")) == (torch.bfloat16 if amx else torch.float32)
    assert fast_precision(torch.device("cuda")) == torch.float16


def test_each_engine_keeps_its_own_portrait(windows: torch.Tensor) -> None:
    model = untrained(TINY)
    inversions = [model.generator.invert(torch.full((1, 3, 64, 64), grey)) for grey in (-0.5, 0.5)]
    engines = [Engine(model, inversion) for inversion in inversions]
    first = engines[0].paint(windows)[0]
    engines[1].paint(windows)[0]
    assert torch.equal(engines[0].paint(windows)[0], first)


def test_detail_and_geometry_are_those_of_the_reference_path(windows: torch.Tensor) -> None:
    config = dataclasses.replace(TINY, released=False, geometry=True, detail=True)
    model = untrained(config)
    rng = torch.Generator().manual_seed(4)
    photo = torch.rand(1, 3, 96, 96, generator=rng) * 2 - 1
    coarse = torch.rand(3, 3, 6, 6, generator=rng)
    geometry = resize(torch.cat([0.2 * coarse[:, :2] - 0.1, coarse[:, 2:]], dim=1), 32)
    inversion = model.generator.invert(photo)
    rest = model.video_warper(inversion.image, windows[:1], geometry[:1]).displacement
    assert rest.abs().max() > 1e-3
    wanted = model(photo.expand(3, -1, -1, -1), windows, inversion.expand(3), size=96, geometry=geometry, rest=rest)
    assert 0.02 < wanted.mask.mean() < 0.98
    engine = Engine(model, inversion, torch.float32)
    engine.settle(windows[:1], geometry[:1])
    with torch.inference_mode():
        painted, displacement = engine.paint(windows, geometry)
        assert displacement[0].abs().max() < 1e-5
        torch.testing.assert_close(composed(painted, displacement, photo), wanted.image, rtol=0, atol=CLOSE)
        composer = DetailComposer(photo[0].permute(1, 2, 0).numpy(), threads=2)
        for gain in (1, 8):  # colours beyond their range, too
            painted[:, :3] *= gain
            image = composed(painted, displacement, photo)
            colours = np.ascontiguousarray(painted.permute(0, 2, 3, 1).numpy())
            frames = np.stack([composer(*pair) for pair in zip(colours, displacement.numpy(), strict=True)])
            pixels = ((image + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
            assert np.abs(frames - pixels).max() < 0.51  # half a shade by rounding
    assert painted[:, :3].abs().max() > 2


def test_detail_beyond_the_border_is_its_last_pixel() -> None:
    photo = np.zeros((64, 64, 3), np.float32)
    photo[:, :, 0] = np.linspace(-1, 1, 64)
    painted = np.ones((16, 16, 4), np.float32)  # a mask of one
    for far, shade in ((5.0, 255), (-5.0, 0), (1e9, 255)):
        displacement = np.zeros((2, 8, 8), np.float32)
        displacement[0] = far
        frame = DetailComposer(photo, threads=1)(painted, displacement)
        assert (frame[..., 0] == shade).all()
