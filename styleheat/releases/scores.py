"""Networks that scores of the field are defined by: AlexNet (LPIPS), Inception (FID, KID), SyncNet (LSE-C, LSE-D)."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from styleheat.checkpoints import State
from styleheat.errors import InputError
from styleheat.networks.syncnet import SyncNet
from styleheat.releases.files import Published, Released, read_released, section

ALEXNET = Released(
    "alexnet-owt-7be5be79.pth",
    "AlexNet trained on ImageNet",
    "https://download.pytorch.org/models",
    published=Published(244408911, "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", True),
)
INCEPTION = Released(
    "weights-inception-2015-12-05-6726825d.pth",
    "the Inception network of TensorFlow, as torch-fidelity ported it",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0",
    published=Published(95628359, "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", True),
)
SYNCNET = Released(
    "syncnet_v2.model",
    "SyncNet, as joonson/syncnet_python uses it",
    "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data",
    published=Published(54573114, "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442", True),
)
SCORES_FILES = (ALEXNET, INCEPTION, SYNCNET)

INCEPTION_SHAPES = {"Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3), "fc.weight": (1008, 2048)}
"""Of some tensors; torch-fidelity, which has the network, checks all when it loads them."""


def released_scores(folder: Path) -> State:
    """The tensors of the networks of `evaluation.learned`, under `alexnet.`, `inception.` and `syncnet.`; of the first
    only what LPIPS uses. Raises InputError for files that are missing or others."""
    from torchvision.models import alexnet  # takes seconds to import

    with torch.device("meta"):
        features, syncnet = alexnet().features, SyncNet()
    content = read_released(folder, ALEXNET)
    convolutions = {n.removeprefix("features."): t for n, t in content.items() if n.startswith("features.")}
    inception = read_released(folder, INCEPTION)
    for name, wanted in INCEPTION_SHAPES.items():
        found: Any = inception.get(name)
        if not isinstance(found, Tensor) or found.shape != wanted:
            raise InputError(f"{folder / INCEPTION.name}: no tensor `{name}` of shape {wanted}; {INCEPTION.wanted}")
    return {
        **section(folder, ALEXNET, convolutions, None, features, "alexnet."),
        **{f"inception.{name}": tensor for name, tensor in inception.items()},
        **section(folder, SYNCNET, read_released(folder, SYNCNET), None, syncnet, "syncnet."),
    }
