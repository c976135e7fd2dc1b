"""From a portrait to the generator's own terms: W+ codes and the feature map F (HFGI, arXiv 2109.06590)."""

import dataclasses

import torch
from torch import Tensor, nn

from styleheat.networks.config import NetworkConfig
from styleheat.networks.encoder import E4eEncoder, ResidualAligner, ResidualEncoder
from styleheat.networks.layers import condition, resize
from styleheat.networks.stylegan2 import Generator


@dataclasses.dataclass
class Inversion:
    """A portrait as the generator has it."""

    image: Tensor
    """The inverted portrait, (B,3,input_size,input_size), clamped to [-1,1]: what the warper sees."""
    codes: Tensor
    """W+ codes (B,codes,D)."""
    feature: Tensor
    """F with what the codes miss put back, (B,C,f,f)."""
    condition: tuple[Tensor, Tensor] | None
    """The scale and shift that did it, each (B,C,f,f); None where F was found otherwise (by optimisation)."""
    base: Tensor | None = None
    """The image below F (`Painting.base`), kept because it is the same for every frame; None: made when needed."""

    def expand(self, batch: int) -> "Inversion":
        """One portrait repeated to a batch, without copying."""

        def repeat(x: Tensor) -> Tensor:
            return x.expand(batch, *x.shape[1:])

        pair = None if self.condition is None else (repeat(self.condition[0]), repeat(self.condition[1]))
        base = None if self.base is None else repeat(self.base)
        return Inversion(repeat(self.image), repeat(self.codes), repeat(self.feature), pair, base)


@dataclasses.dataclass
class Reconstruction:
    """An inversion with its intermediate images, for training."""

    inversion: Inversion
    image: Tensor
    """The inverted portrait at the generator's own size, (B,3,image_size,image_size), not clamped."""
    coarse: Tensor
    """What the codes alone paint, (B,3,image_size,image_size), not clamped."""


class Inverter(nn.Module):
    """The prior: encoders and generator. Its parts have the names of StyleHEAT's `generator.*` checkpoint entries."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.input_size = config.input_size
        self.e4e_encoder = E4eEncoder(config)
        self.hfgi_aligner = ResidualAligner(config)
        self.hfgi_encoder = ResidualEncoder(config)
        self.stylegan = Generator(config)

    def invert(self, image: Tensor) -> Inversion:
        """Portraits (B,3,H,H) in [-1,1] of any size -> their inversion."""
        return self.reconstruct(image).inversion

    def invert_to_learn(self, image: Tensor) -> Inversion:
        """As `invert`, for training on what becomes of F: gradients reach the prior through F and the image below it
        alone, neither through the codes nor through what the warper sees."""
        with torch.no_grad():
            codes, coarse, residual = self.encode(image)
        pair, feature, base = self.restore(codes, coarse, residual)
        with torch.no_grad():
            painted = self.stylegan.above(codes, feature, base)
        return Inversion(self._seen(painted), codes, feature, pair, base)

    def reconstruct(self, image: Tensor) -> Reconstruction:
        """As `invert`, with the intermediate images for losses."""
        codes, coarse, residual = self.encode(image)
        return self.decode(codes, coarse, residual)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Portraits (B,3,H,H) -> codes (B,codes,D), what they paint (not clamped), and the residual (B,3,s,s) to the
        portrait at `input_size`."""
        image = resize(image, self.input_size)
        codes = self.e4e_encoder(image)
        coarse = self.stylegan(codes).image
        return codes, coarse, (image - self._seen(coarse)).detach()

    def restore(self, codes: Tensor, coarse: Tensor, residual: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """The condition that puts a residual (B,3,input_size,input_size) back, F under it, and the image below F."""
        pair = self.hfgi_encoder(self.hfgi_aligner(torch.cat([residual, self._seen(coarse)], dim=1)))
        own, base = self.stylegan.below(codes)
        return pair, condition(own, pair), base

    def decode(self, codes: Tensor, coarse: Tensor, residual: Tensor) -> Reconstruction:
        """Put a residual back and paint, with arguments as `encode` returns them. Edited codes may come with the
        residual of the unedited."""
        pair, feature, base = self.restore(codes, coarse, residual)
        painted = self.stylegan.above(codes, feature, base)
        return Reconstruction(Inversion(self._seen(painted), codes, feature, pair, base), painted, coarse)

    def _seen(self, image: Tensor) -> Tensor:
        """A generated image scaled to the input of the encoders and the warper."""
        return resize(image.clamp(-1, 1), self.input_size)
