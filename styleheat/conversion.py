"""Released files, and the model folders that are made from them.

Released files are read without running anything that is pickled in them.
"""

import dataclasses
import pickle
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torch import Tensor, nn

from styleheat.checkpoints import State, check_state, write_state
from styleheat.errors import InputError
from styleheat.morphable.deep3d import Deep3D, face_model_state, standard_points
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS
from styleheat.networks.editing import COMPONENTS, Editing
from styleheat.networks.inversion import Inverter
from styleheat.networks.perceptual import Vgg19
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper


@dataclasses.dataclass(frozen=True)
class Released:
    """A file that others gave out."""

    name: str
    """Its path in the folder of released files."""
    holds: str
    """What it holds, in words."""
    release: str
    """Where it is given out: the address without the file's name."""
    archive: str | None = None
    """The archive there that it is part of, if it is not a file of its own."""
    gated: bool = False
    """Whether only who agreed to a licence may have it, so that `release` says where to ask."""

    @property
    def address(self) -> str:
        return self.release if self.gated else f"{self.release}/{self.archive or Path(self.name).name}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """All places where it can be fetched, the authors' own first."""
        base, _, name = self.address.rpartition("/")
        return (self.address, *(f"{other}/{name}" for other in MIRRORS.get(base, ())))

    @property
    def wanted(self) -> str:
        """The end of every complaint about it."""
        return f"it should hold {self.holds}; get it from {self.address}"


# As in StyleHEAT's bash/download.sh, SadTalker's scripts/download_models.sh and torchvision's VGG19_Weights.
STYLEHEAT_RELEASE = "https://github.com/OpenTalker/StyleHEAT/releases/download/styleheat"
SADTALKER_RELEASE = "https://github.com/OpenTalker/SadTalker/releases/download/v0.0.2"
SADTALKER_FILES = (  # in its repository, at the commit that brought it
    "https://raw.githubusercontent.com/OpenTalker/SadTalker/1119361eec6a9807e4d737647a36325ed7e977c5/src/config"
)
SADTALKER_RC_RELEASE = "https://github.com/OpenTalker/SadTalker/releases/download/v0.0.2-rc"
MIRRORS = {
    STYLEHEAT_RELEASE: ("https://github.com/FeiiYin/StyleHEAT/releases/download/styleheat",),
    SADTALKER_RELEASE: ("https://huggingface.co/vinthony/SadTalker/resolve/4aedd064359e623398a2d73eb8c253ebb2bd516c",),
}
"""Other places of what lies at an address."""
E4E = Released("Encoder_e4e.pth", "the e4e encoder and the mean W+ code", STYLEHEAT_RELEASE)
HFGI = Released("hfgi.pth", "HFGI's aligner and residual encoder", STYLEHEAT_RELEASE)
STYLEGAN = Released("StyleGAN_e4e.pth", "the StyleGAN2 generator of 1024 pixels", STYLEHEAT_RELEASE)
VISUAL = Released("StyleHEAT_visual.pt", "the video warper and calibrator", STYLEHEAT_RELEASE)
WARPER = Released("video_warper.pth", "the video warper alone", STYLEHEAT_RELEASE)
DISCRIMINATOR = Released("stylegan2_d_256.pth", "the StyleGAN2 discriminator of 256 pixels", STYLEHEAT_RELEASE)
VGG19 = Released("vgg19-dcbb9e9d.pth", "VGG19 trained on ImageNet", "https://download.pytorch.org/models")
SADTALKER = Released("SadTalker_V0.0.2_256.safetensors", "all networks of SadTalker", SADTALKER_RC_RELEASE)
EXPRESSION = Released("auido2exp_00300-model.pth", "the expression network", SADTALKER_RELEASE)
POSE = Released("auido2pose_00140-model.pth", "the pose network", SADTALKER_RELEASE)
DIRECTIONS = "interfacegan_directions-20230323T133213Z-001.zip"
AGE = Released("interfacegan_directions/age.pt", "the direction of age in W+", STYLEHEAT_RELEASE, DIRECTIONS)
HEAD_POSE = Released(
    "interfacegan_directions/pose.pt", "the direction of head pose in W+", STYLEHEAT_RELEASE, DIRECTIONS
)
GANSPACE = Released("ffhq_pca.pt", "GANSpace's principal components of W", STYLEHEAT_RELEASE)
PULSE = Released("ffhq_PCA.npz", "Barbershop's principal components of W", STYLEHEAT_RELEASE)
DEEP3D = Released("Deep3D/epoch_20.pth", "the regressor of Deep3DFaceRecon", STYLEHEAT_RELEASE)
STANDARD = Released("BFM/similarity_Lm3D_all.mat", "the standard landmarks `lm` (68, 3)", SADTALKER_FILES)
BASEL = (
    "https://faces.dmi.unibas.ch/bfm/: the University of Basel gives the Basel Face Model 2009 to who accepts its "
    "licence, and Deep3DFaceRecon_pytorch's README says how to prepare the folder BFM from it"
)
FACE_MODEL = Released("BFM/BFM_model_front.mat", "the Basel Face Model cut to the face", BASEL, gated=True)


