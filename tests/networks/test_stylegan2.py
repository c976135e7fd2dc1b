"""The generator's fast operations equal their definitions; its halves equal the complete generator; the discriminator's
groups are as documented."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from styleheat.networks.config import NETWORKS
from styleheat.networks.flow import deformation
from styleheat.networks.layers import Blur, EqualConv2d, Upsample, channels_last, scaled_leaky_relu
from styleheat.networks.stylegan2 import EPSILON, Discriminator, Generator, ModulatedConv2d, StyledConv

CONFIG = NETWORKS["embedded"]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def each_by_itself(layer: ModulatedConv2d, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """What `ModulatedConv2d` computes of x (B,C,H,W) and style (B,D), as StyleGAN2 defines it: each sample is convolved
    with weights of its own."""
    samples = []
    for sample, scales in zip(x, layer.modulation(style), strict=True):
        weight = layer.scale * layer.weight[0] * scales[None, :, None, None]
        if layer.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + EPSILON)
        if layer.blur is not None:
            samples.append(layer.blur(F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)))
        else:
            samples.append(F.conv2d(sample[None], weight, padding=layer.padding))
    return torch.cat(samples)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_one_shared_convolution_equals_one_for_each_sample(kernel: int, up: bool, demodulate: bool) -> None:
    if up and kernel == 1:
        pytest.skip("never used")
    layer = ModulatedConv2d(5, 7, kernel, 6, demodulate=demodulate, up=up)
    x, style = torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    torch.testing.assert_close(layer(x, style), each_by_itself(layer, x, style), rtol=1e-4, atol=1e-5)


def test_styled_convolution_fuses_what_its_parts_do() -> None:
    layer = StyledConv(5, 7, 6, up=True)
    torch.nn.init.normal_(layer.activate.bias)
    x, style = torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    parts = layer.activate(each_by_itself(layer.conv, x, style))
    torch.testing.assert_close(layer(x, style), parts, rtol=1e-4, atol=1e-5)


def test_resampling_keeps_a_constant() -> None:
    """Away from the border, where zeros come in."""
    flat = torch.ones(1, 2, 8, 8)
    torch.testing.assert_close(Upsample()(flat)[..., 2:-2, 2:-2], torch.ones(1, 2, 12, 12))
    torch.testing.assert_close(Blur(padding=2)(flat)[..., 2:-2, 2:-2], torch.ones(1, 2, 5, 5))


def test_upsampling_is_zero_insertion_then_the_filter() -> None:
    x = torch.randn(2, 3, 5, 5)
    sparse = torch.zeros(2, 3, 10, 10)
    sparse[..., ::2, ::2] = x
    kernel = Upsample().kernel.expand(3, 1, 4, 4)
    wanted = F.conv2d(F.pad(sparse, (2, 1, 2, 1)), kernel, groups=3)
    torch.testing.assert_close(Upsample()(x), wanted)


def test_activation_keeps_variance() -> None:
    assert scaled_leaky_relu(torch.randn(100_000)).square().mean() == pytest.approx(1.04, abs=0.03)


class TestGenerator:
    @pytest.fixture
    def generator(self) -> Generator:
        return Generator(CONFIG)

    @pytest.fixture
    def codes(self) -> torch.Tensor:
        return torch.randn(2, CONFIG.codes, CONFIG.style_dim)

    def test_halves_make_the_complete(self, generator: Generator, codes: torch.Tensor) -> None:
        painting = generator(codes)
        feature, base = generator.below(codes)
        assert base.shape == (2, 3, CONFIG.feature_size // 2, CONFIG.feature_size // 2)
        torch.testing.assert_close(generator.above(codes, feature, base), painting.image)
        torch.testing.assert_close(generator(codes, feature=feature).image, painting.image)

    def test_every_code_row_acts(self, generator: Generator, codes: torch.Tensor) -> None:
        plain = generator(codes).image
        for row in range(CONFIG.codes):
            changed = codes.clone()
            changed[:, row] += 1
            assert not torch.allclose(generator(changed).image, plain), row

    def test_conditions_that_change_nothing(self, generator: Generator, codes: torch.Tensor) -> None:
        nothing = (torch.zeros(1), torch.zeros(1))
        still = deformation(torch.zeros(2, 2, 8, 8))
        painting = generator(codes, inversion=nothing, warps=(still, still), refinement=nothing)
        torch.testing.assert_close(painting.image, generator(codes).image, rtol=1e-3, atol=1e-4)

    def test_order_of_conditions(self, generator: Generator, codes: torch.Tensor) -> None:
        pair = (torch.full((1,), 0.5), torch.full((1,), -0.25))
        own = generator.below(codes)[0]
        painting = generator(codes, inversion=pair, refinement=pair)
        torch.testing.assert_close(painting.feature, own * 1.5 - 0.25)
        torch.testing.assert_close(painting.refined, (own * 1.5 - 0.25) * 1.5 - 0.25)

    def test_layout_changes_no_number(self, generator: Generator, codes: torch.Tensor) -> None:
        before = generator(codes).image
        channels_last(generator)
        torch.testing.assert_close(generator(codes).image, before, rtol=1e-4, atol=1e-4)


class TestDiscriminator:
    def test_groups_interleave(self) -> None:
        """An image's logit depends on the others of its group, which are every second one of eight."""
        discriminator = Discriminator(CONFIG).eval()
        images = torch.rand(8, 3, 128, 128) * 2 - 1
        before = discriminator(images)
        changed = images.clone()
        changed[0] = -changed[0]
        moved = (discriminator(changed) - before).abs()[:, 0] > 1e-7
        assert moved.tolist() == [True, False] * 4

    def test_batches_without_complete_groups_are_refused(self) -> None:
        with pytest.raises(AssertionError, match="is no multiple of"):
            Discriminator(CONFIG)(torch.zeros(6, 3, 128, 128))


def test_small_discriminators_train_in_the_fast_layout() -> None:
    """With torch 2.14, a strided 1x1 convolution of few channels corrupts memory here: none may be left."""
    config = dataclasses.replace(CONFIG, discriminator_channels=(8, 8, 8, 8, 8, 8))
    discriminator = Discriminator(config)
    channels_last(discriminator)
    image = torch.rand(4, 3, 128, 128).contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        discriminator(image).sum().backward()
    strided = [m for m in discriminator.modules() if isinstance(m, EqualConv2d) and m.stride == 2]
    assert strided and all(m.weight.shape[2:] == (3, 3) for m in strided)
