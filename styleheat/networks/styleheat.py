"""StyleHEAT (arXiv 2203.04036): a portrait's feature map, warped by motion coefficients, repaired, and painted."""

import dataclasses

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from styleheat.networks import flow as flows
from styleheat.networks.calibrator import Calibrator
from styleheat.networks.config import NetworkConfig
from styleheat.networks.inversion import Inversion, Inverter
from styleheat.networks.layers import condition, resize
from styleheat.networks.precision import float32
from styleheat.networks.warper import VideoWarper, Warp


@dataclasses.dataclass
class Frame:
    """A driven portrait."""

    image: Tensor
    """(B,3,S,S), about [-1,1], not clamped: what is painted, or, with a mask, composed of that and the portrait."""
    painted: Tensor
    """What the generator paints, same shape; `image` itself without a mask."""
    mask: Tensor | None
    """How much of the moved portrait shows through, (B,1,S,S) in [0,1]; None for networks that paint no mask."""
    warped_image: Tensor | None
    """What F paints when it is warped but not repaired, same shape; None unless asked for."""
    feature: Tensor
    """F warped and not repaired, (B,C,f,f)."""
    motion: Warp
    """The flow, and the descriptor of the window."""


class StyleHEAT(nn.Module):
    """The full model. Parameters have the names of StyleHEAT_visual.pt."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.video_warper = VideoWarper(config)
        self.calibrator = Calibrator(config)
        self.generator = Inverter(config)

    def forward(
        self,
        image: Tensor,
        window: Tensor,
        inversion: Inversion | None = None,
        size: int | None = None,
        warped_image: bool = False,
        geometry: Tensor | None = None,
        rest: Tensor | None = None,
    ) -> Frame:
        """Drive portraits by windows of motion coefficients.

        image: portraits (B,3,H,H) in [-1,1]; when `inversion` is given, only looked at for the detail that a network
            with a mask takes from them.
        window: (B,73,27), see `morphable`, as `VideoWarper.conditioned` returns it.
        inversion: the portraits' inversion, of batch B (`Inversion.expand`); made here, without gradient, if None.
        size: pixels of the result, by bilinear resizing; the generator's own size if None.
        warped_image: paint what the warping alone gives too, which costs as much again.
        geometry: the face model's flow (B,3,g,g), see `morphable.geometry`; for networks that start from it.
        rest: (B,2,h,h), the displacement that the warper gives for the portraits' own descriptors, where it should give
            none; it is taken away from that by which their detail is moved. None in training.
        """
        if inversion is None:
            with torch.no_grad():
                inversion = self.generator.invert(image)
        motion = self.video_warper(inversion.image, window, geometry)
        stylegan, codes = self.generator.stylegan, inversion.codes
        own, base = (None, inversion.base) if inversion.base is not None else stylegan.below(codes)
        feature = flows.warp(inversion.feature, motion.positions, self.config.reference_flow)
        seen = None if geometry is None else geometry[:, 2:]
        repaired = condition(feature, self.calibrator(feature, motion.descriptor, seen)[-1])
        painted = stylegan.above_with_mask(codes, repaired, base)
        warped = None
        if warped_image:
            unrepaired = feature
            if inversion.condition is None:
                # As in the reference: without the condition, this warps the codes' own F.
                own = stylegan.below(codes)[0] if own is None else own
                unrepaired = flows.warp(own, motion.positions, self.config.reference_flow)
            # Computed again in the backward pass, or a training would hold the activations of both images at once.
            warped = checkpoint(stylegan.above, codes, unrepaired, base, use_reentrant=False, preserve_rng_state=False)
        mask = detail_mask(painted[:, 3:], geometry, not self.training) if self.config.detail else None
        painted = painted[:, :3]
        if size is not None:
            painted = resize(painted, size)
            warped = None if warped is None else resize(warped, size)
        if mask is None:
            return Frame(painted, painted, None, warped, feature, motion)
        mask = resize(mask, painted.shape[-1])
        displacement = motion.displacement if rest is None else motion.displacement - rest
        moved = flows.displaced(resize(image, painted.shape[-1]), displacement)
        return Frame(compose(painted, moved, mask), painted, mask, warped, feature, motion)


HIDES = 4.0
"""Reduction of the mask's logit where, by geometry, the portrait does not show the surface."""


FIRMER, HIGHER = 2.0, 1.5
"""How much steeper the mask is when it is not being trained, and by how much its logit is higher. On images unlike
those it learnt from, the network is unsure of the portrait and mixes it half and half with a soft image of it."""


@float32
def detail_mask(logit: Tensor, geometry: Tensor | None, firm: bool) -> Tensor:
    """The painted logit (B,1,S,S), and geometry (B,3,g,g) if there is one -> the mask. firm: decide for the portrait or
    against it, where it is not for training."""
    if geometry is not None:
        logit = logit + HIDES * (resize(geometry[:, 2:], logit.shape[-1]) - 1)
    return torch.sigmoid(FIRMER * (logit + HIGHER) if firm else logit)


@float32
def compose(painted: Tensor, moved: Tensor, mask: Tensor) -> Tensor:
    """mask · moved + (1 − mask) · painted, of images (B,3,H,H) and a mask (B,1,H,H), where the painted is clamped to
    [-1,1].

    Painted colours go far beyond that on overexposed skin, where a small share of them would wipe the portrait out.
    """
    return torch.lerp(painted.clamp(-1, 1), moved, mask)
