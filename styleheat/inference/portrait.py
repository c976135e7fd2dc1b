"""A portrait made ready to be driven: its face found, brought into FFHQ's framing, and inverted once."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from styleheat.errors import InputError
from styleheat.face.align import ffhq_align, ffhq_quad
from styleheat.face.landmarks import Landmarker
from styleheat.inference.drive import fitted
from styleheat.media.image import read_image
from styleheat.morphable.coefficients import descriptor
from styleheat.networks.inversion import Inversion
from styleheat.networks.styleheat import StyleHEAT

ALIGNED = 0.08
"""A picture counts as aligned already when the corners of its FFHQ square lie within this share of its side from the
picture's own: aligning it again would only blur it."""


@dataclass(frozen=True)
class Portrait:
    """One person's picture and all that the frames to come have in common.

    image: (S,S,3) uint8 in FFHQ's framing, S the generator's size.
    descriptor: (73,) float32, the portrait's own expression, pose and crop.
    inversion: of batch 1.
    """

    image: np.ndarray
    descriptor: np.ndarray
    inversion: Inversion


def read_portrait(path: str | Path, model: StyleHEAT, finder: Landmarker) -> Portrait:
    """Find the largest face of a picture file, align it unless it is, and invert it.

    Raises InputError when the file is no picture or shows no face.
    """
    image = read_image(path)
    landmarks = finder.landmarks(image)
    if landmarks is None:
        raise InputError(f"{path}: no face found; give a picture of a face seen from the front and not cut off")
    aligned = frame_face(image, landmarks, model.config.image_size)
    landmarks = finder.landmarks(aligned)
    if landmarks is None:  # a face at the very edge of the picture, or tiny
        raise InputError(f"{path}: the face can't be made out once it is cropped; give a larger, uncut picture of it")
    return prepare(aligned, descriptor(fitted(landmarks[None], model.config.image_size))[0], model)


def frame_face(image: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """(H,W,3) uint8 and its landmarks (68,2) → (size,size,3) in FFHQ's framing; one that has it is only resized."""
    height, width = image.shape[:2]
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)])  # in the order of the quad
    if np.abs(ffhq_quad(landmarks) - corners).max() > ALIGNED * max(height, width):
        return ffhq_align(image, landmarks, size)
    shrinks = size < max(height, width)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


@torch.inference_mode()
def prepare(image: np.ndarray, descriptor: np.ndarray, model: StyleHEAT) -> Portrait:
    """Invert a picture (S,S,3) uint8 that is framed already and whose descriptor (73,) is known."""
    device = next(model.parameters()).device
    return Portrait(image, descriptor, model.generator.invert(to_tensor(image).to(device)))


def to_tensor(image: np.ndarray) -> Tensor:
    """(H,W,3) uint8 → (1,3,H,W) float32 in [-1,1]."""
    return torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
