"""Recipe of the audio driver: speech to expression coefficients, and to head poses (SadTalker, arXiv 2211.12194).

SadTalker never released its training. The expression network learns the coefficients and their velocity by L1, with
the lips weighed once more through the face model's landmarks; the pose network is a conditional autoencoder whose
motion a discriminator judges.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.constants import ANGLE, EXPRESSION, TRANSLATION
from styleheat.morphable.model import face_model, mouth_opening
from styleheat.networks.audio2motion import CHUNK, Audio2Motion, ExpressionNet, PoseNet
from styleheat.params import TrainAudio
from styleheat.training.losses import frozen

FRAMES = CHUNK + 1
"""Frames of speech in a sample: the first, which is given, and a chunk of head motion."""

POSE = slice(EXPRESSION, EXPRESSION + ANGLE + TRANSLATION)
MOUTH = slice(48, 68)


class AudioRecipe:
    """Trains an `Audio2Motion` on stretches of speech of `FRAMES` frames. heldout: a batch of other people's."""

    def __init__(self, params: TrainAudio, model: Audio2Motion, heldout: dict) -> None:
        self.model, self.heldout = model, heldout
        self.players: dict[str, nn.Module] = {
            "expression": ExpressionPlayer(model.audio2exp, params),
            "pose": PosePlayer(model.audio2pose, params),
        }
        if params.losses.motion:
            self.players["motion_critic"] = MotionCriticPlayer(model.audio2pose)

    def begin_step(self, step: int) -> None:
        pass

    def validate(self) -> dict[str, float]:
        true, guessed = self._openings()
        expression = self._expression()
        return {
            "expression_l1": round(float((expression - self._true()).abs().mean()), 4),
            "expression_l1_first_frame": round(float((self._true()[:, :1] - self._true()).abs().mean()), 4),
            "mouth_correlation": round(float(np.corrcoef(true.ravel(), guessed.ravel())[0, 1]), 4),
        }

    def sample(self) -> np.ndarray:
        """Mouth opening over time, true and from speech, for up to four held-out stretches."""
        from matplotlib.figure import Figure

        true, guessed = self._openings()
        figure = Figure(figsize=(6, 6), dpi=80, layout="constrained")
        for axes, truth, guess in zip(np.ravel(figure.subplots(4, 1)), true, guessed, strict=False):
            axes.plot(truth, label="true")
            axes.plot(guess, label="from speech")
        figure.axes[0].set_title("mouth opening / interocular distance, by frame")
        figure.axes[0].legend()
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])

    def _expression(self) -> Tensor:
        device = next(self.model.parameters()).device
        batch = {key: value.to(device) for key, value in self.heldout.items() if isinstance(value, Tensor)}
        return self.model.audio2exp(batch["mel"], _first(batch), batch["blink"][..., None]).cpu()

    def _true(self) -> Tensor:
        return self.heldout["descriptors"][..., :EXPRESSION]

    def _openings(self) -> tuple[np.ndarray, np.ndarray]:
        """Mouth opening of held-out stretches (N, frames), true and guessed, on the mean face."""
        return _opening(self._true().numpy()), _opening(self._expression().numpy())


class ExpressionPlayer(nn.Module):
    """Batch {"mel" (B,T,1,80,16), "descriptors" (B,T,73), "blink" (B,T)} -> losses of the expression network."""

    def __init__(self, network: ExpressionNet, params: TrainAudio) -> None:
        super().__init__()
        self.network, self.weights = network, params.losses
        lips = torch.from_numpy(face_model().expression[:, MOUTH].reshape(EXPRESSION, -1)).float()
        self.register_buffer("lips", lips, persistent=False)

    def forward(self, batch: dict, seen: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        true = batch["descriptors"][..., :EXPRESSION]
        error = self.network(batch["mel"], _first(batch), batch["blink"][..., None]) - true
        return {
            "expression": self.weights.expression * error.abs().mean(),
            "velocity": self.weights.velocity * (error[:, 1:] - error[:, :-1]).abs().mean(),
            "lips": self.weights.lips * (error @ self.lips).abs().mean(),
        }, seen


class PosePlayer(nn.Module):
    """The same batch -> losses of the pose autoencoder; passes true and made motion on to its discriminator."""

    def __init__(self, network: PoseNet, params: TrainAudio) -> None:
        super().__init__()
        self.audio_encoder, self.netG = network.audio_encoder, network.netG  # what this player trains
        self.weights, self._network = params.losses, [network]

    def forward(self, batch: dict, seen: dict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        network, weights = self._network[0], self.weights
        poses = batch["descriptors"][..., POSE]
        first, motion = poses[:, 0], poses[:, 1:] - poses[:, :1]
        noise = torch.randn(len(poses), network.latent).to(poses)
        made = network(batch["mel"][:, 1:], motion, first, batch["person"] % network.styles, noise)
        divergence = -0.5 * (1 + made.log_variance - made.mean.square() - made.log_variance.exp()).mean()
        losses = {
            "pose": weights.reconstruction * F.mse_loss(made.motion, motion),
            "divergence": weights.divergence * divergence,
        }
        if weights.motion:
            with frozen(network.netD_motion):
                losses["motion"] = weights.motion * F.softplus(-network.netD_motion(made.motion)).mean()
        return losses, {"real": motion, "fake": made.motion.detach()}


class MotionCriticPlayer(nn.Module):
    """The discriminator of head motion: logistic loss on stretches of true and made poses."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.netD_motion = network.netD_motion

    def forward(self, batch: dict, seen: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        real, fake = self.netD_motion(seen["real"]), self.netD_motion(seen["fake"])
        return {"motion_critic": F.softplus(-real).mean() + F.softplus(fake).mean()}, seen


def _first(batch: dict) -> Tensor:
    """The first frame's expression for every frame, (B,T,64)."""
    return batch["descriptors"][:, :1, :EXPRESSION].expand(-1, batch["descriptors"].shape[1], -1)


def _opening(expression: np.ndarray) -> np.ndarray:
    """Mouth opening (N,T) that expression coefficients (N,T,64) give the mean face, seen from the front."""
    displacements = face_model().expression[..., :2]
    landmarks = face_model().mean[:, :2] + np.tensordot(expression.reshape(-1, EXPRESSION), displacements, 1)
    return mouth_opening(landmarks).reshape(expression.shape[:2])
