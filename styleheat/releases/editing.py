"""Directions in W+ that edit faces, of the files that StyleHEAT gives out."""

from pathlib import Path

import torch
from torch import Tensor

from styleheat.checkpoints import State
from styleheat.errors import InputError
from styleheat.networks.config import NETWORKS
from styleheat.networks.editing import COMPONENTS, Editing
from styleheat.releases.files import BARE, STYLEHEAT_RELEASE, Published, Released, read_released

DIRECTIONS = "interfacegan_directions-20230323T133213Z-001.zip"
AGE = Released(
    "interfacegan_directions/age.pt",
    "the direction of age in W+",
    STYLEHEAT_RELEASE,
    DIRECTIONS,
    published=Published(2808, "50074516b1629707d89b5e43d6b8abd1792212fa3b961a87a11323d6a5222ae0", False),
)
HEAD_POSE = Released(
    "interfacegan_directions/pose.pt",
    "the direction of head pose in W+",
    STYLEHEAT_RELEASE,
    DIRECTIONS,
    published=Published(37624, "736e0eacc8488fa0b020a2e7bd256b957284c364191dfea693705e5d06d43e7d", False),
)
GANSPACE = Released(
    "ffhq_pca.pt",
    "GANSpace's principal components of W",
    STYLEHEAT_RELEASE,
    published=Published(167562, "4d7f9df1c96180d9026b9cb8d04753579fbf385f321a9d0e263641601c5e5d36", False),
)
PULSE = Released(
    "ffhq_PCA.npz",
    "Barbershop's principal components of W",
    STYLEHEAT_RELEASE,
    published=Published(2108402, "77f77159767399a0b0a531d4e2c33b707f68ed7782adaa987bfde2bd0275e7e6", False),
)


def released_editing(folder: Path) -> State:
    """The tensors of an `Editing` of full size, from four files. Only the components that it edits by are kept.

    Shapes may be those of any release: a direction of one row is for all code rows, and an axis of length 1 is none.
    Raises InputError for files that are missing or others.
    """
    config = NETWORKS["full"]
    with torch.device("meta"):
        editing = Editing(config)
    state = {}
    for file, names in (
        (AGE, {"age": BARE}),
        (HEAD_POSE, {"pose": BARE}),
        (GANSPACE, {"mean": "mean", "components": "comp", "deviations": "std"}),
        (PULSE, {"pulse_mean": "X_mean", "pulse_components": "X_comp", "pulse_deviations": "X_stdev"}),
    ):
        content, path = read_released(folder, file), folder / file.name
        for name, key in names.items():
            tensor, wanted = content.get(key), editing.get_buffer(name).shape
            if not isinstance(tensor, Tensor):
                raise InputError(f"{path}: has no tensor `{key}`; {file.wanted}")
            shape = tuple(tensor.shape)
            if name in ("components", "deviations") and shape:
                tensor = tensor[[index for index, _, _ in COMPONENTS.values() if index < len(tensor)]]
            tensor = tensor.float().squeeze()
            if name in ("age", "pose") and tensor.dim() == 1:
                tensor = tensor.expand(config.codes, -1)
            if tensor.shape != wanted:
                raise InputError(f"{path}: `{key}` is {shape}, not {tuple(wanted)}; {file.wanted}")
            state[name] = tensor
    return state
