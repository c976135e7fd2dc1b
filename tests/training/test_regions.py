"""Eye, nose and mouth regions against the reference's numbers."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from styleheat.networks.flow import deformation
from styleheat.networks.warper import Warp
from styleheat.training import regions

PARITY = Path(os.environ.get("STYLEHEAT_PARITY", Path(__file__).parent.parent / "parity"))


@pytest.fixture(scope="module")
def editing():
    return np.load(PARITY / "golden" / "editing.npz")


@pytest.fixture(scope="module")
def pair(editing):
    sys.path.insert(0, str(PARITY))
    import fill

    seed, shape = int(editing["seed"]), (2, 3, 512, 512)
    return [torch.from_numpy(fill.smooth_image(name, shape, seed)) for name in ("ed.fake", "ed.gt")]


def test_boxes(editing):
    for name, box in regions.part_boxes(torch.from_numpy(editing["bbox.landmarks"]), 512).items():
        np.testing.assert_array_equal(box, editing[f"bbox.{name}"])


def test_local_loss(editing, pair):
    landmarks = torch.from_numpy(editing["bbox.landmarks"])
    for i, part in enumerate(regions.PARTS.values()):
        pooled = torch.nn.functional.avg_pool2d(regions.part_image(pair[0], landmarks, part), 4)
        np.testing.assert_allclose(pooled, editing[f"local.roi{i}"], atol=1e-4)
    assert sum(regions.local_losses(*pair, landmarks).values()).item() == pytest.approx(
        float(editing["local_loss"]), rel=1e-4
    )


def test_soft_mask(editing):
    mask = regions.soft_mask(torch.from_numpy(editing["bbox.landmarks"]), 512, 0.05)
    pooled = torch.nn.functional.avg_pool2d(mask, 8)
    np.testing.assert_allclose(pooled.expand(-1, 3, -1, -1), editing["mask_lr0.05"], atol=1e-5)


def test_margins_scale_with_the_image():
    landmarks = torch.rand(3, 68, 2, generator=torch.Generator().manual_seed(0)) * 400 + 50
    full, quarter = regions.part_boxes(landmarks, 512), regions.part_boxes(landmarks / 4, 128)
    for name in full:
        assert (full[name] / 4 - quarter[name]).abs().max() <= 1


def test_landmark_loss_is_the_share_of_the_image_that_the_flow_is_off():
    source = 20 + 80 * torch.rand(2, 68, 2)
    flow = torch.zeros(2, 2, 64, 64)
    flow[:, 0] = 1.5  # pixels of the map: it shows at each place what was three pixels of 128 to the right

    def loss(target: torch.Tensor) -> float:
        warp = Warp(flow, deformation(flow), flow / 64, torch.zeros(2, 1))
        return regions.landmark_loss(warp, source, target, 128, released=False).item()

    right = source - torch.tensor([3.0, 0.0])
    assert loss(right) == pytest.approx(0, abs=1e-6)
    assert loss(source) == pytest.approx(3 / 2 / 128, rel=1e-4)  # off in one of two coordinates
    jaw = right.clone()
    jaw[:, :17] += 5
    assert loss(jaw) == pytest.approx(0, abs=1e-6)
