"""Released files, and the model folders that are made from them; one module for each project that gave some out."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from styleheat.checkpoints import State, write_state
from styleheat.networks.config import NETWORKS
from styleheat.releases.deep3d import DEEP3D, FACE_MODEL, STANDARD, released_deep3d
from styleheat.releases.editing import AGE, GANSPACE, HEAD_POSE, PULSE, released_editing
from styleheat.releases.files import Released
from styleheat.releases.inversion import PRIOR_FILES, released_prior
from styleheat.releases.sadtalker import EXPRESSION, POSE, SADTALKER, released_audio
from styleheat.releases.scores import SCORES_FILES, released_scores
from styleheat.releases.styleheat import (
    DISCRIMINATOR,
    VISUAL,
    WARPER,
    released_discriminator,
    released_styleheat,
    released_warper,
)
from styleheat.releases.torchvision import VGG19, released_vgg19

RELEASED: Mapping[str, Callable[[Path], State]] = {
    "prior": released_prior,
    "styleheat": released_styleheat,
    "warper": released_warper,
    "discriminator": released_discriminator,
    "vgg19": released_vgg19,
    "audio": released_audio,
    "editing": released_editing,
    "deep3d": released_deep3d,
    "scores": released_scores,
}
"""What can be made from released files, by the name of the model folder."""


def released_files(name: str, folder: Path) -> tuple[Released, ...]:
    """The files that one of `RELEASED` is made from, or would be if `folder` had them."""
    if name == "audio":
        return (SADTALKER,) if (folder / SADTALKER.name).is_file() else (EXPRESSION, POSE)
    if name == "deep3d":
        return (DEEP3D, STANDARD, *((FACE_MODEL,) if (folder / FACE_MODEL.name).is_file() else ()))
    if name == "warper":
        return (WARPER,) if (folder / WARPER.name).is_file() else (VISUAL,)
    others: dict[str, tuple[Released, ...]] = {
        "prior": PRIOR_FILES,
        "styleheat": (*PRIOR_FILES, VISUAL),
        "discriminator": (DISCRIMINATOR,),
        "vgg19": (VGG19,),
        "editing": (AGE, HEAD_POSE, GANSPACE, PULSE),
        "scores": SCORES_FILES,
    }
    return others[name]


def convert_released(name: str, source: str | Path, folder: str | Path, facts: Mapping[str, Any]) -> None:
    """Make the model folder of one of `RELEASED` from a folder of released files. Raises InputError."""
    write_state(folder, RELEASED[name](Path(source)), NETWORKS["full"], facts)
