"""Prepares a portrait for animation: finds the face, aligns it as in FFHQ, and inverts it once."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from styleheat.checkpoints import WEIGHTS, load_model, open_model
from styleheat.errors import InputError
from styleheat.face.align import ffhq_alignment, ffhq_framing, ffhq_quad, resizing
from styleheat.inference.edit import edit
from styleheat.inference.reader import FaceReader
from styleheat.inference.still import read_still
from styleheat.morphable.coefficients import FRAME_SIZE, descriptor
from styleheat.morphable.geometry import Geometry
from styleheat.networks.config import NetworkConfig
from styleheat.networks.editing import STRENGTHS, Editing
from styleheat.networks.inversion import Inversion, Inverter
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import GradientLoss, PerceptualLoss, Vgg19
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import Infer

ALIGNED = 0.08
"""An image counts as aligned already when the corners of its FFHQ square lie within this share of its side from the
image's own: aligning it again would only blur it."""

NEIGHBOUR = 0.1
"""Landmarks found in the aligned image that lie this share of its side from where the photograph's should be are of
another face that reaches into it."""

LEARNING_RATE = 0.01
STYLE, UNUSUAL, MOVED = 250.0, 0.001, 0.1
"""Of the optimisation: Adam's learning rate; weights of the style term in the perceptual loss, of unusual codes, and of
F's distance from where it began (StyleHEAT `EmbeddingLossBuilder`, after Barbershop, arXiv 2106.01505)."""

Invert = Callable[[Tensor], Inversion]
"""A portrait (1,3,H,H) in [-1,1] → its inversion."""


@dataclass(frozen=True)
class Portrait:
    """A person's image and everything that its generated frames share.

    image: (S,S,3) uint8 in FFHQ's framing, S the size of the frames to come.
    photo: (H,W,3) uint8, what it was cut from. opaque: how opaque that is, (H,W) uint8; None: everywhere.
    to_photo: (2,3), where in the photo its pixels are (`align.Alignment.to_image`).
    coefficients: (260,) float32, packed, and landmarks (68,2), in pixels of the image scaled to 256.
    inversion: of batch 1.
    """

    image: np.ndarray
    photo: np.ndarray
    to_photo: np.ndarray
    coefficients: np.ndarray
    landmarks: np.ndarray
    inversion: Inversion
    opaque: np.ndarray | None = None

    @property
    def descriptor(self) -> np.ndarray:
        """(73,), the portrait's own expression, pose and crop."""
        return descriptor(self.coefficients[None])[0]

    def geometry(self) -> Geometry:
        return Geometry(self.coefficients, self.landmarks, len(self.image))


def read_portrait(
    path: str | Path,
    model: StyleHEAT,
    reader: FaceReader,
    invert: Invert | None = None,
    which: int = 0,
    largest: int = 512,
    moment: float | None = None,
) -> Portrait:
    """Find a face of an image file, or of a frame of a video, align it unless it is, and invert it: by the encoder, or
    by `invert`.

    moment: which frame of a video, see `still.read_still`. which: the largest face, or so many smaller ones on.
    largest: pixels of the frames to come, at most, of networks that take detail from the image; others paint frames
    of their own size. Raises InputError when the file is no image or shows no such face.
    """
    photo, opaque = read_still(path, reader, moment)
    landmarks = reader.find(photo, path, which)
    size = frame_size(model.config, landmarks, largest)
    aligned, to_photo = frame_face(photo, landmarks, size, model.config.released)
    found = reader.landmarker.landmarks(aligned)
    if found is None:  # a face at the very edge of the image, or tiny
        raise InputError(f"{path}: the face can't be made out once it is cropped; give a larger, uncut image of it")
    expected = (landmarks - to_photo[:, 2]) @ np.linalg.inv(to_photo[:, :2]).T
    if np.linalg.norm(found - expected, axis=1).mean() > NEIGHBOUR * size:
        found = expected
    coefficients = reader.coefficients([aligned], found[None], size)[0]
    face = prepare(aligned, coefficients, found * np.float32(FRAME_SIZE / size), model, invert)
    return dataclasses.replace(face, photo=photo, to_photo=to_photo, opaque=opaque)


def frame_size(config: NetworkConfig, landmarks: np.ndarray, largest: int) -> int:
    """Pixels a side of the frames of a portrait with landmarks (68,2): the generator's own; or, with detail from the
    photograph, as many as that has of the square around the face, but no fewer than twice the generator's and `largest`
    at most; even."""
    if not config.detail:
        return config.image_size
    return min(largest, max(2 * config.image_size, round(ffhq_framing(landmarks).side / 2) * 2))


def frame_face(image: np.ndarray, landmarks: np.ndarray, size: int, released: bool) -> tuple[np.ndarray, np.ndarray]:
    """(H,W,3) uint8 and its landmarks (68,2) → (size,size,3) in FFHQ's framing, and where its pixels were, (2,3).

    An image that has the framing is only resized.
    released: frame it as the released StyleHEAT does, black outside of the image. Otherwise, sample it more sharply and
    fill what is outside (`Alignment.apply_filled`).
    """
    height, width = image.shape[:2]
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)])  # in the order of the quad
    if np.abs(ffhq_quad(landmarks) - corners).max() > ALIGNED * max(height, width):
        alignment = ffhq_alignment(landmarks, width, height, size)
        return alignment.apply(image) if released else alignment.apply_filled(image), alignment.to_image
    way = cv2.INTER_AREA if size < max(height, width) else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=way), resizing(width, height, size)


