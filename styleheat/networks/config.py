"""The sizes of every network: `full` is the released StyleHEAT, `embedded` what two CPU cores can train."""

import dataclasses
import math
from typing import Any

from styleheat.constants import DESCRIPTOR

# Published config.json files use these earlier field names.
OLD_FIELDS = {
    "critic_size": "discriminator_size",
    "critic_channels": "discriminator_channels",
    "pose_critic": "pose_discriminator",
}


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the generator, encoders, warper, calibrator, audio networks and discriminator.

    Channel tuples run from the coarsest resolution to the finest for the generator and discriminator (4, 8, 16 ...
    pixels), and from the input inwards for the encoders.
    """

    image_size: int
    """Pixels of the square image that the generator paints."""
    input_size: int
    """Pixels of the square image that the encoders and the warper see."""
    feature_size: int
    """Pixels of the feature map F that is conditioned, warped and repaired; also the flow field's."""

    style_dim: int
    """Numbers in one row of the W+ code."""
    mapping_layers: int
    """Layers of the mapping network z -> w."""
    channels: tuple[int, ...]
    """Generator channels at 4, 8, 16 ... `image_size` pixels."""

    encoder_widths: tuple[int, ...]
    """e4e encoder: channels of its four stages, each of which halves the resolution; the stem has the first."""
    encoder_blocks: tuple[int, ...]
    """Residual blocks in each of these stages."""
    squeeze: int
    """Reduction of the squeeze-and-excitation layers in these blocks."""
    aligner_widths: tuple[int, int, int, int]
    """HFGI aligner: channels at 1, 1/2, 1/4 and 1/8 of `input_size`."""
    residual_widths: tuple[int, int, int]
    """HFGI residual encoder: channels of its three stages, which go from `input_size` to `feature_size`."""
    residual_hidden: int
    """Channels between the two convolutions that turn the residual encoding into scale and shift at F."""
    residual_blocks: int
    """Residual blocks of each stage of the aligner and of the residual encoder."""

    descriptor: int
    """Numbers that sum up a window of motion coefficients."""
    adain_hidden: int
    """Hidden units between the descriptor and the scale and shift of an adaptive instance norm."""
    warper_base: int
    """Channels of the warper's first layer; doubled with every halving of the resolution ..."""
    warper_max: int
    """... up to this many."""
    warper_down: int
    """Halvings in the warper's encoder. The decoder doubles back to `feature_size`."""

    calibrator_width: int
    """Channels inside the calibrator's U-net."""
    calibrator_heads: int
    """At how many resolutions, from `feature_size` down, the calibrator emits scale and shift. Only those at
    `feature_size` act on the image; the released network emits four pairs."""

    audio_widths: tuple[int, ...]
    """Channels of the audio encoder of the expression network and of the pose network: five of Wav2Lip's; two of the
    one with context, over the columns of a window and over frames."""
    pose_styles: int
    """Number of head-motion classes of the pose network."""
    pose_latent: int
    """Latent numbers of a chunk of head motion."""
    pose_hidden: int
    """Hidden units of the pose VAE's fully connected layers."""
    pose_widths: tuple[int, int, int, int]
    """Channels of the pose VAE's U-nets."""
    pose_discriminator: tuple[int, int, int]
    """Channels of the head-motion discriminator."""

    discriminator_size: int
    """Side in pixels of the discriminator's input image."""
    discriminator_channels: tuple[int, ...]
    """Discriminator channels at 4, 8, 16 ... `discriminator_size` pixels."""

    sees_source: bool = False
    """Condition the warper on the motion coefficients of the portrait too, beside those that drive it. The released
    network has to find in the image where the face is now; a small one finds it less exactly than the face model."""
    relative: bool = False
    """Drive the warper by how the motion coefficients differ from the portrait's own. The released network takes them
    directly, and takes thousands of steps to learn where the face is in the input image."""
    geometry: bool = False
    """Start from the flow that the face model gives (`morphable.geometry`): the warper takes it as an input, with the
    portrait moved by it, and adds its own."""
    detail: bool = False
    """Take detail from the portrait: the last ToRGB paints a mask beside the colours, by which the portrait, moved by
    the flow at its full resolution, shows through."""
    audio_blocks: int = 0
    """Blocks by which the audio encoders see the frames before and after (`ContextEncoder`); 0: those of the released
    networks, whose input is 0.2 s of audio for each frame."""
    pose_overlap: bool = False
    """Let chunks of head motion overlap by half and pass into each other. The released network's follow each other,
    each from the first pose anew."""
    released: bool = False
    """Reproduce two flaws of the released networks: unused noise entries in the state dict, and flows whose zero is
    not exactly the identity."""

    def __post_init__(self) -> None:
        assert len(self.channels) == int(math.log2(self.image_size)) - 1
        assert len(self.discriminator_channels) == int(math.log2(self.discriminator_size)) - 1
        assert len(self.encoder_blocks) == len(self.encoder_widths) == 4
        assert len(self.audio_widths) == (2 if self.audio_blocks else 5)
        assert self.halvings in (1, 2), "the residual encoder reaches F by one or two halvings"

    @property
    def codes(self) -> int:
        """Rows of the W+ code: two for each resolution of the generator, less two (18 at 1024 pixels)."""
        return 2 * int(math.log2(self.image_size)) - 2

    @property
    def feature_channels(self) -> int:
        """Channels of F."""
        return self.channels[int(math.log2(self.feature_size)) - 2]

    @property
    def motions(self) -> int:
        """Motion coefficients of a frame that the warper takes: a descriptor, or two if it sees the source."""
        return DESCRIPTOR * (2 if self.sees_source else 1)

    @property
    def reference_flow(self) -> bool:
        """Whether flows are read as the released networks were trained (`flow.warp`)."""
        return self.released and not self.relative

    @property
    def halvings(self) -> int:
        """Halvings from `input_size` to `feature_size`."""
        return int(math.log2(self.input_size // self.feature_size))

    @property
    def warper_up(self) -> int:
        """Doublings in the warper's decoder: it ends at `feature_size`."""
        return self.warper_down - self.halvings

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "NetworkConfig":
        """Read what `to_dict` wrote; OLD_FIELDS are accepted. Raises TypeError for a missing or unknown field."""
        values: dict[str, Any] = {
            OLD_FIELDS.get(name, name): tuple(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
        return cls(**values)


NETWORKS = {
    "embedded": NetworkConfig(
        image_size=256,
        input_size=128,
        feature_size=64,
        style_dim=32,
        mapping_layers=2,
        channels=(32, 32, 48, 48, 32, 24, 16),
        encoder_widths=(8, 16, 32, 32),
        encoder_blocks=(1, 1, 1, 1),
        squeeze=8,
        aligner_widths=(8, 16, 24, 32),
        residual_widths=(16, 24, 32),
        residual_hidden=32,
        residual_blocks=1,
        descriptor=128,
        adain_hidden=48,
        warper_base=8,
        warper_max=64,
        warper_down=5,
        calibrator_width=32,
        calibrator_heads=1,
        audio_widths=(160, 224),
        pose_styles=8,
        pose_latent=16,
        pose_hidden=64,
        pose_widths=(8, 16, 24, 32),
        pose_discriminator=(32, 64, 64),
        discriminator_size=128,
        discriminator_channels=(96, 96, 96, 64, 32, 16),
        sees_source=True,
        geometry=True,
        detail=True,
        audio_blocks=3,
        pose_overlap=True,
    ),
    "full": NetworkConfig(
        image_size=1024,
        input_size=256,
        feature_size=64,
        style_dim=512,
        mapping_layers=8,
        channels=(512, 512, 512, 512, 512, 256, 128, 64, 32),
        encoder_widths=(64, 128, 256, 512),
        encoder_blocks=(3, 4, 14, 3),
        squeeze=16,
        aligner_widths=(16, 32, 48, 64),
        residual_widths=(32, 48, 64),
        residual_hidden=512,
        residual_blocks=3,
        descriptor=256,
        adain_hidden=128,
        warper_base=32,
        warper_max=256,
        warper_down=5,
        calibrator_width=256,
        calibrator_heads=4,
        audio_widths=(32, 64, 128, 256, 512),
        pose_styles=46,
        pose_latent=64,
        pose_hidden=128,
        pose_widths=(32, 64, 128, 256),
        pose_discriminator=(256, 512, 1024),
        discriminator_size=256,
        discriminator_channels=(512, 512, 512, 512, 512, 256, 128),
        released=True,
    ),
}
NETWORKS["full_relative"] = dataclasses.replace(NETWORKS["full"], relative=True, pose_overlap=True)
NETWORKS["full_detail"] = dataclasses.replace(NETWORKS["full_relative"], geometry=True, detail=True)
"""The architectures by the name that `network` in params.yaml takes."""
