"""Deep3DFaceRecon: the regressor of 257 coefficients from an image, the crop that it needs, its face model.

The reference is github.com/sicxu/Deep3DFaceRecon_pytorch (Deng et al. 2019, arXiv 1903.08527) as StyleHEAT uses it:
`models/networks.py` (ReconNetWrapper), `util/preprocess.py` (align_img), `models/bfm.py` (ParametricFaceModel). The
face model is the Basel Face Model 2009 (Paysan et al.), which has a licence of its own and is optional here:
coefficients need the regressor and five standard points only.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from math import pi, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from styleheat.constants import COEFFICIENTS
from styleheat.errors import InputError
from styleheat.morphable import coefficients as layout
from styleheat.morphable.camera import CAMERA_DISTANCE, CENTRE, FOCAL
from styleheat.morphable.fitting import fill

PARTS = (80, 64, 80, 3, 27, 2, 1)
"""Coefficients of each final layer: identity, expression, texture, angle, gamma, and translation across and along."""

BATCH = 16
"""Frames that go through the regressor at once."""


# --- the crop


class Aligned(NamedTuple):
    image: np.ndarray
    """(224, 224, 3) uint8."""
    transform_params: np.ndarray
    """(5,) float64, as `coefficients.transform_params` gives them."""
    landmarks: np.ndarray
    """(68, 2) in pixels of the crop, y UP; or the five that stand in for them."""


def standard_points(lm: np.ndarray) -> np.ndarray:
    """The variable `lm` (68, 3) of similarity_Lm3D_all.mat → its five points (5, 3), y up (`load_lm3d`)."""
    return layout.five_points(np.asarray(lm, np.float64))


def align(image: np.ndarray, landmarks: np.ndarray, standard: np.ndarray) -> Aligned:
    """Crop a face as the regressor was trained to see it (`align_img`, rounding as it rounds).

    image: (H, W, 3) uint8 RGB. landmarks: (68, 2) in pixels of the image scaled to 256 × 256, y down; all −1 where
    there is no face; it is then assumed to fill the frame. standard: the five points (5, 3).
    """
    size, crop = layout.FRAME_SIZE, layout.CROP_SIZE
    frame = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    if (landmarks == -1).all():
        points = (standard[:, :2] + 1) / 2 * size
        params = np.array([size, size, layout.CROP_SCALE / (size / 2), size / 2, size / 2])
    else:
        points = np.array(landmarks, np.float64)
        points[:, 1] = size - 1 - points[:, 1]
        params = layout.transform_params(np.asarray(landmarks)[None], standard)[0]
    ratio, centre = params[2], params[3:]
    scaled = int(size * ratio)
    left = int(scaled / 2 - crop / 2 + (centre[0] - size / 2) * ratio)
    top = int(scaled / 2 - crop / 2 + (size / 2 - centre[1]) * ratio)
    cropped = frame.resize((scaled, scaled), Image.Resampling.BICUBIC).crop((left, top, left + crop, top + crop))
    points = (points - centre + size / 2) * ratio - (scaled / 2 - crop / 2)
    return Aligned(np.asarray(cropped), params, points)


# --- the regressor


class Regressor(nn.Module):
    """A ResNet-50 and one linear layer for each kind of coefficient (`ReconNetWrapper`, use_last_fc=False)."""

    def __init__(self) -> None:
        from torchvision.models import resnet50  # takes seconds to import

        super().__init__()
        self.backbone = resnet50()
        self.backbone.fc = nn.Identity()
        self.final_layers = nn.ModuleList(nn.Conv2d(2048, count, 1) for count in PARTS)

    def forward(self, image: Tensor) -> Tensor:
        """Crops (B, 3, 224, 224) in [0, 1] → coefficients (B, 257)."""
        features = self.backbone(image)[:, :, None, None]
        return torch.cat([layer(features) for layer in self.final_layers], dim=1).flatten(1)


# --- the face model


class Face(NamedTuple):
    """The faces of B coefficient vectors. V: vertices of the face model."""

    vertex: Tensor
    """(B, V, 3) in the camera's axes: x to the right, y up, z away from it."""
    texture: Tensor
    """(B, V, 3) colour of the skin, 0 to 1."""
    color: Tensor
    """(B, V, 3) the same in the light of gamma."""
    landmarks: Tensor
    """(B, 68, 2) pixels of the crop, y UP."""
    rotation: Tensor
    """(B, 3, 3) for row vectors: turned = vertex @ rotation."""


