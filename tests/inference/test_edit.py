"""Attributes, sweeps and inversion by optimisation, as params.yaml asks for them; on small networks."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from styleheat.checkpoints import save_model
from styleheat.errors import InputError
from styleheat.inference import portrait
from styleheat.inference.animate import animate
from styleheat.inference.drive import Motion
from styleheat.inference.edit import NOD, TURN, edit, sweep
from styleheat.inference.reader import FaceReader
from styleheat.morphable.coefficients import CROP, descriptor
from styleheat.morphable.model import face_model
from styleheat.networks.config import NETWORKS
from styleheat.networks.editing import STRENGTHS, Editing
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import GradientLoss
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import Infer, load_params

ROOT = Path(__file__).parents[2]


def wanted(**changed: Any) -> Infer:
    """The `infer` group of the committed params.yaml, with changes of its `inversion` and `edit`."""
    tree = load_params(ROOT / "params.yaml").infer.model_dump()
    tree["editing_weights"] = changed.pop("editing_weights", str(ROOT / "models" / "none"))
    for key, value in changed.items():
        tree[key] |= value
    return Infer.model_validate(tree)


@pytest.fixture(scope="module")
def directions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directions for small codes, drawn at random."""
    folder = tmp_path_factory.mktemp("editing")
    editing, rng = Editing(NETWORKS["embedded"]), torch.Generator().manual_seed(0)
    for tensor in (editing.age, editing.pose, editing.components):
        tensor.normal_(std=0.3, generator=rng)
    save_model(folder, editing, NETWORKS["embedded"], {})
    return folder


@pytest.fixture(scope="module")
def source_image() -> torch.Tensor:
    return torch.nn.functional.interpolate(
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1, (256, 256), mode="bicubic"
    ).clamp(-1, 1)


def test_by_default_the_encoder_inverts(model: StyleHEAT) -> None:
    assert portrait.inverter(load_params(ROOT / "params.yaml").infer, model) == model.generator.invert


