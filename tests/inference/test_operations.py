"""Each fast operation equals the plain one."""

import pytest
import torch
import torch.nn.functional as F

from styleheat.inference.operations import (
    Convolution,
    DoublingConvolution,
    WideConvolution,
    keep_memory,
    winograd,
    winograd_weight,
)
from styleheat.networks.layers import Blur


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 12), (32, 32)])
def test_winograd_is_a_convolution(height: int, width: int) -> None:
    x, weight = torch.randn(3, 5, height, width), torch.randn(7, 5, 3, 3)
    wanted = F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(winograd(x, winograd_weight(weight)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "size", "kernel", "options"),
    [
        (6, 8, 3, {}),
        (6, 8, 1, {"slope": 0.2}),
        (6, 9, 3, {"stride": 2, "padding": 0}),
        (128, 16, 3, {"slope": 0.1}),
        (128, 8, 3, {}),
        (128, 18, 3, {}),
    ],
)
@pytest.mark.parametrize("biased", [False, True])
def test_convolution(channels: int, size: int, kernel: int, options: dict, biased: bool) -> None:
    weight = torch.randn(channels, channels, kernel, kernel) / channels**0.5
    bias = torch.randn(channels) if biased else None
    x = torch.randn(2, channels, size, size)
    wanted = F.conv2d(x, weight, bias, options.get("stride", 1), options.get("padding", kernel // 2))
    wanted = F.leaky_relu(wanted, options.get("slope", 1.0))
    made = Convolution(weight, bias, size, **options)
    assert made.winograd == (channels == 128 and size == 16)
    torch.testing.assert_close(made(x), wanted, rtol=1e-4, atol=1e-4)


def test_doubling_is_a_transposed_convolution_and_a_filter() -> None:
    weight, bias, x = torch.randn(7, 5, 3, 3), torch.randn(7), torch.randn(2, 5, 8, 8)
    filtered = Blur(padding=1, gain=4.0)(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
    wanted = F.leaky_relu(filtered + bias[:, None, None], 0.2)
    torch.testing.assert_close(DoublingConvolution(weight, bias, 0.2)(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", [3, 7])
def test_many_pixels_at_once_are_a_convolution(kernel: int) -> None:
    weight, bias, x = torch.randn(2, 5, kernel, kernel), torch.randn(2), torch.randn(3, 5, 8, 12)
    wanted = F.conv2d(x, weight, bias, padding=kernel // 2)
    torch.testing.assert_close(WideConvolution(weight, bias)(x), wanted, rtol=1e-4, atol=1e-4)


def test_keeping_memory_changes_no_number() -> None:
    before = torch.arange(10**6).sum()
    keep_memory()
    keep_memory()
    assert torch.arange(10**6).sum() == before