@dataclasses.dataclass(frozen=True)
class Published:
    """What is known of a released file without having it."""

    size: int
    """Bytes."""
    sha256: str
    certain: bool
    """Whether it was published with the file's own address; else it is that of a copy which is likely the same."""


PUBLISHED = {
    EXPRESSION.name: Published(34278319, "b7608f0e6b477e50e03ca569ac5b04a841b9217f89d502862fc78fda4e46dec4", True),
    POSE.name: Published(95916155, "4fba6701852dc57efbed25b1e4276e4ff752941860d69fc4429f08a02326ebce", True),
    SADTALKER.name: Published(725066984, "c211f5d6de003516bf1bbda9f47049a4c9c99133b1ab565c6961e5af16477bff", True),
    VGG19.name: Published(574673361, "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", True),
    STANDARD.name: Published(994, "53b83ce6e35c50ddc3e97603650cef4970320c157e75c241c844f29c1dcba65a", True),
    DEEP3D.name: Published(288860037, "6d17a6b23457b521801baae583cb6a58f7238fe6721fc3d65d76407460e9149b", False),
    PULSE.name: Published(2108402, "77f77159767399a0b0a531d4e2c33b707f68ed7782adaa987bfde2bd0275e7e6", False),
    GANSPACE.name: Published(167562, "4d7f9df1c96180d9026b9cb8d04753579fbf385f321a9d0e263641601c5e5d36", False),
    AGE.name: Published(2808, "50074516b1629707d89b5e43d6b8abd1792212fa3b961a87a11323d6a5222ae0", False),
    HEAD_POSE.name: Published(37624, "736e0eacc8488fa0b020a2e7bd256b957284c364191dfea693705e5d06d43e7d", False),
}
"""By names of released files."""

PRIOR_FILES = (E4E, HFGI, STYLEGAN)
"""The files of the prior, which StyleHEAT_visual.pt may or may not repeat."""

LOSS_OF_VISUAL = "generator.iteration_loss."
"""Entries of StyleHEAT_visual.pt that belong to a loss (VGG19's features), not to the model."""

BARE = "tensor"
"""What `read_released` calls the tensor of a file that holds just one, without a name."""


def read_released(folder: Path, file: Released) -> dict[str, Any]:
    """The content of a released file, memory-mapped where its format allows; a single tensor under the name BARE.

    Raises InputError, naming the file, what it should hold and where to get it, when it is missing, is a web page, is
    cut short, or could only be read by running what is pickled in it.
    """
    path, wanted = folder / file.name, file.wanted
    if not path.is_file():
        raise InputError(f"{path}: missing; {wanted}")
    with path.open("rb") as stream:
        start = stream.read(256).lstrip().lower()
    if not start:
        raise InputError(f"{path}: empty; {wanted}")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path}: a web page, not weights; {wanted}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays}
        if path.suffix == ".mat":
            return {name: array for name, array in loadmat(str(path)).items() if not name.startswith("__")}
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower():
            raise InputError(f"{path}: not weights, or cut short; {wanted}") from None
        reason = str(error).splitlines()[0]
        fault = f"{path}: holds more than weights and would have to be run to be read: {reason}"
        raise InputError(f"{fault}; {wanted}") from None
    except (
        RuntimeError,
        EOFError,
        OSError,
        TypeError,  # arrays of what is no number
        AttributeError,  # a single array, not an archive of them
        ValueError,
        KeyError,
        zipfile.BadZipFile,
        NotImplementedError,  # of MATLAB 7.3
        MatReadError,
        IndexError,  # a .mat of a few bytes
        zlib.error,
        safetensors.SafetensorError,
    ):
        raise InputError(f"{path}: not weights, or cut short; {wanted}") from None
    if isinstance(content, Tensor):
        return {BARE: content}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not named tensors; {wanted}")
    return content


def released_prior(folder: Path) -> State:
    """The tensors of an `Inverter` of full size, from the prior's three files."""
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
        **_section(folder, E4E, e4e, "encoder", prior.e4e_encoder.encoder, "e4e_encoder.encoder."),
        **_section(folder, HFGI, hfgi, "aligner", prior.hfgi_aligner, "hfgi_aligner."),
        **_section(folder, HFGI, hfgi, "encoder", prior.hfgi_encoder, "hfgi_encoder."),
        **_section(folder, STYLEGAN, stylegan, None, prior.stylegan, "stylegan."),
    }


def released_styleheat(folder: Path) -> State:
    """The tensors of a `StyleHEAT` of full size: the prior's files, then StyleHEAT_visual.pt, which wins.

    That file must have all of the warper and the calibrator. What else of the model it has is not the same in every
    release; the prior's files are needed in any case, for the mean code. What the model doesn't know is left out, as
    the released code does, and one line says so.
    """
    with torch.device("meta"):
        model = StyleHEAT(NETWORKS["full"])
    state = {f"generator.{name}": tensor for name, tensor in released_prior(folder).items()}
    visual = _sub(folder, VISUAL, read_released(folder, VISUAL), "net_G_ema")
    known = model.state_dict().keys()
    others = sorted(name for name in visual.keys() - known if not name.startswith(LOSS_OF_VISUAL))
    if others:
        note = f"{len(others)} tensors that the model doesn't have are left out ({others[0]} …)"
        print(f"{folder / VISUAL.name}: {note}", file=sys.stderr)
    state.update({name: tensor for name, tensor in visual.items() if name in known})
    _check(folder, VISUAL, model, state)
    return state


