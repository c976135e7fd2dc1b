"""Where W+ codes are moved to edit a face, and how usual a code is: statistics of StyleGAN2's latents on FFHQ."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig

STRENGTHS = {"young": -5.0, "old": 5.0, "pose": 3.0, "beard": -20.0, "lip": 20.0}
"""Attributes and the strengths that show them well (StyleHEAT `attribute_edit`; `pose`, the head's turn, is ours)."""

COMPONENTS = {"beard": (58, 7, 9), "lip": (34, 10, 11)}
"""GANSpace attributes: the principal component, and the code rows [first, last) that follow it (StyleHEAT
`LatentEditor`, after HFGI)."""

PULSE_SLOPE = 5.0
"""Slope of the leaky ReLU that undoes the mapping network's last one and makes codes nearly Gaussian (PULSE)."""


class Editing(nn.Module):
    """Directions of attributes in W+, and the distribution of W. All buffers, nothing to train."""

    age: Tensor
    pose: Tensor
    mean: Tensor
    components: Tensor
    deviations: Tensor
    pulse_mean: Tensor
    pulse_components: Tensor
    pulse_deviations: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        dim = config.style_dim
        self.register_buffer("age", torch.zeros(config.codes, dim))
        self.register_buffer("pose", torch.zeros(config.codes, dim))
        # GANSpace (arXiv 2004.02546): mean of W, and a row for each of COMPONENTS: unit direction, deviation along it
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("components", torch.zeros(len(COMPONENTS), dim))
        self.register_buffer("deviations", torch.ones(len(COMPONENTS)))
        # Barbershop (arXiv 2106.01505): the same kind of statistics of leaky_relu(w, PULSE_SLOPE), all of them
        self.register_buffer("pulse_mean", torch.zeros(dim))
        self.register_buffer("pulse_components", torch.eye(dim))
        self.register_buffer("pulse_deviations", torch.ones(dim))

    def forward(self, codes: Tensor, attribute: str, strength: float) -> Tensor:
        """W+ codes (B,codes,D) moved along one of STRENGTHS.

        `young` and `old` are one direction, as strong as the sign and size of `strength`; so is `pose` (InterFaceGAN).
        The others bring a principal component to `strength` deviations. Its present value is read from the first row
        of the code, as the reference does.
        """
        if attribute in ("young", "old", "pose"):
            return codes + strength * (self.pose if attribute == "pose" else self.age)
        _, first, last = COMPONENTS[attribute]
        index = list(COMPONENTS).index(attribute)
        component, deviation = self.components[index], self.deviations[index]
        present = (codes[:, 0] - self.mean) @ component / deviation  # (B,)
        step = ((strength - present) * deviation)[:, None] * component  # (B,D)
        edited = codes.clone()
        edited[:, first:last] += step[:, None]
        return edited

    def unusual(self, codes: Tensor) -> Tensor:
        """Mean square of codes (B,codes,D) in deviations of W's principal components: a scalar, 1 for ordinary ones."""
        centred = F.leaky_relu(codes, PULSE_SLOPE) - self.pulse_mean
        return (centred @ self.pulse_components.T / self.pulse_deviations).square().mean()
