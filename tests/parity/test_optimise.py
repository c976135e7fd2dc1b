"""The first steps of inversion by optimisation give the reference's losses, codes and F."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from styleheat.inference.portrait import STYLE, optimise
from styleheat.networks.config import NETWORKS
from styleheat.networks.editing import Editing
from styleheat.networks.inversion import Inverter
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import PerceptualLoss, Vgg19

from .conftest import REACHED, Golden, pool
from .test_styleheat import separate_files

COLUMNS = ("total", "l2", "perceptual", "unusual", "moved")


@pytest.mark.parametrize("steps", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_first_steps(golden: Callable[[str], Golden], steps: int) -> None:
    fixture = golden("optimize_inverse")
    with torch.device("meta"):
        prior, vgg, editing = Inverter(NETWORKS["full"]), Vgg19(), Editing(NETWORKS["full"])
    state = {name.removeprefix("generator."): tensor for name, tensor in separate_files(fixture).items()}
    prior.load_state_dict(state, assign=True)
    features = fixture.weights("vgg19-dcbb9e9d.pth", "features.")
    used = vgg.network.state_dict().keys()
    vgg.network.load_state_dict({name: features[name] for name in used}, assign=True)
    statistics = fixture.weights("ffhq_PCA.npz", "")
    editing.pulse_mean, editing.pulse_components = statistics["X_mean"], statistics["X_comp"]
    editing.pulse_deviations = statistics["X_stdev"]

    wanted = fixture["losses_total_l2_lpips_pnorm_lF"][:steps]
    image = resize(fixture.image("inv.image", 1, 3, 256, 256), 1024)
    prior.requires_grad_(False).eval()
    made, history = optimise(prior, image, steps, PerceptualLoss(vgg.eval(), STYLE), editing)
    losses = np.array([[step[name] for name in COLUMNS] for step in history])

    near = np.abs(losses - wanted) <= np.array([[1e-4], *[[1e-3]] * (len(wanted) - 1)]) * np.abs(wanted)
    assert near.all(), f"{losses}, not {wanted}"
    error = float(np.abs(losses[1:] / wanted[1:] - 1).max())
    REACHED["optimize_inverse"] = (error, 1e-3)
    assert np.allclose(made.codes[0, :9], fixture["w_start"][0, :9], atol=5e-4)
    if steps == 3:
        for key, ours in (("wx_after3", made.codes[0]), ("fx_after3", pool(made.feature, 8)[:, ::4])):
            assert (np.abs(ours.numpy() - fixture[key]) <= 2e-3).mean() >= 0.99, key
    assert made.condition is None and made.image.shape == (1, 3, 256, 256) and made.image.abs().max() <= 1