def released_audio(folder: Path) -> State:
    """The tensors of an `Audio2Motion` of full size, from SadTalker's single file or else its two older ones."""
    with torch.device("meta"):
        model = Audio2Motion(NETWORKS["full"])
    if (folder / SADTALKER.name).is_file():
        prefixes = ("audio2exp.", "audio2pose.")
        state = {n: t for n, t in read_released(folder, SADTALKER).items() if n.startswith(prefixes)}
        _check(folder, SADTALKER, model, state)
        return state
    expression, pose = read_released(folder, EXPRESSION), read_released(folder, POSE)
    return {
        **_section(folder, EXPRESSION, expression, "model", model.audio2exp, "audio2exp."),
        **_section(folder, POSE, pose, "model", model.audio2pose, "audio2pose."),
    }


def released_warper(folder: Path) -> State:
    """The tensors of a `VideoWarper` of full size: from video_warper.pth, which the releases lack, or else those of
    StyleHEAT_visual.pt, where it stayed as it was while the calibrator learnt."""
    with torch.device("meta"):
        warper = VideoWarper(NETWORKS["full"])
    if (folder / WARPER.name).is_file():
        return _section(folder, WARPER, read_released(folder, WARPER), "net_G_ema", warper, "")
    visual = _sub(folder, VISUAL, read_released(folder, VISUAL), "net_G_ema")
    prefix = "video_warper."
    own = {name.removeprefix(prefix): tensor for name, tensor in visual.items() if name.startswith(prefix)}
    return _section(folder, VISUAL, own, None, warper, "")


def released_discriminator(folder: Path) -> State:
    """The tensors of a `Discriminator` of full size."""
    with torch.device("meta"):
        discriminator = Discriminator(NETWORKS["full"])
    return _section(folder, DISCRIMINATOR, read_released(folder, DISCRIMINATOR), None, discriminator, "")


def released_vgg19(folder: Path) -> State:
    """The tensors of a `Vgg19`; torchvision's file also has a classifier, which is left out."""
    with torch.device("meta"):
        vgg = Vgg19()
    content = read_released(folder, VGG19)
    features = {n.removeprefix("features."): t for n, t in content.items() if n.startswith("features.")}
    return _section(folder, VGG19, features, None, vgg.network, "network.")


def released_editing(folder: Path) -> State:
    """The tensors of an `Editing` of full size, from four files. Only the components that it edits by are kept.

    Shapes may be those of any release: a direction of one row is for all code rows, and an axis of length 1 is none.
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


def released_deep3d(folder: Path) -> State:
    """The tensors of a `Deep3D`: regressor, points that faces are aligned to, and the face model if it is there.

    The face model is not needed to find coefficients.
    """
    with torch.device("meta"):
        model = Deep3D()
    regressor = read_released(folder, DEEP3D)
    standard = read_released(folder, STANDARD).get("lm")
    if standard is None or standard.shape != (68, 3):
        raise InputError(f"{folder / STANDARD.name}: no variable `lm` of shape (68, 3); {STANDARD.wanted}")
    state = {
        **_section(folder, DEEP3D, regressor, "net_recon", model.regressor, "regressor."),
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


RELEASED: Mapping[str, Callable[[Path], State]] = {
    "prior": released_prior,
    "styleheat": released_styleheat,
    "warper": released_warper,
    "discriminator": released_discriminator,
    "vgg19": released_vgg19,
    "audio": released_audio,
    "editing": released_editing,
    "deep3d": released_deep3d,
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
    }
    return others[name]


def convert_released(name: str, source: str | Path, folder: str | Path, facts: Mapping[str, Any]) -> None:
    """Make the model folder of one of `RELEASED` from a folder of released files. Raises InputError."""
    write_state(folder, RELEASED[name](Path(source)), NETWORKS["full"], facts)


def _sub(folder: Path, file: Released, content: Mapping[str, Any], key: str) -> State:
    if not isinstance(content.get(key), Mapping):
        has = ", ".join(sorted(content)[:5])
        raise InputError(f"{folder / file.name}: has no section `{key}` but {has}: another file; {file.wanted}")
    return dict(content[key])


def _check(folder: Path, file: Released, module: nn.Module, state: Mapping[str, Any]) -> None:
    """`check_state`, which also says where to get the right file."""
    try:
        check_state(folder / file.name, module, state)
    except InputError as error:
        raise InputError(f"{error}; {file.wanted}") from None


def _section(
    folder: Path, file: Released, content: Mapping[str, Any], key: str | None, module: nn.Module, prefix: str
) -> State:
    """One section of a released file (None: all of it), checked against its module and renamed to `prefix`."""
    state = dict(content) if key is None else _sub(folder, file, content, key)
    _check(folder, file, module, state)
    return {prefix + name: tensor for name, tensor in state.items()}
