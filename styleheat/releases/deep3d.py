"""Deep3DFaceRecon: its regressor, the points that faces are aligned to, and the Basel Face Model."""

from pathlib import Path

import torch

from styleheat.checkpoints import State
from styleheat.errors import InputError
from styleheat.morphable.deep3d import Deep3D, face_model_state, standard_points
from styleheat.releases.files import SADTALKER_FILES, STYLEHEAT_RELEASE, Published, Released, read_released, section

DEEP3D = Released(
    "Deep3D/epoch_20.pth",
    "the regressor of Deep3DFaceRecon",
    STYLEHEAT_RELEASE,
    published=Published(288860037, "6d17a6b23457b521801baae583cb6a58f7238fe6721fc3d65d76407460e9149b", False),
)
STANDARD = Released(
    "BFM/similarity_Lm3D_all.mat",
    "the standard landmarks `lm` (68, 3)",
    SADTALKER_FILES,
    published=Published(994, "53b83ce6e35c50ddc3e97603650cef4970320c157e75c241c844f29c1dcba65a", True),
)
BASEL = (
    "https://faces.dmi.unibas.ch/bfm/: the University of Basel gives the Basel Face Model 2009 to who accepts its "
    "licence, and Deep3DFaceRecon_pytorch's README says how to prepare the folder BFM from it"
)
FACE_MODEL = Released("BFM/BFM_model_front.mat", "the Basel Face Model cut to the face", BASEL, gated=True)


def released_deep3d(folder: Path) -> State:
    """The tensors of a `Deep3D`: regressor, points that faces are aligned to, and the face model if it is there.

    The face model is not needed to find coefficients. Raises InputError for files that are missing or others.
    """
    with torch.device("meta"):
        model = Deep3D()
    regressor = read_released(folder, DEEP3D)
    standard = read_released(folder, STANDARD).get("lm")
    if standard is None or standard.shape != (68, 3):
        raise InputError(f"{folder / STANDARD.name}: no variable `lm` of shape (68, 3); {STANDARD.wanted}")
    state = {
        **section(folder, DEEP3D, regressor, "net_recon", model.regressor, "regressor."),
        "standard": torch.from_numpy(standard_points(standard)),
    }
    if (folder / FACE_MODEL.name).is_file():
        content = read_released(folder, FACE_MODEL)
        try:
            face = face_model_state(content)
        except (KeyError, ValueError) as error:
            raise InputError(f"{folder / FACE_MODEL.name}: not a face model ({error}); {FACE_MODEL.wanted}") from None
        state |= {f"face.{name}": tensor for name, tensor in face.items()}
    return state
