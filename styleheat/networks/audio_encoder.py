"""Encoders of speech: mel windows (B,T,1,80,16), one for each video frame -> features (B,T,E).

Wav2Lip's encoder (arXiv 2008.10010), which SadTalker uses, sees a single window of 0.2 s. Closing lips and a tongue
behind the teeth can look alike in so short a window. The encoder with context also sees the windows before and after,
which distinguish them, and takes a tenth of the operations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styleheat.constants import MEL_BANDS, MEL_WINDOW
from styleheat.networks.config import NetworkConfig

WINDOWS_AT_ONCE = 256
"""Mel windows encoded at once for a video: 40 MB for each map of the full-size encoder's first layers."""

REACH = 3
"""Frames before and after its own that a `ContextBlock` sees."""


def audio_encoder(config: NetworkConfig) -> nn.Module:
    """The encoder that a config names by `audio_widths` and `audio_blocks`."""
    if config.audio_blocks:
        width, outputs = config.audio_widths
        return ContextEncoder(width, outputs, config.audio_blocks)
    return WindowEncoder(*config.audio_widths)


class AudioConv(nn.Module):
    """Convolution, batch norm, ReLU, (B,C,H,W) -> (B,C',H',W'); with `residual`, its input is added before the ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int | tuple[int, int] = 1,
        kernel: int = 3,
        padding: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.BatchNorm2d(outputs))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return F.relu(y + x if self.residual else y)


class WindowEncoder(nn.Sequential):
    """Wav2Lip's audio encoder. Parameters have the names of its checkpoints. a to e: channels, from the input on."""

    def __init__(self, a: int, b: int, c: int, d: int, e: int) -> None:
        super().__init__(
            AudioConv(1, a),
            AudioConv(a, a, residual=True),
            AudioConv(a, a, residual=True),
            AudioConv(a, b, stride=(3, 1)),  # (27,16)
            AudioConv(b, b, residual=True),
            AudioConv(b, b, residual=True),
            AudioConv(b, c, stride=3),  # (9,6)
            AudioConv(c, c, residual=True),
            AudioConv(c, c, residual=True),
            AudioConv(c, d, stride=(3, 2)),  # (3,3)
            AudioConv(d, d, residual=True),
            AudioConv(d, e, padding=0),  # (1,1)
            AudioConv(e, e, kernel=1, padding=0),
        )

    def forward(self, mels: Tensor) -> Tensor:
        """(B,T,1,80,16) -> (B,T,e).

        Windows are ordered by frame, then by item, as the statistics over groups of items want (`training.norm`); in
        training the batch norms need all of them at once.
        """
        batch = len(mels)
        windows = mels.transpose(0, 1).flatten(0, 1)
        parts = (windows,) if self.training else windows.split(WINDOWS_AT_ONCE)
        encoded = torch.cat([super(WindowEncoder, self).forward(part).flatten(1) for part in parts])
        return encoded.unflatten(0, (-1, batch)).transpose(0, 1)


class ContextEncoder(nn.Module):
    """Convolutions over the columns of each window, then blocks over the frames.

    width: channels over the columns; outputs: E; blocks: each sees `REACH` frames more to either side.
    """

    def __init__(self, width: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.window = nn.Sequential(
            ColumnConv(MEL_BANDS, width, 1),
            ColumnConv(width, width, 2),
            ColumnConv(width, width, 2),
            nn.Flatten(),
            nn.Linear(width * MEL_WINDOW // 4, outputs),
        )
        self.context = nn.Sequential(*(ContextBlock(outputs) for _ in range(blocks)))
        self.norm = nn.LayerNorm(outputs)

    def forward(self, mels: Tensor) -> Tensor:
        """(B,T,1,80,16) -> (B,T,E). Beyond the ends the first and last frames repeat: silence stays still."""
        windows = mels.flatten(0, 2)
        parts = (windows,) if self.training else windows.split(WINDOWS_AT_ONCE)
        encoded = torch.cat([self.window(part) for part in parts]).unflatten(0, mels.shape[:2])
        return self.norm(self.context(encoded))


class ColumnConv(nn.Module):
    """Convolution over columns (N,C,W) -> (N,outputs,W/stride), layer norm over the channels, GELU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 3, stride, padding=1)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.conv(x).transpose(1, 2)).transpose(1, 2))


class ContextBlock(nn.Module):
    """ConvNeXt's residual block (arXiv 2201.03545) over frames, (B,T,C) -> (B,T,C), with twice instead of four times as
    many channels inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frames = nn.Conv1d(
            channels, channels, 2 * REACH + 1, padding=REACH, groups=channels, padding_mode="replicate"
        )
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.frames(x.transpose(1, 2)).transpose(1, 2))
        return x + self.narrow(F.gelu(self.widen(y)))
