"""e4e, HFGI and StyleGAN2, which StyleHEAT builds on: the files of its prior."""

from pathlib import Path

import torch
from torch import Tensor

from styleheat.checkpoints import State
from styleheat.errors import InputError
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inverter
from styleheat.releases.files import STYLEHEAT_RELEASE, Released, read_released, section

E4E = Released("Encoder_e4e.pth", "the e4e encoder and the mean W+ code", STYLEHEAT_RELEASE)
HFGI = Released("hfgi.pth", "HFGI's aligner and residual encoder", STYLEHEAT_RELEASE)
STYLEGAN = Released("StyleGAN_e4e.pth", "the StyleGAN2 generator of 1024 pixels", STYLEHEAT_RELEASE)

PRIOR_FILES = (E4E, HFGI, STYLEGAN)
"""The files of the prior, which StyleHEAT_visual.pt may or may not repeat."""


def released_prior(folder: Path) -> State:
    """The tensors of an `Inverter` of full size, from the prior's three files. Raises InputError for files that are
    missing or others."""
    with torch.device("meta"):
        prior = Inverter(NETWORKS["full"])
    e4e, hfgi, stylegan = (read_released(folder, file) for file in PRIOR_FILES)
    mean = e4e.get("latent_avg")
    wanted = tuple(prior.e4e_encoder.get_buffer("latent_avg").shape)
    if not isinstance(mean, Tensor):
        raise InputError(f"{folder / E4E.name}: has no mean code `latent_avg`; {E4E.wanted}")
    try:
        mean = mean.float().broadcast_to(wanted) if mean.dim() <= 2 else mean.float().reshape(wanted)
    except RuntimeError:
        shape = tuple(mean.shape)
        raise InputError(f"{folder / E4E.name}: `latent_avg` is {shape}, not {wanted}; {E4E.wanted}") from None
    return {
        "e4e_encoder.latent_avg": mean.contiguous(),
        **section(folder, E4E, e4e, "encoder", prior.e4e_encoder.encoder, "e4e_encoder.encoder."),
        **section(folder, HFGI, hfgi, "aligner", prior.hfgi_aligner, "hfgi_aligner."),
        **section(folder, HFGI, hfgi, "encoder", prior.hfgi_encoder, "hfgi_encoder."),
        **section(folder, STYLEGAN, stylegan, None, prior.stylegan, "stylegan."),
    }
