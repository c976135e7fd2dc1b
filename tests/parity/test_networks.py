"""Single networks at full size give the reference's numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from styleheat.networks import flow as flows
from styleheat.networks.calibrator import Calibrator
from styleheat.networks.config import NETWORKS
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import PerceptualLoss, Vgg19, normalise
from styleheat.networks.stylegan2 import Discriminator, Generator
from styleheat.networks.warper import VideoWarper

from .conftest import Golden, centre, pool

FULL = NETWORKS["full"]


def built(kind: type, weights: dict[str, Tensor], *arguments: object) -> torch.nn.Module:
    """A module with these weights, made without drawing random ones first."""
    with torch.device("meta"):
        module = kind(*arguments)
    module.load_state_dict(weights, assign=True)
    return module.eval()


@pytest.fixture(scope="module", autouse=True)
def _without_gradient() -> object:
    with torch.no_grad():
        yield


class TestGenerator:
    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("stylegan2_generator")

    @pytest.fixture(scope="class")
    def generator(self, fixture: Golden) -> Generator:
        return built(Generator, fixture.weights("StyleGAN_e4e.pth", ""), FULL)

    @pytest.fixture
    def codes(self, fixture: Golden) -> Tensor:
        return fixture.normal("gen.w", 1, 18, 512)

    @pytest.fixture
    def inversion(self, fixture: Golden) -> tuple[Tensor, Tensor]:
        return tuple(fixture.normal(f"gen.inv.{part}", 1, 512, 64, 64, std=0.3) for part in ("scale", "shift"))

    def positions(self, fixture: Golden, name: str, std: float) -> Tensor:
        coarse = fixture.normal(name, 1, 2, 8, 8, std=std)
        return flows.deformation(F.interpolate(coarse, (64, 64), mode="bilinear", align_corners=True))

    def test_mapping(self, fixture: Golden, generator: Generator) -> None:
        fixture.close("mapping.w", generator.style(fixture.normal("gen.z", 1, 512)))

    def test_plain(self, fixture: Golden, generator: Generator, codes: Tensor) -> None:
        made = generator(codes)
        fixture.close("plain.image", pool(made.image, 8))
        fixture.close("plain.image_crop64", centre(made.image))
        fixture.close("plain.f_latent", made.feature[:, ::8, 24:40, 24:40])
        fixture.close("plain.f_latent_pool16", pool(made.feature, 4)[:, ::4])

    def test_every_condition(self, fixture: Golden, generator: Generator, codes: Tensor, inversion) -> None:
        # Of the four pairs that the calibrator emits, for 8 to 64 pixels, only the last acts.
        refinement = tuple(fixture.normal(f"gen.ref3.{part}", 1, 512, 64, 64, std=0.3) for part in ("scale", "shift"))
        made = generator(
            codes,
            inversion=inversion,
            feature=fixture.normal("gen.f_condition", 1, 512, 64, 64, std=0.5),
            warps=(self.positions(fixture, "gen.flow", 3.0),),
            refinement=refinement,
        )
        fixture.close("all.image", pool(made.image, 8))
        fixture.close("all.image_crop64", centre(made.image))
        fixture.close("all.f_latent_pool16", pool(made.feature, 4)[:, ::4])
        fixture.close("all.f_r_latent_pool16", pool(made.refined, 4)[:, ::4])

    @pytest.mark.slow
    def test_inversion_condition(self, fixture: Golden, generator: Generator, codes: Tensor, inversion) -> None:
        made = generator(codes, inversion=inversion)
        fixture.close("inv.image", pool(made.image, 8))
        fixture.close("inv.f_latent_pool16", pool(made.feature, 4)[:, ::4])

    @pytest.mark.slow
    def test_two_warps(self, fixture: Golden, generator: Generator, codes: Tensor, inversion) -> None:
        warps = (self.positions(fixture, "gen.flow", 3.0), self.positions(fixture, "gen.flow2", 2.0))
        fixture.close("inv_warp2.image", pool(generator(codes, inversion=inversion, warps=warps).image, 8))

    @pytest.mark.slow
    def test_truncation(self, fixture: Golden, generator: Generator) -> None:
        centre_code = fixture.normal("gen.trunc", 1, 512, std=0.3)
        w = centre_code + 0.7 * (generator.style(fixture.normal("gen.z", 1, 512)) - centre_code)
        fixture.close("z_trunc.latent", w)
        codes = w[:, None].expand(-1, generator.codes, -1)
        fixture.close("z_trunc.image", pool(generator(codes).image, 16))


class TestWarper:
    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("video_warper")

    def test_warper(self, fixture: Golden) -> None:
        warper = built(VideoWarper, fixture.weights("video_warper.pth", "net_G_ema/"), FULL)
        image, window = fixture.image("vw.image", 2, 3, 256, 256), fixture.window("vw.driving", 2)
        motion = warper(image, window)
        warped = warper.move(image, motion)
        maps = warper.warping_net.hourglass.encoder(image, motion.descriptor)
        fixture.close("flow_field", motion.flow)
        fixture.close("descriptor", motion.descriptor[..., None])
        fixture.close("warp_image", pool(warped, 4))
        fixture.close("warp_image_crop64", centre(warped))
        fixture.close("enc0", pool(maps[0], 16))
        fixture.close("enc5", pool(maps[5], 2))

    def test_flow_utilities(self, fixture: Golden) -> None:
        source = fixture.normal("fu.src", 2, 5, 12, 20)
        positions = flows.deformation(fixture.normal("fu.flow", 2, 2, 12, 20, std=2.5))
        still = flows.deformation(torch.zeros(2, 2, 12, 20))
        large = fixture.normal("fu.big", 2, 3, 30, 36)
        fixture.close("fu.deformation", positions, 5e-5)
        fixture.close("fu.warp_same", flows.warp(source, positions, released=True), 5e-5)
        fixture.close("fu.warp_resized", flows.warp(large, positions, released=True), 5e-5)
        fixture.close("fu.warp_zero_flow", flows.warp(source, still, released=True), 5e-5)


def test_calibrator(golden) -> None:
    fixture = golden("calibration_net")
    calibrator = built(Calibrator, fixture.weights("StyleHEAT_visual.pt", "net_G_ema/calibrator."), FULL)
    feature = fixture.normal("cal.fx", 2, 512, 64, 64, std=0.7)
    pairs = calibrator(feature, fixture.normal("cal.descriptor", 2, 256, 1)[..., 0])
    for index, made in enumerate(one for pair in pairs for one in pair):
        fixture.close(f"cond{index}", pool(made, made.shape[-1] // 8)[:, ::4])


def test_discriminator(golden) -> None:
    fixture = golden("discriminator")
    discriminator = built(Discriminator, fixture.weights("stylegan2_d_256.pth", ""), FULL)
    images = fixture.image("disc.image", 4, 3, 256, 256)
    maps = discriminator.convs(images)
    fixture.close("convs", maps[:, ::16])
    fixture.close("logits", discriminator.judge(maps), 5e-4)
    fixture.close("logits_b2", discriminator.judge(maps[:2]), 5e-4)


@pytest.mark.slow
def test_discriminator_of_other_batches(golden) -> None:
    fixture = golden("discriminator")
    discriminator = built(Discriminator, fixture.weights("stylegan2_d_256.pth", ""), FULL)
    fixture.close("logits_b8", discriminator(fixture.image("disc.image8", 8, 3, 256, 256)), 5e-4)
    logits = discriminator(resize(fixture.image("disc.image512", 4, 3, 512, 512), 256))
    fixture.close("logits512", logits, 5e-4)
    # The reference's generator loss has the sign that rewards images classified as fake. Ours is softplus(-logits).
    loss = 0.1 * F.softplus(logits).mean().item()
    assert loss == pytest.approx(float(fixture["gan_loss"]), rel=1e-4)


def test_perceptual_loss(golden) -> None:
    fixture = golden("perceptual_loss")
    weights = {f"network.{name}": w for name, w in fixture.weights("vgg19-dcbb9e9d.pth", "features.").items()}
    vgg = built(Vgg19, weights)
    image, target = fixture.image("pl.a", 2, 3, 256, 256), fixture.image("pl.b", 2, 3, 256, 256)
    for name, feature in vgg(normalise(image)).items():
        fixture.close(f"feat.{name}", pool(feature, feature.shape[-1] // 4)[:, ::8])

    drawn = fixture.fill.uniform("pl.mask", (2, 1, 16, 16), fixture.seed) > 0.5
    mask = F.interpolate(torch.from_numpy(drawn.astype(np.float32)), (256, 256), mode="nearest")
    for key, loss in {
        "loss_plain": PerceptualLoss(vgg)(image, target),
        "loss_one_scale": PerceptualLoss(vgg, scales=1)(image, target),
        "loss_style250_masked_inputs": PerceptualLoss(vgg, style=250.0)(image, target, mask),
    }.items():
        assert loss.item() == pytest.approx(float(fixture[key]), rel=1e-4), key

    with torch.enable_grad():
        loss = PerceptualLoss(vgg, style=250.0)(image.requires_grad_(), target)
        loss.backward()
    assert loss.item() == pytest.approx(float(fixture["loss_style250"]), rel=1e-4)
    # The derivative of an L1 distance jumps where two features cross, that of ReLU and max pooling where two inputs do.
    # Nine such choices among millions (3 signs, 2 ReLUs, 4 poolings) are all that float32 and float64 disagree in; with
    # the same choices they agree to 1.2e-7. But each reaches as far as its feature sees: which entries are off by
    # a thousandth, and how many, changes with the number of threads. So most entries must agree to the last digits, and
    # all together to a thousandth or two: one scale too few is off by a quarter, a style weight of 240 by 0.018.
    gradient, wanted = pool(1e4 * image.grad, 8).numpy(), fixture["grad_style250"]
    error = np.abs(gradient - wanted)
    assert np.median(error) <= 1e-6 * np.abs(wanted).max() and error.max() <= 1e-2 * np.abs(wanted).max()
    assert np.sqrt((error**2).sum() / (wanted**2).sum()) <= 2e-3
