"""Speech to motion coefficients: SadTalker's expression network and pose network (arXiv 2211.12194).

Both take one mel window (1,80,16) for each video frame (`media.mel.mel_windows`) through `audio_encoder`. Parameters
have the names of SadTalker's checkpoints.
"""

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.constants import ANGLE, EXPRESSION, TRANSLATION
from styleheat.networks.audio_encoder import audio_encoder
from styleheat.networks.config import NetworkConfig

POSE = ANGLE + TRANSLATION
"""6 numbers of a head pose: three angles in radians, three of translation."""

CHUNK = 32
"""Frames of head motion that are made at once (SadTalker `SEQ_LEN`)."""

HOP = CHUNK // 2
"""Frames after which the next chunk begins, of chunks that overlap."""

BLINK = (0.5, 0.9, 1.0, 0.9, 0.5)
"""How far the eyes are closed in the five frames of a blink (SadTalker `generate_blink_seq_randomly`)."""


class ExpressionNet(nn.Module):
    """Mel windows, a reference expression and blinks -> expression coefficients, frame by frame."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.audio_encoder = audio_encoder(config)
        self.mapping1 = nn.Linear(config.audio_widths[-1] + EXPRESSION + 1, EXPRESSION)
        nn.init.zeros_(self.mapping1.bias)

    def forward(self, mels: Tensor, reference: Tensor, blinks: Tensor) -> Tensor:
        """mels (B,T,1,80,16), reference (B,T,64), blinks (B,T,1) in [0,1], 1 closed -> (B,T,64)."""
        return self.mapping1(torch.cat([self.audio_encoder(mels), reference, blinks], dim=2))


class ResidualConv(nn.Module):
    """Pre-activated residual block, (B,C,T,D) -> (B,C',T/stride,D); `stride` acts on frames only."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, (stride, 1), 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1),
        )
        self.conv_skip = nn.Sequential(nn.Conv2d(inputs, outputs, 3, (stride, 1), 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_block(x) + self.conv_skip(x)


class DoubleFrames(nn.Module):
    """Transposed convolution that doubles the number of frames, (B,C,T,D) -> (B,C',2T,D)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, (2, 1), (2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.upsample(x)


class PoseUnet(nn.Module):
    """U-net over a chunk of poses seen as an image, (B,1,32,6) -> (B,1,32,6) in (0,1)."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d = widths
        self.input_layer = nn.Sequential(
            nn.Conv2d(1, a, 3, 1, 1), nn.BatchNorm2d(a), nn.ReLU(), nn.Conv2d(a, a, 3, 1, 1)
        )
        self.input_skip = nn.Sequential(nn.Conv2d(1, a, 3, 1, 1))
        self.residual_conv_1 = ResidualConv(a, b, stride=2)
        self.residual_conv_2 = ResidualConv(b, c, stride=2)
        self.bridge = ResidualConv(c, d, stride=2)
        self.upsample_1, self.up_residual_conv1 = DoubleFrames(d), ResidualConv(d + c, c)
        self.upsample_2, self.up_residual_conv2 = DoubleFrames(c), ResidualConv(c + b, b)
        self.upsample_3, self.up_residual_conv3 = DoubleFrames(b), ResidualConv(b + a, a)
        self.output_layer = nn.Sequential(nn.Conv2d(a, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        full = self.input_layer(x) + self.input_skip(x)
        half = self.residual_conv_1(full)
        quarter = self.residual_conv_2(half)
        x = self.upsample_1(self.bridge(quarter))
        x = self.upsample_2(self.up_residual_conv1(torch.cat([x, quarter], dim=1)))
        x = self.upsample_3(self.up_residual_conv2(torch.cat([x, half], dim=1)))
        return self.output_layer(self.up_residual_conv3(torch.cat([x, full], dim=1)))


class PoseEncoder(nn.Module):
    """True head motion -> mean and log variance of its latent."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        latent, hidden = config.pose_latent, config.pose_hidden
        self.resunet = PoseUnet(config.pose_widths)
        self.MLP = nn.ModuleDict({"L0": nn.Linear(POSE + CHUNK * POSE + CHUNK * POSE + latent, hidden)})
        self.linear_means = nn.Linear(hidden, latent)
        self.linear_logvar = nn.Linear(hidden, latent)
        self.linear_audio = nn.Linear(config.audio_widths[-1], POSE)
        self.classbias = nn.Parameter(torch.randn(config.pose_styles, latent))

    def forward(self, motion: Tensor, audio: Tensor, first: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """motion (B,32,6) relative to the first pose (B,6), audio (B,32,E), style (B,) int64 -> (B,Z), (B,Z).

        The reference takes the log variance from `linear_means` by a slip; its `linear_logvar` was never trained.
        Generation from speech uses neither.
        """
        poses = self.resunet(motion[:, None]).flatten(1)
        known = torch.cat([first, poses, self.linear_audio(audio).flatten(1), self.classbias[style]], dim=1)
        hidden = F.relu(self.MLP["L0"](known))
        return self.linear_means(hidden), self.linear_logvar(hidden)


class PoseDecoder(nn.Module):
    """Latent, audio, first pose and style -> head motion."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        latent, hidden = config.pose_latent, config.pose_hidden
        self.resunet = PoseUnet(config.pose_widths)
        self.MLP = nn.ModuleDict(
            {"L0": nn.Linear(POSE + latent + CHUNK * POSE, hidden), "L1": nn.Linear(hidden, CHUNK * POSE)}
        )
        self.pose_linear = nn.Linear(POSE, POSE)
        self.linear_audio = nn.Linear(config.audio_widths[-1], POSE)
        self.classbias = nn.Parameter(torch.randn(config.pose_styles, latent))

    def forward(self, z: Tensor, audio: Tensor, first: Tensor, style: Tensor) -> Tensor:
        """z (B,Z), audio (B,32,E), first (B,6), style (B,) int64 -> motion (B,32,6) relative to the first pose."""
        known = torch.cat([first, z + self.classbias[style], self.linear_audio(audio).flatten(1)], dim=1)
        poses = torch.sigmoid(self.MLP["L1"](F.relu(self.MLP["L0"](known)))).unflatten(1, (CHUNK, POSE))
        return self.pose_linear(self.resunet(poses[:, None])[:, 0])


class PoseVae(nn.Module):
    """Conditional variational autoencoder of chunks of head motion."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.encoder = PoseEncoder(config)
        self.decoder = PoseDecoder(config)


class DiscriminatorLayer(nn.Module):
    """Convolution over frames, batch norm, ReLU: (B,C,T) -> (B,C',T')."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        if not self.conv.weight.is_meta:  # see `layers.init_normal`
            nn.init.kaiming_normal_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class MotionDiscriminator(nn.Module):
    """Poses (B,32,6) -> logits (B,8) for stretches of them, high for real; trains the pose network only."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c = config.pose_discriminator
        self.seq = nn.Sequential(
            DiscriminatorLayer(POSE, a, 4, 2),
            DiscriminatorLayer(a, b, 4, 2),
            DiscriminatorLayer(b, c, 3, 1),
            nn.Conv1d(c, 1, 3, padding=1),
        )

    def forward(self, poses: Tensor) -> Tensor:
        return self.seq(poses.transpose(1, 2))[:, 0]


class WrappedAudioEncoder(nn.Module):
    """`audio_encoder` one level deeper, as the pose checkpoint names it: mels and output as for `audio_encoder`."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.audio_encoder = audio_encoder(config)

    def forward(self, mels: Tensor) -> Tensor:
        return self.audio_encoder(mels)


@dataclasses.dataclass
class PoseSample:
    """A chunk of head motion through the autoencoder."""

    motion: Tensor
    """(B,32,6), relative to the first pose."""
    mean: Tensor
    """(B,Z), of the latent."""
    log_variance: Tensor
    """(B,Z), of the latent."""


class PoseNet(nn.Module):
    """Mel windows, first pose and style -> head poses."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.latent, self.styles, self.overlap = config.pose_latent, config.pose_styles, config.pose_overlap
        self.audio_encoder = WrappedAudioEncoder(config)
        self.netG = PoseVae(config)
        self.netD_motion = MotionDiscriminator(config)

    def forward(self, mels: Tensor, motion: Tensor, first: Tensor, style: Tensor, noise: Tensor) -> PoseSample:
        """Autoencode a chunk, for training.

        mels (B,32,1,80,16); motion (B,32,6) relative to first (B,6); style (B,) int64; noise (B,Z) standard normal.
        """
        audio = self.audio_encoder(mels)
        mean, log_variance = self.netG.encoder(motion, audio, first, style)
        z = mean + noise * torch.exp(0.5 * log_variance)
        return PoseSample(self.netG.decoder(z, audio, first, style), mean, log_variance)

    def chunks(self, frames: int) -> int:
        """How many latents `generate` needs for so many frames; the first frame is given."""
        if self.overlap:
            return max(1, -(-(frames - 1) // HOP) - 1) if frames > 1 else 0
        return -(-(frames - 1) // CHUNK)

    def generate(self, mels: Tensor, first: Tensor, style: Tensor, z: Tensor) -> Tensor:
        """Poses for speech: mels (B,T,1,80,16), first (B,6), style (B,), z (chunks(T),B,Z) -> (B,T,6).

        The first frame has the first pose, and every chunk starts from that pose. Frames left after the last full
        chunk are the end of a chunk that overlaps the one before; with fewer than 33 frames in all, the chunk's audio
        is padded in front with its first window. With `overlap`, chunks start every HOP frames and are cross-faded, so
        that the head does not return to the first pose at the end of a chunk.
        """
        if mels.shape[1] == 1:
            return first[:, None]
        audio = self.audio_encoder(mels[:, 1:])
        motion = (self._overlapping if self.overlap else self._following)(audio, first, style, z)
        return first[:, None] + torch.cat([torch.zeros_like(first)[:, None], motion], dim=1)

    def _following(self, audio: Tensor, first: Tensor, style: Tensor, z: Tensor) -> Tensor:
        """Audio of the frames after the first (B,T-1,E) -> their motion (B,T-1,6)."""
        motion = [first.new_zeros(len(first), 0, POSE)]
        for chunk in range(len(z)):
            chunk_audio = audio[:, chunk * CHUNK : (chunk + 1) * CHUNK]
            wanted = chunk_audio.shape[1]
            if wanted < CHUNK:
                chunk_audio = audio[:, -CHUNK:]
                missing = CHUNK - chunk_audio.shape[1]
                chunk_audio = torch.cat([chunk_audio[:, :1].expand(-1, missing, -1), chunk_audio], dim=1)
            motion.append(self.netG.decoder(z[chunk], chunk_audio, first, style)[:, -wanted:])
        return torch.cat(motion, dim=1)

    def _overlapping(self, audio: Tensor, first: Tensor, style: Tensor, z: Tensor) -> Tensor:
        """The same. Weights of two chunks are divided by the root of the sum of their squares: the sum of independent
        motions moves as far as one of them."""
        frames = audio.shape[1]
        fade = torch.sin(torch.pi / CHUNK * (torch.arange(CHUNK, device=audio.device) + 0.5)).square()
        total = audio.new_zeros(len(audio), frames + CHUNK, POSE)
        power = audio.new_full((frames + CHUNK, 1), 1e-9)
        for chunk in range(len(z)):
            start = chunk * HOP
            chunk_audio = audio[:, start : start + CHUNK]
            missing = CHUNK - chunk_audio.shape[1]
            chunk_audio = torch.cat([chunk_audio, chunk_audio[:, -1:].expand(-1, missing, -1)], dim=1)
            weight = torch.where(torch.arange(CHUNK, device=fade.device) < HOP, 1.0, fade) if chunk == 0 else fade
            total[:, start : start + CHUNK] += weight[:, None] * self.netG.decoder(z[chunk], chunk_audio, first, style)
            power[start : start + CHUNK] += weight[:, None].square()
        return (total / power.sqrt())[:, :frames]


class Audio2Motion(nn.Module):
    """Both networks. Parameters have the names of SadTalker's single safetensors file."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.audio2exp = ExpressionNet(config)
        self.audio2pose = PoseNet(config)

    def forward(self, mels: Tensor, reference: Tensor, blinks: Tensor, style: Tensor, z: Tensor) -> Tensor:
        """Speech -> motion coefficients, expression then pose, (B,T,70); poses are not smoothed (`smooth_poses`).

        mels (B,T,1,80,16); reference (B,70), the portrait's expression and pose; blinks (B,T,1); style (B,) int64;
        z (PoseNet.chunks(T),B,Z) standard normal.
        """
        still = reference[:, None, :EXPRESSION].expand(-1, mels.shape[1], -1)
        expression = self.audio2exp(mels, still, blinks)
        poses = self.audio2pose.generate(mels, reference[:, EXPRESSION:], style, z)
        return torch.cat([expression, poses], dim=2)


def smooth_poses(poses: np.ndarray) -> np.ndarray:
    """Savitzky-Golay filter over frames, window 13, order 2 (SadTalker); (T,6) -> (T,6).

    Fewer than 13 frames get the largest odd window that fits; fewer than 3 are left alone.
    """
    from scipy.signal import savgol_filter  # takes a second to import

    window = min(13, (len(poses) - 1) // 2 * 2 + 1)
    if window < 3:
        return poses
    return savgol_filter(poses, window, 2, axis=0).astype(poses.dtype)


def follow_poses(poses: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Poses (T,6) with the movement of others (N,6), from their first on, added; they start again when they end."""
    repeated = other[np.arange(len(poses)) % len(other)]
    return poses + (repeated - other[:1])


def blink_track(frames: int, rng: np.random.Generator) -> np.ndarray:
    """How far the eyes are closed in each frame, (frames,1) float32 in [0,1]: a blink every 10 to 70 frames."""
    track = np.zeros((frames, 1), np.float32)
    start = int(rng.integers(10, 70))
    while start + len(BLINK) < frames:
        track[start : start + len(BLINK), 0] = BLINK
        start += len(BLINK) + int(rng.integers(10, 70))
    return track
