"""Deep3DFaceRecon's crop, regressor, 73 numbers, windows and face model give the reference's numbers."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from styleheat import releases
from styleheat.morphable.coefficients import (
    crop_norm_ratio,
    descriptor,
    pack_coefficients,
    window,
    window_indices,
)
from styleheat.morphable.deep3d import BaselFace, Deep3D, align, face_model_state, open_deep3d, standard_points

from .conftest import Golden, pool
from .released import write


@pytest.fixture(scope="module")
def fixture(golden: Callable[[str], Golden]) -> Golden:
    return golden("deep3d")


@pytest.fixture(scope="module")
def standard(fixture: Golden) -> np.ndarray:
    return standard_points(fixture.weights("BFM__similarity_Lm3D_all.mat", "")["lm"].numpy())


@pytest.fixture(scope="module")
def model(fixture: Golden, standard: np.ndarray) -> Deep3D:
    with torch.device("meta"):
        model = Deep3D()
    state = {f"regressor.{n}": t for n, t in fixture.weights("Deep3D__epoch_20.pth", "net_recon/").items()}
    model.load_state_dict({**state, "standard": torch.from_numpy(standard)}, assign=True)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def coefficients(fixture: Golden, model: Deep3D) -> Tensor:
    return model.regressor((fixture.image("d3.image", 3, 3, 224, 224) + 1) / 2)


def test_regressor(fixture: Golden, model: Deep3D, coefficients: Tensor) -> None:
    fixture.close("backbone", model.regressor.backbone((fixture.image("d3.image", 3, 3, 224, 224) + 1) / 2)[:, ::8])
    fixture.close("coeffs257", coefficients)


def test_face_model(fixture: Golden, coefficients: Tensor) -> None:
    content = {name: tensor.numpy() for name, tensor in fixture.weights("BFM__BFM_model_front.mat", "").items()}
    face = BaselFace(face_model_state(content))(coefficients)
    fixture.close("bfm.vertex", face.vertex[:, ::12])
    fixture.close("bfm.texture", face.texture[:, ::12])
    fixture.close("bfm.color", face.color[:, ::12])
    fixture.close("bfm.landmarks68", face.landmarks)
    fixture.close("bfm.rotation", face.rotation)


def test_from_files(fixture: Golden, fill: ModuleType, coefficients: Tensor, tmp_path: Path) -> None:
    """The regressor's file, the standard points and the face model, converted and opened as the stages do."""
    files = (releases.DEEP3D, releases.STANDARD, releases.FACE_MODEL)
    write(tmp_path, files, fill, fixture.seed)
    assert releases.released_files("deep3d", tmp_path) == files
    releases.convert_released("deep3d", tmp_path, tmp_path / "made", {})
    model = open_deep3d(tmp_path / "made")
    assert model.face is not None
    fixture.close("lm3d_std5", model.standard, 1e-12)
    fixture.close("coeffs257", model.regressor((fixture.image("d3.image", 3, 3, 224, 224) + 1) / 2))
    face = model.face(coefficients)
    fixture.close("bfm.vertex", face.vertex[:, ::12])
    fixture.close("bfm.color", face.color[:, ::12])
    fixture.close("bfm.landmarks68", face.landmarks)


def test_standard_points(fixture: Golden, standard: np.ndarray) -> None:
    fixture.close("lm3d_std5", standard, 1e-12)


@pytest.mark.parametrize("case", ["align", "align_nolm"])
def test_align(fixture: Golden, standard: np.ndarray, case: str) -> None:
    points = fixture["align.landmarks_in"] if case == "align" else np.full((68, 2), -1.0)
    crop = align(fixture["image"], points, standard)
    fixture.close(f"{case}.trans_params", crop.transform_params)
    fixture.close(f"{case}.landmarks_out", crop.landmarks)
    image = torch.from_numpy(np.array(crop.image)).permute(2, 0, 1).double() / 255
    fixture.close(f"{case}.image224_01", pool(image, 2))
    if case == "align":
        ratio, *centre = crop.transform_params[2:]
        fixture.close("align.POS_t_s", np.array([*centre, 102 / ratio]))


def test_descriptors_of_rotated_images(fixture: Golden, model: Deep3D) -> None:
    image = Image.fromarray(fixture["image"]).resize((256, 256), Image.Resampling.BICUBIC)
    points = fixture["sem73.landmarks_in"]
    frames = (np.asarray(image.rotate(3 * i - 30)) for i in range(len(points)))
    descriptors = descriptor(pack_coefficients(*model.coefficients(frames, points)))
    fixture.close("sem73", descriptors)
    fixture.close("sem73.windows", np.stack([window(descriptors, frame) for frame in (0, 1, 11, 22)]))


def test_window_indices(fixture: Golden) -> None:
    near = np.stack([window_indices(frame, 23) for frame in (0, 1, 11, 22)])
    far = np.stack([window_indices(frame, 100) for frame in (0, 5, 50, 99)])
    assert np.array_equal(near, fixture["sem73.window_index"])
    assert np.array_equal(far, fixture["sem73.window_index_long"])


def test_crop_norm_ratio(fixture: Golden) -> None:
    source = fixture.normal("cnr.source", 1, 73, std=0.5).numpy()
    target = fixture.normal("cnr.target", 9, 73, std=0.5).numpy()
    source[:, 70] = fixture.fill.uniform("cnr.source_ratio", (1,), fixture.seed, 0.6, 1.2)
    target[:, 70] = fixture.fill.uniform("cnr.target_ratio", (9,), fixture.seed, 0.6, 1.2)
    fixture.close("crop_norm_ratio", np.array([crop_norm_ratio(source[0], target)]))