class BaselFace(nn.Module):
    """The linear face model of BFM_model_front.mat (`ParametricFaceModel`)."""

    mean_shape: Tensor
    mean_texture: Tensor
    identity: Tensor
    expression: Tensor
    texture: Tensor
    triangles: Tensor
    triangles_of: Tensor
    keypoints: Tensor

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """state: as `face_model_state` makes it; sizes are the tensors' own."""
        super().__init__()
        for name, tensor in state.items():
            self.register_buffer(name, tensor)

    def forward(self, coefficients: Tensor) -> Face:
        """Coefficients (B, 257)."""
        identity, expression, texture, angle, gamma, translation = (
            coefficients[:, part]
            for part in (
                layout.IDENTITY,
                layout.EXPRESSION,
                layout.TEXTURE,
                layout.ANGLE,
                layout.GAMMA,
                layout.TRANSLATION,
            )
        )
        shape = (self.mean_shape + identity @ self.identity.T + expression @ self.expression.T).unflatten(1, (-1, 3))
        skin = ((self.mean_texture + texture @ self.texture.T) / 255).unflatten(1, (-1, 3))
        turn = rotation(angle)
        vertex = shape @ turn + translation[:, None]
        vertex = torch.cat([vertex[..., :2], CAMERA_DISTANCE - vertex[..., 2:]], dim=-1)
        landmarks = vertex[:, self.keypoints]
        landmarks = FOCAL * landmarks[..., :2] / landmarks[..., 2:] + CENTRE
        return Face(vertex, skin, skin * light(self.normals(shape) @ turn, gamma), landmarks, turn)

    def normals(self, shape: Tensor) -> Tensor:
        """Vertices (B, V, 3) → unit normals (B, V, 3), the mean of those of the up to 8 triangles around each."""
        a, b, c = shape[:, self.triangles].unbind(2)
        faces = F.normalize(torch.linalg.cross(a - b, b - c), dim=-1)
        faces = F.pad(faces, (0, 0, 0, 1))  # the index of missing triangles
        return F.normalize(faces[:, self.triangles_of].sum(2), dim=-1)


