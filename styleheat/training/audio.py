"""Recipe of the audio driver: audio to expression coefficients, and to head poses (SadTalker, arXiv 2211.12194).

SadTalker never released its training. The expression network learns the coefficients and their velocity by L1, with
the lips weighed once more through the landmarks that the coefficients put on them, and their opening a third time,
most where they close; the pose network is a conditional autoencoder whose motion a discriminator judges. Unlike
SadTalker's, whose audio encoders are Wav2Lip's, both encoders are trained here, from nothing or from `init`. The
expression that the network starts from is that of any frame of the clip, not of the first one: it is a portrait's, and
independent of what is said now.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.constants import ANGLE, EXPRESSION, TRANSLATION
from styleheat.morphable.measures import interocular_distance, mouth_opening
from styleheat.networks.audio2motion import CHUNK, Audio2Motion, ExpressionNet, PoseNet
from styleheat.networks.precision import float32
from styleheat.params import TrainAudio
from styleheat.training.batches import Batch, split, to_device
from styleheat.training.images import gathered, sample_noise
from styleheat.training.landmark_basis import LandmarkBasis
from styleheat.training.losses import frozen
from styleheat.training.norm import GROUP
from styleheat.training.recipe import Computed

FRAMES = CHUNK + 1
"""Frames of a sample: the first, which is given, and a chunk of head motion."""

CLOSED = 0.04
"""Opening of lips, as a share of the interocular distance, below which they look closed."""

CLOSURE = 4.0
"""How much more an error of the opening counts where the lips are closed than where they are wide open."""

POSE = slice(EXPRESSION, EXPRESSION + ANGLE + TRANSLATION)
MOUTH = slice(48, 68)


class AudioRecipe:
    """Trains an `Audio2Motion` on stretches of speech of `FRAMES` frames.

    heldout: stretches of other people, as the loader collates them. basis: the landmarks that expression coefficients
    of these stretches stand for.
    """

    items, unit, higher = 1, GROUP, {"mouth_correlation"}

    def __init__(self, params: TrainAudio, model: Audio2Motion, basis: LandmarkBasis, heldout: Batch) -> None:
        self.model, self.basis, self.heldout = model, basis, heldout
        self.batch = params.micro_batch or params.batch
        self.phases: dict[str, nn.Module] = {
            "expression": ExpressionPhase(model.audio2exp, basis, params),
            "pose": PosePhase(model.audio2pose, params),
        }
        if params.losses.motion:
            self.phases["motion_discriminator"] = MotionDiscriminatorPhase(model.audio2pose)
        self.rates: dict[str, dict[str, float]] = {}
        self.fan_in = None

    def start_step(self, step: int) -> None:
        pass

    def validate(self) -> dict[str, float]:
        true, made = self._expressions()
        openings = [self._opening(expression) for expression in (true, made)]
        return {
            "expression_l1": round(float((made - true).abs().mean()), 4),
            "expression_l1_repeated_reference": round(float((_reference(self.heldout) - true).abs().mean()), 4),
            "mouth_correlation": round(float(np.corrcoef(openings[0].ravel(), openings[1].ravel())[0, 1]), 4),
            "mouth_range": round(float(openings[1].std() / openings[0].std()), 4),
        }

    def sample(self) -> np.ndarray:
        """An image (H,W,3) uint8 of the mouth's opening over time, true and from audio, for up to four held-out
        stretches."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        true, made = (self._opening(expression) for expression in self._expressions())
        figure = Figure(figsize=(6, 6), dpi=80, layout="constrained")
        for axes, truth, guess in zip(np.ravel(figure.subplots(4, 1)), true, made, strict=False):
            axes.plot(truth, label="true")
            axes.plot(guess, label="from audio")
        figure.axes[0].set_title("mouth opening / interocular distance, by frame")
        figure.axes[0].legend()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])

    def _expressions(self) -> tuple[Tensor, Tensor]:
        """Expression of the held-out stretches (N, frames, 64), true and from audio, on the CPU."""
        device = next(self.model.parameters()).device

        def made(part: Batch) -> Tensor:
            return self.model.audio2exp(part["mel"], _reference(part), part["blink"][..., None]).cpu()

        parts = gathered({"made": made(to_device(part, device))} for part in split(self.heldout, self.batch))
        return self.heldout["descriptors"][..., :EXPRESSION], parts["made"]

    def _opening(self, expression: Tensor) -> np.ndarray:
        """Mouth opening (N, frames) that expressions (N, frames, 64) give the mean face, seen from the front."""
        flat = expression.reshape(-1, EXPRESSION).numpy()
        landmarks = self.basis.mean[:, :2] + np.tensordot(flat, self.basis.expression[..., :2], 1)
        return mouth_opening(landmarks).reshape(expression.shape[:2])


