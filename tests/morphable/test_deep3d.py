"""The released regressor as a back end: converted from its files, on a photograph, and in the stage `coefficients`."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from scipy.io import savemat

from stages import coefficients as stage
from styleheat import releases
from styleheat.clips import index
from styleheat.clips.workers import Outcome, Task
from styleheat.errors import InputError
from styleheat.media.video import VideoWriter
from styleheat.morphable.camera import rotation as column_rotation
from styleheat.morphable.coefficients import ANGLE, read_mat, write_landmarks
from styleheat.morphable.deep3d import Regressor, align, open_deep3d, regress, rotation, standard_points
from styleheat.morphable.points import MEAN
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage

ROOT = Path(__file__).parents[2]
SIZE, FRAMES = 96, 6


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files laid out as the originals, their weights drawn at random."""
    folder = tmp_path_factory.mktemp("released")
    (folder / "Deep3D").mkdir()
    (folder / "BFM").mkdir()
    torch.manual_seed(0)
    torch.save({"net_recon": Regressor().state_dict(), "opt_00": {"state": {}}}, folder / releases.DEEP3D.name)
    savemat(folder / releases.STANDARD.name, {"lm": MEAN})
    return folder


@pytest.fixture(scope="module")
def weights(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep3d")
    releases.convert_released("deep3d", released, folder, {})
    return folder


def face_points(size: int) -> np.ndarray:
    """A frontal face in the middle of a frame."""
    return (MEAN[:, :2] * (1, -1) * 0.35 + 0.5) * size


def test_a_photograph(weights: Path) -> None:
    """Each part of the vector in its place, and no face between two gives what lies between them."""
    face = skimage.data.astronaut()[:256, 96:352]
    points = np.stack([face_points(256), np.full((68, 2), -1), face_points(256) + np.array([20, 0])])
    model = open_deep3d(weights)
    found, params = regress(model, [face] * 3, points, 256)
    assert found.shape == (3, 257) and params.shape == (3, 5) and found.dtype == params.dtype == np.float32
    assert np.isfinite(found).all() and np.abs(found[0] - found[2]).max() > 1e-3
    np.testing.assert_allclose(found[1], (found[0] + found[2]) / 2, atol=1e-5)
    np.testing.assert_allclose(params[2] - params[0], [0, 0, 0, 20, 0], atol=1e-3)
    crop = align(face, points[0], model.standard.numpy())
    assert crop.image.shape == (224, 224, 3) and crop.image.dtype == np.uint8
    np.testing.assert_allclose(crop.landmarks.mean(0), 112, atol=30)
    image = torch.from_numpy(np.array(crop.image)).permute(2, 0, 1)[None] / 255
    features = model.regressor.backbone(image)[..., None, None]
    np.testing.assert_allclose(found[0, ANGLE], model.regressor.final_layers[3](features).flatten(), atol=1e-5)


def test_the_crop_follows_the_face(weights: Path) -> None:
    """The same face, moved and scaled in a larger image, is cropped to the same image but for resampling."""
    standard = standard_points(MEAN)
    y, x = np.mgrid[:256, :256] / 256
    paint = lambda x, y: np.stack([np.sin(9 * x + k) * np.cos(7 * y) for k in range(3)], -1)  # noqa: E731
    here = (paint(x, y) * 100 + 128).astype(np.uint8)
    moved = (paint((x - 0.1) / 0.8, (y - 0.1) / 0.8) * 100 + 128).astype(np.uint8)
    one = align(here, face_points(256), standard)
    two = align(moved, (face_points(256) / 256 * 0.8 + 0.1) * 256, standard)
    assert one.transform_params[2] == pytest.approx(0.8 * two.transform_params[2])
    assert np.abs(one.image[40:-40, 40:-40].astype(int) - two.image[40:-40, 40:-40]).mean() < 4


def test_rotation_is_that_of_our_own_model() -> None:
    angles = np.random.default_rng(0).normal(size=(5, 3)) * 0.4
    ours = column_rotation(angles).swapaxes(1, 2)
    np.testing.assert_allclose(rotation(torch.from_numpy(angles)), ours, atol=1e-12)


def test_files_that_are_not_what_they_should_be(released: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"epoch_20\.pth: missing; .* get it from https://github"):
        releases.released_deep3d(tmp_path)
    (tmp_path / "Deep3D").symlink_to(released / "Deep3D")
    with pytest.raises(InputError, match=r"similarity_Lm3D_all\.mat: missing; .* get it from https://raw"):
        releases.released_deep3d(tmp_path)
    (tmp_path / "BFM").mkdir()
    (tmp_path / releases.STANDARD.name).write_bytes(b"no MATLAB file at all")
    with pytest.raises(InputError, match="not weights, or cut short; it should hold the standard landmarks"):
        releases.released_deep3d(tmp_path)
    savemat(tmp_path / releases.STANDARD.name, {"lm": MEAN[:5]})
    with pytest.raises(InputError, match=r"no variable `lm` of shape \(68, 3\)"):
        releases.released_deep3d(tmp_path)
    savemat(tmp_path / releases.STANDARD.name, {"lm": MEAN})
    savemat(tmp_path / releases.FACE_MODEL.name, {"meanshape": np.zeros((1, 12))})
    with pytest.raises(InputError, match=r"BFM_model_front\.mat: not a face model .* Basel Face Model .* licence"):
        releases.released_deep3d(tmp_path)
    with pytest.raises(InputError, match="missing; the coefficients of deep3d need the released regressor"):
        open_deep3d(tmp_path)


def test_a_set_has_coefficients_of_one_back_end(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing the back end finds every clip's coefficients anew, and the record says which it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))

    def write_clip(name: str, path: Path) -> Outcome:
        with VideoWriter(path, (SIZE, SIZE)) as video:
            for frame in range(FRAMES):
                video.write(np.full((SIZE, SIZE, 3), 20 * frame, np.uint8))
        return Outcome(files=[path])

    def write_points(name: str, path: Path) -> Outcome:
        points = np.tile(face_points(SIZE), (FRAMES, 1, 1))
        points[2] = -1
        write_landmarks(path, points)
        return Outcome(files=[path])

    names = ["a", "b"]
    for room, write, suffix in (("clips", write_clip, ".mp4"), ("landmarks", write_points, ".txt")):
        folder = Path("data/vox", room)
        tasks = {name: Task(name, (folder / f"{name}{suffix}",)) for name in names}
        index.process(folder, tasks, write, backend="threading")
    content = read_yaml(ROOT / "params.yaml")
    content["runtime"]["workers"] = 1
    kinds: dict[str, list[np.ndarray]] = {}
    for backend in ("fit", "deep3d", "fit"):
        content["sets"]["vox"]["coefficients"] = {"backend": backend, "weights": str(weights)}
        stage.body(Stage("coefficients", check_params(content), "vox"))
        entries = index.read(Path("data/vox/coefficients"))
        assert {entry.facts["backend"] for entry in entries.values()} == {backend} and len(entries) == len(names)
        metrics = json.loads(Path("metrics/vox/coefficients.json").read_text())
        assert metrics["frames_filled_in"] == 2 and ("fit_error" in metrics) == (backend == "fit")
        kinds.setdefault(backend, []).append(read_mat("data/vox/coefficients/a.mat")[0])
    np.testing.assert_array_equal(kinds["fit"][0], kinds["fit"][1])
    assert not np.allclose(kinds["fit"][0], kinds["deep3d"][0])
