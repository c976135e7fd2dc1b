"""Image losses: zero for the same, more for worse, blind outside the mask."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from styleheat.networks import perceptual
from styleheat.networks.perceptual import GradientLoss, PerceptualLoss, Vgg19, gram


@pytest.fixture(scope="module", params=["gradient", "vgg19", "vgg19 with style"])
def loss(request: pytest.FixtureRequest) -> Callable[..., Tensor]:
    torch.manual_seed(0)
    if request.param == "gradient":
        return GradientLoss()
    vgg = Vgg19()
    return PerceptualLoss(vgg, style=250.0 if "style" in request.param else 0.0, scales=2)


@pytest.fixture
def target() -> Tensor:
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_zero_for_the_same_and_more_for_worse(loss: Callable[..., Tensor], target: Tensor) -> None:
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(2))
    errors = [loss(target + amount * noise, target).item() for amount in (0.0, 0.05, 0.2, 0.8)]
    assert errors[0] == 0 and errors == sorted(errors) and errors[1] > 0


def test_blind_where_the_mask_is_zero(loss: Callable[..., Tensor], target: Tensor) -> None:
    image = target.clone()
    image[..., :32] = 0
    mask = torch.ones(1, 1, 64, 64)
    mask[..., :32] = 0
    assert loss(image, target, mask).item() == 0
    assert loss(image, target, 1 - mask).item() > 0


def test_gradients_reach_the_image_alone(loss: Callable[..., Tensor], target: Tensor) -> None:
    image, wanted = (target + 0.1).requires_grad_(), target.clone().requires_grad_()
    loss(image, wanted).backward()
    assert image.grad is not None and image.grad.abs().max() > 0


def test_a_few_images_at_a_time_cost_no_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    loss = PerceptualLoss(Vgg19(), style=250.0, scales=2)
    images, targets, mask = torch.randn(5, 3, 32, 32), torch.randn(5, 3, 32, 32), torch.rand(5, 1, 32, 32)
    values, gradients = [], []
    for pixels in (5, 2, 0.5):
        monkeypatch.setattr(perceptual, "AT_ONCE", int(pixels * 32 * 32))
        image = images.clone().requires_grad_()
        value = loss(image, targets, mask)
        value.backward()
        values.append(value.item())
        gradients.append(image.grad)
    assert values == pytest.approx([values[0]] * 3, rel=1e-5)
    for gradient in gradients:
        assert (gradient - gradients[0]).norm() < 1e-3 * gradients[0].norm()


def test_gram_is_the_correlation_of_channels() -> None:
    feature = torch.randn(2, 3, 4, 5)
    wanted = torch.einsum("bihw,bjhw->bij", feature, feature) / (3 * 4 * 5)
    torch.testing.assert_close(gram(feature), wanted)
