"""The complete model, small: shapes, gradients, and that it starts as what it is meant to start as."""

import dataclasses

import pytest
import torch

from styleheat.networks.config import NETWORKS, OLD_FIELDS, NetworkConfig
from styleheat.networks.layers import resize
from styleheat.networks.styleheat import HIDES, StyleHEAT, detail_mask
from styleheat.networks.warper import VideoWarper

CONFIG = NETWORKS["embedded"]


@pytest.fixture(scope="module")
def model() -> StyleHEAT:
    torch.manual_seed(0)
    return StyleHEAT(CONFIG).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def window() -> torch.Tensor:
    return torch.randn(2, CONFIG.motions, 27, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def geometry() -> torch.Tensor:
    """Nothing moves, and the portrait shows all."""
    return torch.tensor([0.0, 0.0, 1.0])[None, :, None, None].expand(2, -1, 64, 64)


def test_config_survives_json() -> None:
    import json

    for config in NETWORKS.values():
        assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_config_accepts_old_field_names() -> None:
    fields = CONFIG.to_dict()
    for old, new in OLD_FIELDS.items():
        fields[old] = fields.pop(new)
    assert NetworkConfig.from_dict(fields) == CONFIG


def test_shapes(model: StyleHEAT, image: torch.Tensor, window: torch.Tensor, geometry: torch.Tensor) -> None:
    frame = model(image, window, size=96, warped_image=True, geometry=geometry)
    assert frame.image.shape == frame.warped_image.shape == (2, 3, 96, 96)
    size = CONFIG.feature_size
    assert frame.feature.shape == (2, CONFIG.feature_channels, size, size)
    assert frame.motion.flow.shape == (2, 2, size, size)
    assert model(image, window, geometry=geometry).warped_image is None


@pytest.mark.parametrize("sees_source", [True, False])
def test_a_network_may_be_conditioned_on_the_portraits_own_motion(sees_source: bool) -> None:
    warper = VideoWarper(dataclasses.replace(CONFIG, sees_source=sees_source))
    window, source = torch.randn(2, 73, 27), torch.randn(2, 73)
    warper.mapping_net.standardise(torch.arange(73.0), torch.full((73,), 2.0))
    conditioned = warper.conditioned(window, source)
    assert conditioned[:, :73].equal(window)
    assert warper.mapping_net(conditioned).shape == (2, CONFIG.descriptor)
    moved = warper.mapping_net(warper.conditioned(window, source + 1))
    assert moved.equal(warper.mapping_net(conditioned)) != sees_source


def test_a_fresh_model_repeats_the_inversion(
    model: StyleHEAT, image: torch.Tensor, window: torch.Tensor, geometry: torch.Tensor
) -> None:
    """No flow and no repair yet: the frame is the inverted portrait."""
    with torch.no_grad():
        reconstruction = model.generator.reconstruct(image)
        frame = model(image, window, reconstruction.inversion, geometry=geometry)
    torch.testing.assert_close(frame.painted, reconstruction.image, rtol=1e-4, atol=1e-4)


def test_gradients_reach_what_is_trained(image: torch.Tensor, window: torch.Tensor, geometry: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = StyleHEAT(CONFIG)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(2):  # in the first step the heads that start at zero hold back the gradient
        optimizer.zero_grad()
        inversion = model.generator.invert(image)
        model(image, window, inversion, geometry=geometry).image.sub(
            resize(image, CONFIG.image_size)
        ).abs().mean().backward()
        optimizer.step()
    silent = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert all(name.startswith("generator.stylegan.style.") for name in silent), silent  # only sampling maps z to w


def test_one_portrait_drives_a_batch(
    model: StyleHEAT, image: torch.Tensor, window: torch.Tensor, geometry: torch.Tensor
) -> None:
    with torch.no_grad():
        inversion = model.generator.invert(image[:1])
        both = model(image[:1].expand(2, -1, -1, -1), window, inversion.expand(2), geometry=geometry).image
        second = model(image[:1], window[1:], inversion, geometry=geometry[:1]).image
    torch.testing.assert_close(both[1:], second, rtol=1e-4, atol=1e-4)


def test_the_embedded_weights_are_small_enough_to_keep_in_git() -> None:
    from styleheat.networks.audio2motion import Audio2Motion

    count = sum(p.numel() for module in (StyleHEAT(CONFIG), Audio2Motion(CONFIG)) for p in module.parameters())
    assert count <= 5_000_000  # 20 MB in float32


def test_the_mask_keeps_off_what_the_portrait_does_not_show() -> None:
    logit = torch.zeros(1, 1, 8, 8)
    geometry = torch.ones(1, 3, 16, 16)
    geometry[:, 2, :, 8:] = 0
    mask = detail_mask(logit, geometry, firm=False)
    assert mask[..., :3].eq(0.5).all()
    torch.testing.assert_close(mask[..., 5:], torch.full((1, 1, 8, 3), -HIDES).sigmoid())
    assert detail_mask(logit, None, firm=False).eq(0.5).all()
    firm = detail_mask(logit, geometry, firm=True)
    assert (firm[..., :3] > 0.9).all() and (firm[..., 5:] < 0.01).all()


def test_detail_comes_from_the_portrait_where_the_mask_is_one(
    model: StyleHEAT, window: torch.Tensor, geometry: torch.Tensor
) -> None:
    photo = torch.rand(2, 3, 512, 512, generator=torch.Generator().manual_seed(3)) * 2 - 1
    moved = geometry.clone()
    moved[:, 0] = 4 / 512
    bias = model.generator.stylegan.to_rgbs[-1].bias
    with torch.no_grad():
        bias[:, 3] = 50
        frame = model(photo, window, size=512, geometry=moved)
        bias[:, 3] = -50
        without = model(photo, window, size=512, geometry=moved)
        bias[:, 3] = 0
    torch.testing.assert_close(frame.image[..., :-8], photo[..., 4:-4], rtol=0, atol=1e-4)
    assert without.painted.abs().max() > 1
    torch.testing.assert_close(without.image, without.painted.clamp(-1, 1))


def test_geometry_and_detail_at_full_size() -> None:
    with torch.device("meta"):
        model = StyleHEAT(NETWORKS["full_detail"])
        window, geometry = torch.empty(1, 73, 27), torch.empty(1, 3, 256, 256)
        frame = model(torch.empty(1, 3, 512, 512), window, size=512, geometry=geometry)
        assert frame.image.shape == (1, 3, 512, 512) and frame.mask is not None and frame.mask.shape[1] == 1
        assert frame.motion.displacement.shape == (1, 2, 256, 256)
    plain = NETWORKS["full"]
    assert not plain.geometry and not plain.detail and not NETWORKS["full_relative"].geometry