@pytest.mark.parametrize("attribute", STRENGTHS)
def test_each_attribute_changes_the_video(
    attribute: str, directions: Path, model: StyleHEAT, source_image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = model.generator.stylegan.to_rgbs[-1].bias
    unmasked = bias.detach().clone()
    unmasked[:, 3] = -2.0  # a fresh network lets the portrait show through, which is not edited
    monkeypatch.setattr(bias, "data", unmasked)
    infer = wanted(edit={"attribute": attribute}, editing_weights=str(directions))
    weak = wanted(edit={"attribute": attribute, "strength": 0.1}, editing_weights=str(directions))
    image = ((source_image[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    coefficients = np.zeros(260, np.float32)
    coefficients[CROP] = 0.9, 128, 128
    landmarks = face_model().landmarks(coefficients[None])[0]
    frames = []
    for invert in (None, portrait.inverter(weak, model), portrait.inverter(infer, model)):
        face = portrait.prepare(image, coefficients, landmarks, model, invert)
        assert face.inversion.image.shape == (1, 3, 128, 128)
        frames.append(next(animate(model, face, descriptor(coefficients[None]))).astype(float))
    plain, little, much = frames
    assert np.abs(much - plain).mean() > max(0.05, np.abs(little - plain).mean() / 2)
    assert not np.array_equal(much, little)


def test_an_edit_of_strength_0_is_the_plain_inversion(model: StyleHEAT, source_image: torch.Tensor) -> None:
    editing = Editing(NETWORKS["embedded"])
    with torch.no_grad():
        plain, same = model.generator.invert(source_image), edit(model.generator, source_image, editing, "old", 0.0)
    assert torch.allclose(plain.feature, same.feature, atol=1e-5)


def test_weights_that_cannot_edit_are_one_clear_line(model: StyleHEAT, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"infer\.edit\.attribute: beard needs directions") as error:
        portrait.inverter(wanted(edit={"attribute": "beard"}), model)
    assert "\n" not in str(error.value)
    small = dataclasses.replace(NETWORKS["embedded"], style_dim=16)
    save_model(tmp_path, Editing(small), small, {})
    for asked in ({"edit": {"attribute": "old"}}, {"inversion": {"method": "optimise"}}):
        with pytest.raises(InputError, match=r"infer\.editing_weights: .* is for codes of \(14, 16\)") as error:
            portrait.inverter(wanted(**asked, editing_weights=str(tmp_path)), model)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"model\.safetensors: missing"):
        portrait.inverter(
            wanted(inversion={"method": "optimise", "perceptual": "vgg19", "perceptual_weights": str(tmp_path / "no")}),
            model,
        )


def test_optimisation_comes_nearer_and_leaves_the_model_alone(model: StyleHEAT, source_image: torch.Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    editing = Editing(NETWORKS["embedded"])
    made, history = portrait.optimise(model.generator, source_image, 20, GradientLoss(), editing)
    start = model.generator.invert(source_image)
    assert len(history) == 20 and history[-1]["total"] < 0.8 * history[0]["total"]
    seen = resize(source_image, 128)
    assert torch.nn.functional.mse_loss(made.image, seen) < torch.nn.functional.mse_loss(start.image, seen)
    free = model.generator.stylegan.split + 2
    moved = (made.codes != start.codes).flatten(2).any(2)[0]
    assert not moved[:free].any() and moved[free:].all()
    assert history[0]["moved"] == 0 < history[-1]["moved"] and history[0]["unusual"] > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not made.feature.requires_grad and not made.codes.requires_grad
    again, _ = portrait.optimise(model.generator, source_image, 20, GradientLoss(), editing)
    assert torch.equal(again.feature, made.feature)


def test_an_optimised_photo_is_animated(astronaut: Path, model: StyleHEAT, reader: FaceReader) -> None:
    infer = wanted(inversion={"method": "optimise", "steps": 3})
    face = portrait.read_portrait(astronaut, model, reader, portrait.inverter(infer, model))
    assert face.inversion.condition is None
    frames = list(animate(model, face, np.stack([face.descriptor] * 5)))
    assert len(frames) == 5 and frames[0].shape == (512, 512, 3)


def test_sweeps_take_the_place_of_one_part_of_the_motion() -> None:
    rng = np.random.default_rng(0)
    start, descriptors = rng.normal(size=73).astype(np.float32), rng.normal(size=(200, 73)).astype(np.float32)
    motion = Motion(descriptors, 25.0, rng.normal(size=100))
    assert sweep(motion, start, "none") is motion
    for kind, part in (("pose", slice(64, 67)), ("expression", slice(0, 64))):
        swept = sweep(motion, start, kind)
        assert swept.fps == 25 and swept.audio is motion.audio
        assert swept.descriptors.shape == (200, 73) and swept.descriptors.dtype == np.float32
        others = np.ones(73, bool)
        others[part] = False
        assert np.array_equal(swept.descriptors[:, others], descriptors[:, others])
        for edge in (0, -1):
            assert np.allclose(swept.descriptors[edge, part], start[part], atol=1e-6)
    frontal = np.zeros(73, np.float32)
    angles = sweep(motion, frontal, "pose").descriptors[:, 64:67]
    assert np.allclose(angles.max(0), (NOD, TURN, NOD), atol=0.05)
    assert np.allclose(angles.min(0), (-NOD, -TURN, -NOD), atol=0.05)
    assert np.allclose(np.diff(angles, axis=0), np.clip(np.diff(angles, axis=0), -0.05, 0.05))  # no jumps
    moved = sweep(motion, frontal, "expression").descriptors[:, :64]
    for name in ("jaw_open", "smile_left", "brow_inner_raise_right", "blink_left"):
        assert face_model().named(moved, name).max() > (0.8 if name.startswith("brow") else 1.5)
    assert len(sweep(Motion(descriptors[:1], 25.0), start, "pose").descriptors) == 1
