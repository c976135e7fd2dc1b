"""Checkpoint files as the originals are laid out, filled by the fixtures' rule, become model folders."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch

from styleheat import checkpoints, releases
from styleheat.morphable.deep3d import open_deep3d
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.editing import Editing
from styleheat.networks.inversion import Inverter
from styleheat.networks.perceptual import Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper

from .conftest import Golden, manifest_path
from .released import write


def checkpoint(fill: ModuleType, name: str, seed: int) -> dict:
    return fill.to_torch(fill.build_checkpoint(fill.load_manifest(str(manifest_path(name))), seed))


def test_audio_files_both_layouts(golden: Callable[[str], Golden], fill: ModuleType, tmp_path: Path) -> None:
    """The two older files, and the single newer one, which holds other networks too."""
    seed = golden("sadtalker").seed
    flat = {"generator.x": torch.zeros(1)}
    for file, prefix in ((releases.EXPRESSION, "audio2exp."), (releases.POSE, "audio2pose.")):
        content = checkpoint(fill, file.name, seed)
        torch.save(content, tmp_path / file.name)
        flat |= {prefix + name: tensor for name, tensor in content["model"].items()}
    releases.convert_released("audio", tmp_path, tmp_path / "two", {})
    safetensors.torch.save_file(flat, tmp_path / releases.SADTALKER.name)
    releases.convert_released("audio", tmp_path, tmp_path / "one", {})
    del flat["generator.x"]
    for folder in ("one", "two"):
        opened = checkpoints.open_model(tmp_path / folder, Audio2Motion).state_dict()
        assert opened.keys() == flat.keys()
        assert all(torch.equal(opened[name], tensor) for name, tensor in flat.items())


@pytest.mark.slow
def test_every_file_at_full_size(golden: Callable[[str], Golden], fill: ModuleType, tmp_path: Path) -> None:
    seed = golden("styleheat_forward_full").seed
    names = [name for name in releases.RELEASED if name != "scores"]  # whose networks are tested with their scores
    files = {file for name in names for file in releases.released_files(name, tmp_path)}
    write(tmp_path, files | {releases.WARPER, releases.FACE_MODEL}, fill, seed)
    kinds = {
        "prior": Inverter,
        "styleheat": StyleHEAT,
        "warper": VideoWarper,
        "discriminator": Discriminator,
        "vgg19": lambda config: Vgg19(),
        "audio": Audio2Motion,
        "editing": Editing,
    }
    assert kinds.keys() | {"deep3d"} == set(names)
    for name in names:
        started = time.perf_counter()
        releases.convert_released(name, tmp_path, tmp_path / "made" / name, {})
        converted = time.perf_counter()
        folder = tmp_path / "made" / name
        model = open_deep3d(folder) if name == "deep3d" else checkpoints.open_model(folder, kinds[name])
        opened = time.perf_counter()
        count = sum(tensor.numel() for tensor in model.state_dict().values())
        print(
            f"{name:10s} {count / 1e6:6.1f} M  convert {converted - started:5.1f} s  open {opened - converted:4.1f} s"
        )
    manifest = fill.load_manifest(str(manifest_path(releases.VISUAL.name)))
    entry = next(e for e in manifest["entries"] if e["name"].endswith("hfgi_encoder.conv_layer1.0.weight"))
    model = checkpoints.open_model(tmp_path / "made" / "styleheat", StyleHEAT)
    wanted = torch.from_numpy(fill.fill_entry(entry, seed))
    assert torch.equal(model.generator.hfgi_encoder.conv_layer1[0].weight, wanted)
