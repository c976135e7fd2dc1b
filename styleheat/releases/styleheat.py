"""StyleHEAT's own networks."""

import sys
from pathlib import Path

import torch

from styleheat.checkpoints import State
from styleheat.networks.config import NETWORKS
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.releases.files import STYLEHEAT_RELEASE, Released, check, read_released, section, subsection
from styleheat.releases.inversion import released_prior

VISUAL = Released("StyleHEAT_visual.pt", "the video warper and calibrator", STYLEHEAT_RELEASE)
WARPER = Released("video_warper.pth", "the video warper alone", STYLEHEAT_RELEASE)
DISCRIMINATOR = Released("stylegan2_d_256.pth", "the StyleGAN2 discriminator of 256 pixels", STYLEHEAT_RELEASE)

LOSS_OF_VISUAL = "generator.iteration_loss."
"""Entries of StyleHEAT_visual.pt that belong to a loss (VGG19's features), not to the model."""


def released_styleheat(folder: Path) -> State:
    """The tensors of a `StyleHEAT` of full size: the prior's files, then StyleHEAT_visual.pt, which wins.

    That file must have all of the warper and the calibrator. What else of the model it has is not the same in every
    release; the prior's files are needed in any case, for the mean code. What the model doesn't know is left out, as
    the released code does, and one line says so.
    """
    with torch.device("meta"):
        model = StyleHEAT(NETWORKS["full"])
    state = {f"generator.{name}": tensor for name, tensor in released_prior(folder).items()}
    visual = subsection(folder, VISUAL, read_released(folder, VISUAL), "net_G_ema")
    known = model.state_dict().keys()
    others = sorted(name for name in visual.keys() - known if not name.startswith(LOSS_OF_VISUAL))
    if others:
        note = f"{len(others)} tensors that the model doesn't have are left out ({others[0]} …)"
        print(f"{folder / VISUAL.name}: {note}", file=sys.stderr)
    state.update({name: tensor for name, tensor in visual.items() if name in known})
    check(folder, VISUAL, model, state)
    return state


def released_warper(folder: Path) -> State:
    """The tensors of a `VideoWarper` of full size: from video_warper.pth, which the releases lack, or else those of
    StyleHEAT_visual.pt, where it stayed as it was while the calibrator learnt."""
    with torch.device("meta"):
        warper = VideoWarper(NETWORKS["full"])
    if (folder / WARPER.name).is_file():
        return section(folder, WARPER, read_released(folder, WARPER), "net_G_ema", warper, "")
    visual = subsection(folder, VISUAL, read_released(folder, VISUAL), "net_G_ema")
    prefix = "video_warper."
    own = {name.removeprefix(prefix): tensor for name, tensor in visual.items() if name.startswith(prefix)}
    return section(folder, VISUAL, own, None, warper, "")


def released_discriminator(folder: Path) -> State:
    """The tensors of a `Discriminator` of full size."""
    with torch.device("meta"):
        discriminator = Discriminator(NETWORKS["full"])
    return section(folder, DISCRIMINATOR, read_released(folder, DISCRIMINATOR), None, discriminator, "")