def prepare(
    image: np.ndarray,
    coefficients: np.ndarray,
    landmarks: np.ndarray,
    model: StyleHEAT,
    invert: Invert | None = None,
) -> Portrait:
    """Invert an image (S,S,3) uint8 that is framed already; coefficients, landmarks: as in `Portrait`."""
    device = next(model.parameters()).device
    with torch.no_grad():
        inversion = (invert or model.generator.invert)(to_tensor(_averaged(image, model.config.image_size)).to(device))
    return Portrait(image, image, resizing(len(image), len(image), len(image)), coefficients, landmarks, inversion)


def _averaged(image: np.ndarray, size: int) -> np.ndarray:
    """Scale an image down to at most `size` pixels by averaging, which avoids aliasing."""
    return image if len(image) <= size else cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def inverter(infer: Infer, model: StyleHEAT) -> Invert:
    """Choose how portraits are inverted and edited by `infer.inversion` and `infer.edit`.

    Raises InputError when weights for it are missing or of another model.
    """
    method, wanted = infer.inversion, infer.edit
    device = next(model.parameters()).device
    editing = None
    if (method.method != "encoder" or wanted.attribute != "none") and (Path(infer.editing_weights) / WEIGHTS).is_file():
        editing = open_model(infer.editing_weights, Editing).to(device)
        codes = (model.config.codes, model.config.style_dim)
        if editing.age.shape != codes:
            fault = f"{infer.editing_weights} is for codes of {tuple(editing.age.shape)}, {infer.models} has {codes}"
            raise InputError(f"params.yaml: infer.editing_weights: {fault}; directions fit only the model they are of")
    if wanted.attribute != "none":
        if editing is None:
            raise InputError(
                f"params.yaml: infer.edit.attribute: {wanted.attribute} needs directions, and infer.editing_weights, "
                f"{infer.editing_weights}, has none; only the released model has some, models/official/editing"
            )
        strength = STRENGTHS[wanted.attribute] if wanted.strength is None else wanted.strength
        return lambda image: edit(model.generator, image, editing, wanted.attribute, strength)
    if method.method == "encoder":
        return model.generator.invert
    perceptual: nn.Module = GradientLoss()
    if method.perceptual == "vgg19":
        vgg = Vgg19()
        load_model(method.perceptual_weights, vgg)
        perceptual = PerceptualLoss(vgg.eval(), STYLE).to(device)
    return lambda image: optimise(model.generator, image, method.steps, perceptual, editing)[0]


def optimise(
    prior: Inverter, image: Tensor, steps: int, perceptual: nn.Module, editing: Editing | None
) -> tuple[Inversion, list[dict[str, float]]]:
    """Optimise the inversion of a portrait (1,3,H,H) in [-1,1], starting from the encoder's.

    F is free, and of the codes those rows that act above it alone. Without `editing`, nothing keeps the codes usual.
    Source: StyleHEAT `optimize_inverse`, but for its image and codes, which are those before the last step.
    Returns the inversion and the losses of each step before it was taken, weighted: total, l2, perceptual, unusual,
    moved.
    """
    stylegan = prior.stylegan
    target = resize(image, 2 ** (stylegan.codes // 2 + 1))
    small = resize(target, prior.input_size)
    with torch.no_grad():
        start = prior.invert(small)
    first = stylegan.split + 2
    codes, upper = start.codes.clone(), start.codes[:, first:].clone().requires_grad_()
    feature = start.feature.clone().requires_grad_()
    assert start.base is not None
    paint = functools.partial(stylegan.above, base=start.base)
    adam = torch.optim.Adam([upper, feature], lr=LEARNING_RATE)
    history = []
    for _ in tqdm(range(steps), desc="inversion", unit="step", mininterval=1.0):
        with torch.enable_grad():
            rows = torch.cat([codes[:, :first], upper], dim=1)
            painted = paint(rows, feature)
            losses = {
                "l2": F.mse_loss(painted, target),
                "perceptual": perceptual(resize(painted, prior.input_size), small),
                "unusual": painted.new_zeros(()) if editing is None else UNUSUAL * editing.unusual(rows),
                "moved": MOVED * F.mse_loss(feature, start.feature),
            }
            total = torch.stack(list(losses.values())).sum()
            gradients = torch.autograd.grad(total, (upper, feature))
        upper.grad, feature.grad = gradients
        adam.step()
        history.append({name: float(loss.detach()) for name, loss in {"total": total, **losses}.items()})
    with torch.no_grad():
        rows, feature = torch.cat([codes[:, :first], upper], dim=1), feature.detach()
        seen = prior._seen(paint(rows, feature))
    return Inversion(seen, rows, feature, condition=None, base=start.base), history


def to_tensor(image: np.ndarray) -> Tensor:
    """(H,W,3) uint8 → (1,3,H,W) float32 in [-1,1]."""
    return torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
