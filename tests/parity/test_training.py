"""One step of each training at full size: losses, gradients and updates are the reference's.

Where we depart from the reference on purpose (docs/training.md), its own behaviour is asked for by parameters, or ours
is compared with what the fixture says a right one would be.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.networks.audio2motion import PoseNet
from styleheat.networks.config import NETWORKS
from styleheat.networks.layers import resize
from styleheat.networks.perceptual import PerceptualLoss, Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.warper import VideoWarper
from styleheat.params import Optimizer, StyleHeatLosses, Train, TrainWarper
from styleheat.training import regions
from styleheat.training.average import MovingAverage
from styleheat.training.distributed import World
from styleheat.training.losses import DiscriminatorPhase, generator_loss
from styleheat.training.optimizer import PhaseOptimizer
from styleheat.training.styleheat import StyleHEATPhase
from styleheat.training.warper import WarperPhase

from .conftest import Golden, pool
from .test_networks import built
from .test_styleheat import model_of, separate_files

FULL = NETWORKS["full"]
ALONE = World(0, 1, torch.device("cpu"))
VALUE, LOGIT, IMAGE, NORM, ARRAY = 1e-4, 5e-4, 5e-4, 5e-3, 2e-2
"""Relative tolerances of losses, of what the discriminator says, of images, of gradient norms, of full gradients."""

FEW = 8
"""A gradient of fewer numbers is noise at the tolerance of norms."""

COMMON = {
    "init": "models/scratch",
    "steps": 1,
    "batch": 2,
    "micro_batch": None,
    "lr": 1e-4,
    "equalised": 1.0,
    "lr_every": 300_000,
    "optimizer": Optimizer(
        beta1=0.5, beta2=0.999, eps=1e-8, lr_gamma=0.2, ema_decay=0.5 ** (32 / 10_000), max_grad_norm=None
    ),
    "precision": "float32",
    "checkpointing": False,
    "compile": False,
    "validate_every": 1,
    "validate_samples": 1,
    "score": "psnr",
    "export": "last",
    "sample_every": 1,
    "save_every": 1,
    "perceptual": "gradient",  # replaced below: VGG19's weights are the fixture's
    "perceptual_weights": "models/none",
}


def vgg19(fixture: Golden) -> Vgg19:
    weights = fixture.weights("vgg19-dcbb9e9d.pth", "features.")
    vgg = built(Vgg19, {f"network.{name}": tensor for name, tensor in weights.items()})
    return vgg.requires_grad_(False)


def gradients(loss: Tensor, module: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """The gradients of the named parameters; zeros where none arrives."""
    parameters = [module.get_parameter(name) for name in names]
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {
        name: torch.zeros_like(p) if gradient is None else gradient
        for name, p, gradient in zip(names, parameters, found, strict=True)
    }


def near(fixture: Golden, key: str, value: Tensor | float, tolerance: float = VALUE) -> None:
    value = value.detach() if isinstance(value, Tensor) else value
    assert float(value) == pytest.approx(float(fixture[key]), rel=tolerance), key


def check_gradients(fixture: Golden, prefix: str, found: dict[str, Tensor]) -> None:
    """Norms entry by entry where the golden one is not 0, and the arrays that are stored completely.

    Gradients of L1 distances, ReLU and bilinear sampling jump where values cross: inputs that differ by 1e-7 of
    themselves move the gradient of the flow's two biases by half a percent. So few numbers are compared as arrays only.
    """
    for name, norm in zip(fixture["grad_names"], fixture[f"{prefix}.norms"], strict=True):
        if norm and found[name].numel() >= FEW:
            assert float(found[name].norm()) == pytest.approx(float(norm), rel=NORM), f"{prefix} {name}"
    for key in fixture.arrays.files:
        name = key.removeprefix(f"{prefix}.")
        if key.startswith(f"{prefix}.") and name in found:
            wanted = fixture[key]
            error = np.abs(found[name].numpy() - wanted).max()
            assert error <= ARRAY * np.abs(wanted).max(), f"{key}: {error}"


class TestWarper:
    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("train_warper_step")

    def phase(self, fixture: Golden, mirrored: float) -> WarperPhase:
        warper = built(VideoWarper, fixture.weights("video_warper.pth", "net_G_ema/"), FULL)
        params = TrainWarper(**COMMON, mirrored=mirrored, lr_fan_in=None)
        phase = WarperPhase(warper, params, FULL, seed=0)
        phase._perceptual = [PerceptualLoss(vgg19(fixture))]
        return phase

    @pytest.fixture
    def batch(self, fixture: Golden) -> dict:
        return {
            "source": fixture.image("tw.source", 2, 3, 256, 256),
            "target": fixture.image("tw.target", 2, 3, 256, 256),
            "source_window": fixture.window("tw.source_window", 2),
            "target_window": fixture.window("tw.target_window", 2),
        }

    @pytest.mark.parametrize(("case", "mirrored"), [("pairs", 0.0), ("mirror", 1.0)])
    def test_a_step(self, fixture: Golden, batch: dict, case: str, mirrored: float) -> None:
        phase = self.phase(fixture, mirrored)
        loss = phase(batch, {}).losses["perceptual"]
        near(fixture, f"{case}.perceptual_warp", loss)
        near(fixture, f"{case}.total_loss", loss)
        names = [str(name) for name in fixture["grad_names"]]
        check_gradients(fixture, f"{case}.grad", gradients(loss, phase.warper, names))
        if case == "mirror":
            return

        average = MovingAverage(phase.warper, COMMON["optimizer"].ema_decay)
        near(fixture, "step.average_decay", average.decay, 1e-6)
        before = {name: p.detach().clone() for name, p in phase.warper.named_parameters()}
        optimizer = PhaseOptimizer(phase, TrainWarper(**COMMON, mirrored=0.0, lr_fan_in=None), {}, ALONE)
        optimizer.backward(loss)
        optimizer.step(0)
        average.update(10**9)  # past our warm-up, which the reference does not have
        change = torch.cat([(p - before[n]).detach().abs().flatten() for n, p in phase.warper.named_parameters()])
        near(fixture, "step.delta_absmean", change.mean(), 1e-3)
        near(fixture, "step.delta_absmax", change.max(), 1e-3)
        faded = torch.cat([(average.average[n] - before[n]).abs().flatten() for n in before])
        near(fixture, "step.average_delta_absmean", faded.mean(), 1e-3)
        with torch.no_grad():
            near(fixture, "step.total_loss_after", phase(batch, {}).losses["perceptual"])


def losses(**changes: float) -> StyleHeatLosses:
    reference = {
        "warped": 0.02,
        "painted": 0.0,
        "mask": 0.0,
        "masked": 0.2,
        "style": 250.0,
        "outside": 0.01,
        "adversarial": 0.1,
        "mouth": 0.0,
        "local": 2.0,
        "landmarks": 0.0,
        "r1": 10.0,
    }
    return StyleHeatLosses(**(reference | changes))


TRAIN = Train(
    **COMMON | {"batch": 1},
    lr_warper=2e-5,
    discriminator="models/none",
    aligned_source=True,
    tune_prior=False,
    mask_outside=[(0, 0.2), (500, 0.05), (2000, 0.005)],
    losses=losses(),
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
class TestStyleHEAT:
    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("train_styleheat_step")

    @pytest.fixture(scope="class")
    def phase(self, fixture: Golden) -> Iterator[StyleHEATPhase]:
        state = separate_files(fixture)
        for part in ("video_warper.", "calibrator."):
            weights = fixture.weights("StyleHEAT_visual.pt", f"net_G_ema/{part}")
            state |= {part + name: tensor for name, tensor in weights.items()}
        model = model_of(state)
        model.generator.requires_grad_(False)
        discriminator = built(Discriminator, fixture.weights("stylegan2_d_256.pth", ""), FULL)
        phase = StyleHEATPhase(model, discriminator, None, TRAIN, FULL)
        vgg = vgg19(fixture)
        phase._losses = PerceptualLoss(vgg), PerceptualLoss(vgg, TRAIN.losses.style)
        yield phase

    @pytest.fixture(scope="class")
    def batch(self, fixture: Golden) -> dict:
        images = ("source", "target", "source_align", "target_align")
        batch = {name: fixture.image(f"ts.{name}", 1, 3, 512, 512) for name in images}
        return batch | {
            "source_window": fixture.window("ts.source_window", 1),
            "target_window": fixture.window("ts.target_window", 1),
            "source_landmarks": 2 * torch.from_numpy(fixture["source_keypoint"]),
            "target_landmarks": 2 * torch.from_numpy(fixture["target_keypoint"]),
        }

    def test_the_terms_and_their_gradients(self, fixture: Golden, phase: StyleHEATPhase, batch: dict) -> None:
        names = [str(name) for name in fixture["grad_names"]]
        model = phase._networks[0]
        terms = {"warped": "perceptual_warp", "masked": "perceptual_final", "outside": "perceptual_regular"}
        terms |= {"local": "local_loss"}
        for step in (0, 500, 2000):
            phase.step = step
            with torch.set_grad_enabled(step == 2000):
                computed = phase(batch, {})
            for ours, theirs in terms.items():
                near(fixture, f"it{step}.weighted.{theirs}", computed.losses[ours])
        total = computed.losses
        # The reference rewards what the discriminator takes for fake; ours is what the fixture calls non-saturating.
        near(fixture, "gan_nonsaturating", total["adversarial"] / 0.1, LOGIT)
        for ours, theirs in terms.items():
            weight = getattr(TRAIN.losses, ours)
            check_gradients(fixture, f"grad.{theirs}", gradients(total[ours] / weight, model, names))
        check_gradients(fixture, "grad.gan_nonsaturating", gradients(total["adversarial"] / 0.1, model, names))

        # With the reference's own adversarial term, its total.
        painted = computed.outputs["fake"]
        discriminator = phase._networks[1]
        with torch.no_grad():
            reference = 0.1 * F.softplus(discriminator(resize(painted, 256))).mean()
        near(fixture, "it2000.gan_loss", reference, LOGIT)
        others = sum(float(total[name].detach()) for name in terms)
        near(fixture, "it2000.total_loss", others + float(reference))
        fixture.close("fake_image", pool(painted, 8), IMAGE)

    def test_the_discriminator(self, fixture: Golden, phase: StyleHEATPhase, batch: dict) -> None:
        discriminator = phase._networks[1].requires_grad_(True)
        with torch.no_grad():
            outputs = phase(batch, {}).outputs
        near(fixture, "d.generator_nonsaturating", generator_loss(discriminator, 256, outputs["fake"]), LOGIT)
        phase = DiscriminatorPhase(discriminator, 256, r1=10.0)
        phase.step = 0
        computed = phase(batch, outputs)
        near(fixture, "d.discriminator_logistic", computed.losses["discriminator"], LOGIT)
        near(fixture, "d.r1_square", computed.losses["r1"] / (10 / 2 * 16), 1e-3)
        names = [str(name) for name in fixture["d.grad_names"]]
        found = gradients(computed.losses["discriminator"], discriminator, names)
        norms = [float(found[name].norm()) for name in names]
        np.testing.assert_allclose(norms, fixture["d.grad_norms"], rtol=NORM)


class TestRegions:
    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("train_styleheat_step")

    def test_masks(self, fixture: Golden) -> None:
        landmarks = 2 * torch.from_numpy(np.concatenate([fixture["target_keypoint"], fixture["source_keypoint"]]))
        for step, floor in ((0, 0.2), (500, 0.05), (2000, 0.005)):
            fixture.close(f"it{step}.mask", pool(regions.soft_mask(landmarks, 512, floor), 8), 1e-6)
        self.same_boxes(fixture, "bbox", landmarks)

    def test_faces_that_leave_the_image(self, fixture: Golden) -> None:
        landmarks = 2 * torch.from_numpy(fixture["edge.keypoint"])
        self.same_boxes(fixture, "edge.bbox", landmarks)
        fake, true = (fixture.image(f"ts.edge_{name}", 3, 3, 512, 512) for name in ("fake", "gt"))
        local = torch.stack(list(regions.local_losses(fake, true, landmarks).values())).sum()
        near(fixture, "edge.local_loss", local)

    def same_boxes(self, fixture: Golden, key: str, landmarks: Tensor) -> None:
        for name, box in regions.part_boxes(landmarks, 512).items():
            np.testing.assert_array_equal(box.long().numpy(), fixture[f"{key}.{name}"], err_msg=f"{key}.{name}")


class TestPose:
    """Each stretch alone, as the reference's audio encoder mixes up the items of a batch."""

    @pytest.fixture(scope="class")
    def fixture(self, golden) -> Golden:
        return golden("train_audio_forward")

    @pytest.fixture(scope="class")
    def network(self, fixture: Golden) -> PoseNet:
        return built(PoseNet, fixture.weights("auido2pose_00140-model.pth", "model/"), FULL)

    @pytest.fixture(scope="class")
    def inputs(self, fixture: Golden) -> tuple[Tensor, ...]:
        window = fixture.fill.driving_window("ta.coefficients", 3, fixture.seed, window=33)
        poses = torch.from_numpy(window).transpose(1, 2)[..., 64:70]
        mels = -3.0 + fixture.normal("ta.mel", 3, 33, 80, 16, std=1.5)[:, 1:, None]
        return mels, poses[:, 1:] - poses[:, :1], poses[:, 0], torch.from_numpy(fixture["style"])

    @torch.no_grad()
    def test_evaluation_mode(self, fixture: Golden, network: PoseNet, inputs: tuple[Tensor, ...]) -> None:
        mels, motion, first, style = inputs
        noise = fixture.normal("ta.noise", 3, 64)
        network.eval()
        made = network(mels, motion, first, style, noise)
        fixture.close("eval.audio_emb", network.audio_encoder(mels)[:, ::4])
        fixture.close("eval.mu", made.mean)
        fixture.close("eval.intended_logvar", made.log_variance)  # the reference takes it from `linear_means`
        fixture.close("eval.intended_pose_motion_pred", made.motion)
        fixture.close("eval.critic_real", network.netD_motion(motion))
        # The reference's own slip: the mean in the place of the log variance.
        audio = network.audio_encoder(mels)
        z = made.mean + noise * torch.exp(0.5 * made.mean)
        slipped = network.netG.decoder(z, audio, first, style)
        fixture.close("eval.pose_motion_pred", slipped)
        fixture.close("eval.pose_pred", first[:, None] + slipped)
        fixture.close("eval.critic_fake", network.netD_motion(slipped))

    @torch.no_grad()
    def test_training_mode(self, fixture: Golden, network: PoseNet, inputs: tuple[Tensor, ...]) -> None:
        noise = fixture.normal("ta.noise", 3, 64)
        network.train()
        network.audio_encoder.eval()
        found: dict[str, list[Tensor]] = {}
        for mels, motion, first, style, one in zip(*(x.split(1) for x in (*inputs, noise)), strict=True):
            made = network(mels, motion, first, style, one)
            audio = network.audio_encoder(mels)
            slipped = network.netG.decoder(made.mean + one * torch.exp(0.5 * made.mean), audio, first, style)
            values = {
                "train.mu": made.mean,
                "train.pose_motion_pred": slipped,
                "train.pose_pred": first[:, None] + slipped,
                "train.critic_real": network.netD_motion(motion),
                "train.critic_fake": network.netD_motion(slipped),
            }
            for key, value in values.items():
                found.setdefault(key, []).append(value)
        for key, parts in found.items():
            fixture.close(key, torch.cat(parts))
