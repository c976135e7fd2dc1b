"""SyncNet: whether lips and audio belong together (Chung and Zisserman 2016, "Out of time").

The larger network of joonson/syncnet_python, whose distances and confidences are published as LSE-D and LSE-C (Wav2Lip,
arXiv 2008.10010). Parameters have the names of its released file.
"""

from torch import Tensor, nn

FRAMES = 5
"""Video frames of a window, 0.2 s at 25 fps."""

STEPS = 20
"""Steps of cepstra of a window, 0.2 s at 100 Hz."""

CEPSTRA = 13
SIDE = 224
"""Pixels of the square frames."""

EMBEDDING = 1024


class SyncNet(nn.Module):
    """Windows of frames and of audio -> embeddings, near each other where both belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_block2d(1, 64),
            nn.MaxPool2d(1, 1),
            *_block2d(64, 192),
            nn.MaxPool2d(3, (1, 2)),
            *_block2d(192, 384),
            *_block2d(384, 256),
            *_block2d(256, 256),
            nn.MaxPool2d(3, 2),
            *_block2d(256, 512, kernel=(5, 4), padding=0),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_block3d(3, 96, (FRAMES, 7, 7), stride=2, padding=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block3d(96, 256, (1, 5, 5), stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_block3d(256, 256, (1, 3, 3)),
            *_block3d(256, 256, (1, 3, 3)),
            *_block3d(256, 256, (1, 3, 3)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block3d(256, 512, (1, 6, 6), padding=0),
        )
        self.requires_grad_(False)

    def audio(self, cepstra: Tensor) -> Tensor:
        """(N,1,CEPSTRA,STEPS) -> (N,EMBEDDING)."""
        return self.netfcaud(self.netcnnaud(cepstra).flatten(1))

    def lips(self, frames: Tensor) -> Tensor:
        """(N,3,FRAMES,SIDE,SIDE), BGR from 0 to 255 -> (N,EMBEDDING)."""
        return self.netfclip(self.netcnnlip(frames).flatten(1))


def _block2d(inputs: int, outputs: int, kernel: int | tuple[int, int] = 3, padding: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()


def _block3d(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 1
) -> tuple[nn.Module, ...]:
    """stride, padding: of height and width."""
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), (0, padding, padding))
    return convolution, nn.BatchNorm3d(outputs), nn.ReLU()


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, EMBEDDING))
