"""Image losses: VGG19 features (arXiv 1603.08155), and a stand-in for when VGG19's weights can't be had.

Both are called alike: (image, target, mask=None), images (B,3,H,W) in [-1,1], mask (B,1,H,W) or (B,3,H,W) in [0,1]
that multiplies both; they return a scalar.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.networks.precision import float32

VGG19 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512)
"""Channels of VGG19's convolutions, 0 for a max pooling, without the last pooling (arXiv 1409.1556, column E)."""

LAYERS = {1: "relu_1_1", 6: "relu_2_1", 11: "relu_3_1", 20: "relu_4_1", 29: "relu_5_1"}
"""The layers compared, by their index in torchvision's `vgg19().features`."""

SCALES = 4
"""Each loss is summed over the images and their three halvings."""

AT_ONCE = 512 * 512
"""Pixels whose VGG19 features are in memory at once, at least one image's. Those of an image of 1024 pixels take
1.3 GB."""

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg19(nn.Module):
    """VGG19's convolutions; `network` has the indices of torchvision's `vgg19().features`. Never trained."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in VGG19:
            if outputs:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        self.network = nn.Sequential(*layers)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Images (B,3,H,W) normalised by ImageNet's statistics -> features (B,C,h,w) by name."""
        features = {}
        for index, layer in enumerate(self.network[: max(LAYERS) + 1]):
            x = layer(x)
            if index in LAYERS:
                features[LAYERS[index]] = x
        return features


def normalise(image: Tensor) -> Tensor:
    """Images (B,3,H,W) in [-1,1] -> what networks trained on ImageNet expect."""
    mean = image.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    deviation = image.new_tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1)
    return ((image + 1) / 2 - mean) / deviation


class PerceptualLoss(nn.Module):
    """L1 between VGG19 features of images (B,3,H,W), summed over layers and scales; plus `style` times that of their
    Gram matrices.

    The gradient with respect to the image is computed with the value (`eager`), one scale and a few images at a time
    (`AT_ONCE`), whose features alone are then in memory. It can't be differentiated twice.
    """

    def __init__(self, vgg: Vgg19, style: float = 0.0, scales: int = SCALES) -> None:
        super().__init__()
        self.model, self.style, self.scales = vgg, style, scales

    @float32
    def forward(self, image: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            image, target = image * mask, target * mask
        image, target = normalise(image), normalise(target)
        loss = image.new_zeros(())
        for scale in range(self.scales):
            if scale:
                image, target = _halve(image), _halve(target)
            style = self.style if scale == 0 else 0.0  # the reference compares styles at full size only
            at_once = max(1, AT_ONCE // image[0, 0].numel())
            for images, targets in zip(image.split(at_once), target.split(at_once), strict=True):
                with torch.no_grad():
                    wanted = self.model(targets)
                distance = eager(functools.partial(self._distance, wanted=wanted, style=style), images)
                loss = loss + distance * (len(images) / len(image))
        return loss

    def _distance(self, image: Tensor, wanted: dict[str, Tensor], style: float) -> Tensor:
        loss = image.new_zeros(())
        for name, feature in self.model(image).items():
            loss = loss + F.l1_loss(feature, wanted[name])
            if style:
                loss = loss + style * F.l1_loss(gram(feature), gram(wanted[name]))
        return loss


def eager(loss: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """`loss(image)`, a scalar, whose gradient with respect to `image` is computed now, which frees what it takes.

    The result is differentiable once. Nothing but `image` receives a gradient.
    """
    if not (torch.is_grad_enabled() and image.requires_grad):
        return loss(image)
    with torch.enable_grad():
        leaf = image.detach().requires_grad_()
        value = loss(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
    return _Known.apply(image, value.detach(), gradient)


class _Known(torch.autograd.Function):
    """A scalar whose gradient with respect to `image` is known."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        return outer * ctx.saved_tensors[0], None, None


class GradientLoss(nn.Module):
    """The stand-in: L1 between images (B,3,H,W) and between their differences across and down, summed over scales."""

    def __init__(self, scales: int = SCALES) -> None:
        super().__init__()
        self.scales = scales

    @float32
    def forward(self, image: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        difference = image - target
        if mask is not None:
            difference = difference * mask
        loss = image.new_zeros(())
        for scale in range(self.scales):
            if scale:
                difference = F.avg_pool2d(difference, 2)
            loss = loss + difference.abs().mean()
            loss = loss + (difference[..., 1:] - difference[..., :-1]).abs().mean()
            loss = loss + (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
        return loss


def gram(feature: Tensor) -> Tensor:
    """(B,C,H,W) -> (B,C,C): correlations of channels, over C·H·W."""
    flat = feature.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def _halve(image: Tensor) -> Tensor:
    return F.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False, recompute_scale_factor=True)