def face_model_state(content: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The variables of BFM_model_front.mat that the model uses, with indices from 0 and the mean face centred at 0;
    shapes as for `BaselFace`.

    Raises KeyError for one that is missing.
    """
    mean = np.asarray(content["meanshape"], np.float32).reshape(-1, 3)
    arrays = {
        "mean_shape": (mean - mean.mean(0)).reshape(1, -1),
        "mean_texture": np.asarray(content["meantex"], np.float32).reshape(1, -1),
        "identity": np.asarray(content["idBase"], np.float32),
        "expression": np.asarray(content["exBase"], np.float32),
        "texture": np.asarray(content["texBase"], np.float32),
        "triangles": np.asarray(content["tri"], np.int64) - 1,
        "triangles_of": np.asarray(content["point_buf"], np.int64) - 1,
        "keypoints": np.asarray(content["keypoints"], np.int64).reshape(-1) - 1,
    }
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def rotation(angles: Tensor) -> Tensor:
    """Angles (B, 3) in radians → matrices (B, 3, 3) for row vectors: the transpose of `model.rotation`."""
    (sx, sy, sz), (cx, cy, cz) = angles.sin().unbind(1), angles.cos().unbind(1)
    columns = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return torch.stack([torch.stack(column, dim=1) for column in columns], dim=2)


def light(normals: Tensor, gamma: Tensor) -> Tensor:
    """Unit normals (B, V, 3), gamma (B, 27) → light (B, V, 3): nine spherical harmonics for each of red, green, blue.

    0.8 is added to gamma's first harmonic (`compute_color`).
    """
    x, y, z = normals.unbind(-1)
    constant = pi / sqrt(4 * pi)
    linear = 2 * pi / sqrt(3) * sqrt(3) / sqrt(4 * pi)
    square = 2 * pi / sqrt(8) * 3 * sqrt(5) / sqrt(12 * pi)
    harmonics = [
        torch.full_like(x, constant),
        -linear * y,
        linear * z,
        -linear * x,
        square * x * y,
        -square * y * z,
        0.5 * square / sqrt(3) * (3 * z * z - 1),
        -square * x * z,
        0.5 * square * (x * x - y * y),
    ]
    ambient = F.one_hot(torch.tensor(0), 9).to(gamma) * 0.8
    return torch.stack(harmonics, dim=-1) @ (gamma.unflatten(1, (3, 9)) + ambient).mT


# --- a clip


class Deep3D(nn.Module):
    """The regressor, the points that faces are aligned to, and, optionally, the face model."""

    standard: Tensor

    def __init__(self, face: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.regressor = Regressor()
        self.register_buffer("standard", torch.zeros(5, 3, dtype=torch.float64))
        self.face = BaselFace(face) if face else None

    @torch.inference_mode()
    def coefficients(self, frames: Iterable[np.ndarray], landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients of T frames, BATCH at a time, on the regressor's device.

        frames: (H, W, 3) uint8 RGB each. landmarks: (T, 68, 2) in pixels of the frames scaled to 256 × 256, y down;
        −1 where there is no face. Returns float32 (T, 257) and `transform_params` float32 (T, 5).
        """
        standard, device = self.standard.numpy(), next(self.regressor.parameters()).device
        found, params = [], []
        pairs = zip(frames, landmarks, strict=True)
        while batch := list(islice(pairs, BATCH)):
            crops = [align(frame, points, standard) for frame, points in batch]
            images = torch.from_numpy(np.stack([crop.image for crop in crops])).to(device)
            found.append(self.regressor(images.permute(0, 3, 1, 2).float() / 255).cpu().numpy())
            params += [crop.transform_params for crop in crops]
        vectors = np.concatenate(found)
        assert vectors.shape == (len(params), COEFFICIENTS), vectors.shape
        return vectors, np.stack(params).astype(np.float32)


@cache
def open_deep3d(folder: str | Path, device: str = "cpu") -> Deep3D:
    """`read_deep3d`, cached per process, for workers that process many clips."""
    return read_deep3d(folder, device)


def read_deep3d(folder: str | Path, device: str = "cpu") -> Deep3D:
    """The model folder that the stage `weights` makes, in eval mode. Raises InputError when it can't be used."""
    path = Path(folder) / "model.safetensors"
    if not path.is_file():
        raise InputError(
            f"{path}: missing; the coefficients of deep3d need the released regressor, which the stage `weights` "
            "converts to models/official/deep3d: add deep3d to weights.models in params.yaml"
        )
    try:
        state = safetensors.torch.load_file(path)
        face = {name.removeprefix("face."): tensor for name, tensor in state.items() if name.startswith("face.")}
        with torch.device("meta"):
            model = Deep3D(face)
        model.load_state_dict(state, assign=True)
    except (safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"{path}: not the regressor Deep3D ({reason}); run the stage `weights` again") from None
    model.regressor.to(device)  # only this: some devices have no float64, which the standard points use
    return model.eval().requires_grad_(False)


def regress(
    model: Deep3D, frames: Iterable[np.ndarray], landmarks: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of a clip, as `fitting.fit` returns them, from its frames.

    frames: (size, size, 3) uint8 RGB each. landmarks: (T, 68, 2) in pixels of the frames, y down; a frame of −1 has
    no face. Returns float32 (T, 257) and `transform_params` float32 (T, 5). Frames without a face get values between
    their neighbours' (the reference assumes a face that fills the frame, as `align` can).

    Raises InputError when no frame has a face, ValueError when there are not as many frames as landmarks.
    """
    here = layout.has_face(landmarks)
    if not here.any():
        raise InputError(f"landmarks: no face in any of {len(landmarks)} frames; nothing to find coefficients of")
    with_face = (frame for frame, found in zip(frames, here, strict=True) if found)
    coefficients, params = model.coefficients(with_face, landmarks[here] * (layout.FRAME_SIZE / size))
    return fill(coefficients, here).astype(np.float32), fill(params, here).astype(np.float32)
