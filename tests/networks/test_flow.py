"""Flows mean what they say, in both conventions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.networks.flow import deformation, displaced, origins, smoothed, warp


@settings(max_examples=20, deadline=None)
@given(height=st.integers(4, 12), width=st.integers(4, 12), right=st.integers(-2, 2), down=st.integers(-2, 2))
def test_complete_pixels_of_flow_move_complete_pixels(height: int, width: int, right: int, down: int) -> None:
    source = torch.randn(1, 2, height, width)
    flow = torch.tensor([right, down], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, height, width)
    moved = warp(source, deformation(flow))
    rows = (torch.arange(height) + down).clamp(0, height - 1)
    columns = (torch.arange(width) + right).clamp(0, width - 1)
    torch.testing.assert_close(moved, source[:, :, rows][..., columns], rtol=1e-3, atol=1e-4)


def test_a_flow_moves_an_image_of_another_size_alike() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    flow = torch.zeros(1, 2, 16, 16)
    flow[:, 0] = 15 / 8  # an eighth of the image's width, on the flow's own grid
    moved = warp(ramp, deformation(flow))
    assert moved.shape == ramp.shape
    torch.testing.assert_close(moved[..., :48], ramp[..., :48] + 0.25, rtol=0, atol=1e-4)


def test_the_released_zero_is_not_the_identity() -> None:
    source = torch.ones(1, 1, 8, 8)
    still = deformation(torch.zeros(1, 2, 8, 8))
    released = warp(source, still, released=True)
    assert released[0, 0, 0, 0] == pytest.approx(0.25) and released[0, 0, 4, 4] == 1
    assert torch.allclose(warp(source, still), source)


@pytest.mark.parametrize("released", [False, True])
def test_origins_are_where_a_warped_map_was_looked_up(released: bool) -> None:
    side, size = 16, 32
    across = torch.arange(side, dtype=torch.float32)
    rows, columns = torch.meshgrid(across, across, indexing="ij")
    addresses = torch.stack([columns, rows])[None]  # each pixel holds where it is
    slow = torch.nn.functional.interpolate(torch.randn(1, 2, 4, 4), (side, side), mode="bicubic")
    positions = deformation(slow)
    looked_up = warp(addresses, positions, released)[0, :, 4:12, 4:12].flatten(1).T
    points = (addresses[0, :, 4:12, 4:12].flatten(1).T + 0.5) * 2 - 0.5  # a map's pixel paints two by two
    found = origins(positions, points[None], size, released)[0]
    torch.testing.assert_close(found, (looked_up + 0.5) * 2 - 0.5, rtol=0, atol=1e-3)


def test_a_smoothed_flow_keeps_what_is_smooth() -> None:
    even = torch.full((1, 2, 16, 16), 1.5)
    torch.testing.assert_close(smoothed(even), even)
    ramp = torch.arange(16.0).expand(1, 2, 16, 16)
    torch.testing.assert_close(smoothed(ramp)[..., 2:-2], ramp[..., 2:-2])
    spike = torch.zeros(1, 2, 16, 16)
    spike[0, 0, 8, 8] = 1
    made = smoothed(spike)
    assert made[0, 0].sum() == pytest.approx(1) and made.max() == pytest.approx((6 / 16) ** 2)
    assert made[0, 1].abs().max() == 0


def test_a_displacement_moves_images_of_any_size_alike() -> None:
    displacement = torch.zeros(1, 2, 8, 8)
    displacement[:, 0] = 0.25
    for size in (16, 64):
        image = torch.rand(1, 3, size, size)
        moved = displaced(image, displacement)
        torch.testing.assert_close(moved[..., : size * 3 // 4], image[..., size // 4 :], rtol=0, atol=1e-4)
        torch.testing.assert_close(displaced(image, torch.zeros(1, 2, 8, 8)), image, rtol=0, atol=1e-4)
