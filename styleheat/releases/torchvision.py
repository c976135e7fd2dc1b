"""VGG19, of torchvision, for perceptual losses."""

from pathlib import Path

import torch

from styleheat.checkpoints import State
from styleheat.networks.perceptual import Vgg19
from styleheat.releases.files import Published, Released, read_released, section

VGG19 = Released(
    "vgg19-dcbb9e9d.pth",
    "VGG19 trained on ImageNet",
    "https://download.pytorch.org/models",
    published=Published(574673361, "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", True),
)


def released_vgg19(folder: Path) -> State:
    """The tensors of a `Vgg19`; torchvision's file also has a classifier, which is left out."""
    with torch.device("meta"):
        vgg = Vgg19()
    content = read_released(folder, VGG19)
    features = {n.removeprefix("features."): t for n, t in content.items() if n.startswith("features.")}
    return section(folder, VGG19, features, None, vgg.network, "network.")
