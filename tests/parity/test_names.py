"""The full-size networks have exactly the tensors of the released files, by name and shape."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.perceptual import Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT

from .conftest import manifest_path

FULL = NETWORKS["full"]


def shapes(path: Path, prefix: str) -> dict[str, tuple[int, ...]]:
    content = path.read_bytes()
    entries = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)["entries"]
    return {e["name"].removeprefix(prefix): tuple(e["shape"]) for e in entries if e["name"].startswith(prefix)}


def own(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="module")
def full() -> dict[str, nn.Module]:
    with torch.device("meta"):
        model, audio = StyleHEAT(FULL), Audio2Motion(FULL)
        discriminator, vgg = Discriminator(FULL), Vgg19()
    return {
        "e4e": model.generator.e4e_encoder.encoder,
        "aligner": model.generator.hfgi_aligner,
        "residual": model.generator.hfgi_encoder,
        "stylegan": model.generator.stylegan,
        "warper": model.video_warper,
        "model": model,
        "discriminator": discriminator,
        "vgg": vgg,
        "expression": audio.audio2exp,
        "pose": audio.audio2pose,
    }


@pytest.mark.parametrize(
    ("part", "manifest", "prefix"),
    [
        ("e4e", "Encoder_e4e.pth", "encoder/"),
        ("aligner", "hfgi.pth", "aligner/"),
        ("residual", "hfgi.pth", "encoder/"),
        ("stylegan", "StyleGAN_e4e.pth", ""),
        ("warper", "video_warper.pth", "net_G_ema/"),
        ("discriminator", "stylegan2_d_256.pth", ""),
        ("expression", "auido2exp_00300-model.pth", "model/"),
        ("pose", "auido2pose_00140-model.pth", "model/"),
    ],
)
def test_a_network_has_its_files_tensors(full: dict[str, nn.Module], part: str, manifest: str, prefix: str) -> None:
    assert own(full[part]) == shapes(manifest_path(manifest), prefix)


def test_the_complete_model_has_its_files_tensors(full: dict[str, nn.Module]) -> None:
    """But for the mean code, which the file lacks, and the VGG19 of a loss, which it has."""
    wanted = shapes(manifest_path("StyleHEAT_visual.pt"), "net_G_ema/")
    loss = "generator.iteration_loss.perceptual.model."
    assert {name.removeprefix(loss): shape for name, shape in wanted.items() if name.startswith(loss)} == own(
        full["vgg"]
    )
    ours = own(full["model"])
    assert ours.pop("generator.e4e_encoder.latent_avg") == (18, 512)
    assert ours == {name: shape for name, shape in wanted.items() if not name.startswith(loss)}


def test_vgg19_has_torchvisions_tensors(full: dict[str, nn.Module]) -> None:
    wanted = shapes(manifest_path("vgg19-dcbb9e9d.pth"), "features.")
    ours = {name.removeprefix("network."): shape for name, shape in own(full["vgg"]).items()}
    assert ours == {name: shape for name, shape in wanted.items() if not name.startswith("classifier.")}