class ExpressionPhase(nn.Module):
    """Batch {"mel" (B,T,1,80,16), "descriptors" (B,T,73), "reference" (B,64), "blink" (B,T)} -> losses of the
    expression network."""

    lips: Tensor
    opening: Tensor

    def __init__(self, network: ExpressionNet, basis: LandmarkBasis, params: TrainAudio) -> None:
        super().__init__()
        self.network, self.weights = network, params.losses
        lips = torch.from_numpy(basis.expression[:, MOUTH].reshape(EXPRESSION, -1)).float()
        self.register_buffer("lips", lips, persistent=False)
        self.register_buffer("opening", _opening(basis), persistent=False)

    def forward(self, batch: Batch, outputs: dict[str, Tensor]) -> Computed:
        true = batch["descriptors"][..., :EXPRESSION]
        return self._losses(self.network(batch["mel"], _reference(batch), batch["blink"][..., None]), true)

    @float32
    def _losses(self, made: Tensor, true: Tensor) -> Computed:
        error = made - true
        opening = self.opening[:-1]
        weight = 1 + CLOSURE * torch.exp(-(F.relu(true @ opening + self.opening[-1]) / CLOSED).square())
        return Computed(
            {
                "expression": self.weights.expression * error.abs().mean(),
                "velocity": self.weights.velocity * (error[:, 1:] - error[:, :-1]).abs().mean(),
                "lips": self.weights.lips * (error @ self.lips).abs().mean(),
                "closure": self.weights.closure * (weight * (error @ opening).abs()).mean(),
            }
        )


class PosePhase(nn.Module):
    """The same batch, with "person" and "draw" (B,) -> losses of the pose autoencoder; passes true and made motion on
    to its discriminator."""

    def __init__(self, network: PoseNet, params: TrainAudio) -> None:
        super().__init__()
        self.audio_encoder, self.netG = network.audio_encoder, network.netG  # what this phase trains
        self.weights, self._network = params.losses, (network,)

    def forward(self, batch: Batch, outputs: dict[str, Tensor]) -> Computed:
        (network,), weights = self._network, self.weights
        poses = batch["descriptors"][..., POSE]
        first, motion = poses[:, 0], poses[:, 1:] - poses[:, :1]
        noise = sample_noise(batch["draw"].cpu(), network.latent).to(poses)
        made = network(batch["mel"][:, 1:], motion, first, batch["person"] % network.styles, noise)
        mean, log_variance = made.mean.float(), made.log_variance.float()
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean()
        losses = {
            "pose": weights.reconstruction * F.mse_loss(made.motion.float(), motion),
            "divergence": weights.divergence * divergence,
        }
        if weights.motion:
            with frozen(network.netD_motion):
                logits = network.netD_motion(made.motion).float()
            losses["motion"] = weights.motion * F.softplus(-logits).mean()
        return Computed(losses, {"real": motion, "fake": made.motion.detach()})


class MotionDiscriminatorPhase(nn.Module):
    """The discriminator of head motion: logistic loss on stretches of true and made poses (B,32,6)."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.netD_motion = network.netD_motion

    def forward(self, batch: Batch, outputs: dict[str, Tensor]) -> Computed:
        real, fake = (self.netD_motion(outputs[key]).float() for key in ("real", "fake"))
        return Computed(
            {"motion_discriminator": F.softplus(-real).mean() + F.softplus(fake).mean()},
            monitors={"logit/real": real.mean(), "logit/fake": fake.mean()},
        )


def _opening(basis: LandmarkBasis) -> Tensor:
    """The gap between the inner lips as a share of the interocular distance, (65,): for a coefficient of 1 each, and
    without expression."""
    scale = float(interocular_distance(basis.mean[None, :, :2])[0])
    points = np.concatenate([basis.expression[..., 1], basis.mean[None, :, 1]])
    gap = (points[:, [61, 62, 63]] - points[:, [67, 66, 65]]).mean(1) / scale
    return torch.from_numpy(gap).float()


def _reference(batch: Batch) -> Tensor:
    """The reference's expression for every frame, (B,T,64)."""
    return batch["reference"][:, None].expand(-1, batch["descriptors"].shape[1], -1)
