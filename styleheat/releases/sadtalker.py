"""SadTalker's audio networks."""

from pathlib import Path

import torch

from styleheat.checkpoints import State
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.releases.files import (
    SADTALKER_RC_RELEASE,
    SADTALKER_RELEASE,
    Published,
    Released,
    check,
    read_released,
    section,
)

SADTALKER = Released(
    "SadTalker_V0.0.2_256.safetensors",
    "all networks of SadTalker",
    SADTALKER_RC_RELEASE,
    published=Published(725066984, "c211f5d6de003516bf1bbda9f47049a4c9c99133b1ab565c6961e5af16477bff", True),
)
EXPRESSION = Released(
    "auido2exp_00300-model.pth",
    "the expression network",
    SADTALKER_RELEASE,
    published=Published(34278319, "b7608f0e6b477e50e03ca569ac5b04a841b9217f89d502862fc78fda4e46dec4", True),
)
POSE = Released(
    "auido2pose_00140-model.pth",
    "the pose network",
    SADTALKER_RELEASE,
    published=Published(95916155, "4fba6701852dc57efbed25b1e4276e4ff752941860d69fc4429f08a02326ebce", True),
)


def released_audio(folder: Path) -> State:
    """The tensors of an `Audio2Motion` of full size, from SadTalker's single file or else its two older ones."""
    with torch.device("meta"):
        model = Audio2Motion(NETWORKS["full"])
    if (folder / SADTALKER.name).is_file():
        prefixes = ("audio2exp.", "audio2pose.")
        state = {n: t for n, t in read_released(folder, SADTALKER).items() if n.startswith(prefixes)}
        check(folder, SADTALKER, model, state)
        return state
    expression, pose = read_released(folder, EXPRESSION), read_released(folder, POSE)
    return {
        **section(folder, EXPRESSION, expression, "model", model.audio2exp, "audio2exp."),
        **section(folder, POSE, pose, "model", model.audio2pose, "audio2pose."),
    }
